/* SPDX-License-Identifier: Apache-2.0 */
#include "match/shape.h"

/* In bytes, as in index/headers.c. */
enum {
	ETHERNET_TYPE = 12,
	ETHERNET_BYTES = 14,
	SLL_TYPE = 14,
	SLL_BYTES = 16,
	SLL2_TYPE = 0,
	SLL2_BYTES = 20,
	TAG_BYTES = 4,
	TAGS_MAX = 2,
	IPV4_BYTES = 20,
	IPV4_BYTES_MAX = 60,
	IPV4_FRAGMENT = 6,
	IPV4_FRAGMENT_OFFSET = 0x1fff,
	IPV4_PROTOCOL = 9,
	IPV6_BYTES = 40,
	IPV6_NEXT_HEADER = 6,
	PORTS_BYTES = 4,
	LENGTH_UNIT = 16, /* of opaque packets, as in index/key.c */
	LENGTH_MASK = 7,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	LENGTH_KNOWN = 0xf800, /* bits that are 0 below 0x0600 */
};

/* What the tags 0x8100, 0x88a8 and 0x9100 have in common. */
#define TAG_KNOWN UINT16_C(0xe657)
#define TAG_BITS  UINT16_C(0x8000)

struct shape_type shape_type_of(uint64_t bits)
{
	bool is_inner = bits & KEY_FLAG_INNER;
	uint8_t vlan = (uint8_t)(bits >> 16);

	return (struct shape_type){
		.ethertype = (uint16_t)(bits >> 32),
		.kind = key_kind(bits),
		.tags = is_inner ? vlan & 0x0f : vlan,
		.tunnel = is_inner ? vlan >> 4 : 0,
		.protocol = (uint8_t)(bits >> 8),
		.flags = (uint8_t)bits,
	};
}

/* An ethertype that is a length has only its highest bits known. */
void shape_set_ethertype(struct shape *shape, size_t at, uint16_t ethertype)
{
	abstract_packet_set(&shape->packet, at, 2, ethertype,
			    ethertype > 0 ? UINT16_MAX : LENGTH_KNOWN);
}

/* An opaque packet of a few bytes; 0: it has more, or none. */
static uint32_t short_length(const struct shape_type *type)
{
	return type->kind == HEADERS_OPAQUE ? (type->flags & LENGTH_MASK) * LENGTH_UNIT : 0;
}

static void shape_link(struct shape *shape, size_t type_at, size_t bytes)
{
	const struct shape_type *type = &shape->type;
	uint32_t captured = short_length(type);
	/* So short a frame may have no ethertype, and one byte of what is there in its place. */
	bool may_end_before = captured > 0 && captured < bytes + LENGTH_UNIT;

	if (type->ethertype > 0 || !may_end_before)
		shape_set_ethertype(shape, type_at, type->ethertype);
	for (unsigned i = 0; i < type->tags; i++) {
		bytes += TAG_BYTES;
		shape->inner_type_at = bytes - 2;
		abstract_packet_set(&shape->packet, bytes - 2, 2, TAG_BITS, TAG_KNOWN);
	}
	shape->network = bytes;
}

static void shape_ipv4(struct shape *shape)
{
	const struct shape_type *type = &shape->type;
	struct abstract_packet *packet = &shape->packet;
	bool has_options = type->flags & HEADERS_IP_OPTIONS;

	abstract_packet_set(packet, shape->network, 1, 0x45,
			    (type->flags & HEADERS_ODD_VERSION ? 0 : 0xf0) |
				    (has_options ? 0 : 0x0f));
	abstract_packet_set(packet, shape->network + IPV4_PROTOCOL, 1, type->protocol, UINT8_MAX);
	if (type->flags & HEADERS_LATER_FRAGMENT) {
		packet->nonzero_at = (uint32_t)(shape->network + IPV4_FRAGMENT);
		packet->nonzero = IPV4_FRAGMENT_OFFSET;
		return;
	}
	abstract_packet_set(packet, shape->network + IPV4_FRAGMENT, 2, 0, IPV4_FRAGMENT_OFFSET);
	if (!has_options)
		shape->transport = shape->network + IPV4_BYTES;
}

static void shape_ipv6(struct shape *shape)
{
	abstract_packet_set(&shape->packet, shape->network, 1, 0x60,
			    shape->type.flags & HEADERS_ODD_VERSION ? 0 : 0xf0);
	abstract_packet_set(&shape->packet, shape->network + IPV6_NEXT_HEADER, 1,
			    shape->type.protocol, UINT8_MAX);
	shape->transport = shape->network + IPV6_BYTES;
}

/* RAW's ethertype is the version in its first byte. */
static void shape_raw(struct shape *shape)
{
	uint8_t version = shape->type.ethertype == ETHERTYPE_IPV4 ? 4 : 6;

	if (shape->type.ethertype > 0)
		abstract_packet_set(&shape->packet, 0, 1, (uint32_t)version << 4, 0xf0);
}

bool shape_type_has_ports(const struct shape_type *type)
{
	return type->protocol == PROTOCOL_TCP || type->protocol == PROTOCOL_UDP ||
	       type->protocol == PROTOCOL_SCTP;
}

/* How far a packet goes whose ports, or type of ICMP, were not captured. */
static void shape_end(struct shape *shape)
{
	const struct shape_type *type = &shape->type;
	uint32_t header = type->kind == HEADERS_IPV6         ? IPV6_BYTES
			  : type->flags & HEADERS_IP_OPTIONS ? IPV4_BYTES_MAX
							     : IPV4_BYTES;
	uint32_t rest = shape_type_has_ports(type) ? PORTS_BYTES - 1 : 0;

	if (type->kind == HEADERS_OPAQUE && short_length(type) > 0)
		shape->packet.captured_max = short_length(type);
	else if ((type->kind == HEADERS_IPV4 || type->kind == HEADERS_IPV6) &&
		 type->flags & HEADERS_NO_PORTS)
		shape->packet.captured_max = (uint32_t)shape->network + header + rest;
}

/* All that a type says. Of one that no writer of ours makes: nothing. */
void shape_init(struct shape *shape, uint32_t link_type, uint64_t type)
{
	*shape = (struct shape){ .type = shape_type_of(type) };
	abstract_packet_init(&shape->packet);
	if (shape->type.tags > TAGS_MAX || shape->type.kind > HEADERS_ARP) {
		shape->type = (struct shape_type){ .kind = HEADERS_OPAQUE };
		return;
	}
	switch (link_type) {
	case LINK_ETHERNET:
		shape_link(shape, ETHERNET_TYPE, ETHERNET_BYTES);
		break;
	case LINK_SLL:
		shape_link(shape, SLL_TYPE, SLL_BYTES);
		break;
	case LINK_SLL2:
		shape_link(shape, SLL2_TYPE, SLL2_BYTES);
		break;
	case LINK_RAW:
		shape_raw(shape);
		break;
	default:
		break;
	}
	if (shape->type.kind == HEADERS_IPV4)
		shape_ipv4(shape);
	else if (shape->type.kind == HEADERS_IPV6)
		shape_ipv6(shape);
	if (shape->inner_type_at > 0 && shape->type.kind == HEADERS_IPV4)
		shape_set_ethertype(shape, shape->inner_type_at, ETHERTYPE_IPV4);
	else if (shape->inner_type_at > 0 && shape->type.kind == HEADERS_IPV6)
		shape_set_ethertype(shape, shape->inner_type_at, ETHERTYPE_IPV6);
	else if (shape->inner_type_at > 0) /* the key has it in place of a port */
		abstract_packet_set(&shape->packet, shape->inner_type_at, 2, 0, 0);
	shape_end(shape);
}
