/* SPDX-License-Identifier: Apache-2.0 */
#include "match/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "match/shape.h"

/* In bytes, as in index/key.c. */
enum {
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
	ARP_SENDER = 14,
	ARP_TARGET = 24,
	TCP_FLAGS = 13,
};

enum reach_judge reach_judge_of(uint64_t bits, bool is_inner)
{
	struct shape_type type = shape_type_of(bits);

	if (!is_inner)
		return bits & KEY_FLAG_INNER ? REACH_NOBODY : REACH_OUTER;
	if (!(bits & KEY_FLAG_INNER)) {
		/*
		 * These are always tunnels, see index/decap.h, and have an inner key. Of others that may be, UDP to
		 * 8472 say, some are not, and have none.
		 */
		bool is_tunnel = type.kind == HEADERS_IPV4 &&
				 (type.protocol == PROTOCOL_IPIP ||
				  type.protocol == PROTOCOL_6IN4) &&
				 !(type.flags & (HEADERS_LATER_FRAGMENT | HEADERS_IP_OPTIONS));

		return is_tunnel ? REACH_NOBODY : REACH_OUTER;
	}
	switch (type.tunnel) {
	case DECAP_VXLAN:
	case DECAP_GENEVE:
	case DECAP_GRE_ETHERNET:
		return REACH_INNER_ETHERNET;
	case DECAP_GRE_IP:
	case DECAP_IPIP:
	case DECAP_6IN4:
	case DECAP_GENEVE_IP:
		return REACH_INNER_RAW;
	default:
		return REACH_UNKNOWN;
	}
}

/* Addresses ----------------------------------------------------------------------------------------- */

void reach_sets_init(struct reach_sets *sets, const struct index_addresses *addresses)
{
	*sets = (struct reach_sets){ .ipv4 = { addresses->ipv4, addresses->ipv4_count, true } };
	for (size_t i = 0; i < REACH_IPV6_WORDS; i++) {
		struct abstract_set *set = &sets->ipv6[i];

		set->list = mem_calloc(addresses->ipv6_count, sizeof *set->list);
		for (; set->count < addresses->ipv6_count; set->count++)
			set->list[set->count] = headers_u32(addresses->ipv6[set->count] + 4 * i);
	}
}

void reach_sets_done(struct reach_sets *sets)
{
	for (size_t i = 0; i < REACH_IPV6_WORDS; i++)
		free(sets->ipv6[i].list);
}

static void add_place(struct shape *shape, size_t offset, struct abstract_set *set)
{
	struct abstract_packet *packet = &shape->packet;

	packet->place_at[packet->places] = (uint32_t)(shape->network + offset);
	packet->facts.sets[packet->places++] = set;
}

struct abstract_result reach_by_type(struct abstract_machine *machine, uint32_t link_type,
				     uint64_t type, struct reach_sets *sets)
{
	struct shape shape;

	shape_init(&shape, link_type, type);
	switch (shape.type.kind) {
	case HEADERS_IPV4:
		add_place(&shape, IPV4_SOURCE, &sets->ipv4);
		add_place(&shape, IPV4_DESTINATION, &sets->ipv4);
		break;
	case HEADERS_ARP:
		add_place(&shape, ARP_SENDER, &sets->ipv4);
		add_place(&shape, ARP_TARGET, &sets->ipv4);
		break;
	case HEADERS_IPV6:
		for (size_t i = 0; i < REACH_IPV6_WORDS; i++) {
			add_place(&shape, IPV6_SOURCE + 4 * i, &sets->ipv6[i]);
			add_place(&shape, IPV6_DESTINATION + 4 * i, &sets->ipv6[i]);
		}
		break;
	default:
		break;
	}
	return abstract_run(machine, &shape.packet);
}

/* Keys ---------------------------------------------------------------------------------------------- */

static void take_address(const struct index_addresses *addresses, uint32_t place, uint8_t out[16])
{
	memset(out, 0, 16);
	if (place >= addresses->ipv4_count) {
		memcpy(out, addresses->ipv6[place - addresses->ipv4_count], 16);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(addresses->ipv4[place] >> (24 - 8 * i));
}

void reach_key_init(struct reach_key *key, const struct index_addresses *addresses,
		    const struct index_conversation *conversation)
{
	key->type = conversation->type;
	key->port = conversation->port;
	take_address(addresses, conversation->low, key->low);
	take_address(addresses, conversation->high, key->high);
}

static void set_bytes(struct shape *shape, size_t offset, const uint8_t *bytes, size_t length)
{
	memcpy(shape->packet.bytes + shape->network + offset, bytes, length);
	memset(shape->packet.known + shape->network + offset, UINT8_MAX, length);
}

/* Whose addresses they are. Returns false where there are none to be exchanged. */
static bool shape_addresses(struct shape *shape, const struct reach_key *key, bool is_reversed)
{
	const uint8_t *source = is_reversed ? key->high : key->low;
	const uint8_t *destination = is_reversed ? key->low : key->high;

	switch (shape->type.kind) {
	case HEADERS_IPV4:
		set_bytes(shape, IPV4_SOURCE, source, 4);
		set_bytes(shape, IPV4_DESTINATION, destination, 4);
		return true;
	case HEADERS_ARP:
		set_bytes(shape, ARP_SENDER, source, 4);
		set_bytes(shape, ARP_TARGET, destination, 4);
		return true;
	case HEADERS_IPV6:
		set_bytes(shape, IPV6_SOURCE, source, 16);
		set_bytes(shape, IPV6_DESTINATION, destination, 16);
		return true;
	default:
		return false;
	}
}

/* The lower port is the source's or the destination's. */
static void shape_ports(struct shape *shape, uint16_t lower, bool is_reversed)
{
	size_t source = shape->transport, destination = source + 2;
	size_t lower_at = is_reversed ? destination : source;
	size_t higher_at = is_reversed ? source : destination;

	abstract_packet_set(&shape->packet, lower_at, 2, lower, UINT16_MAX);
	abstract_packet_set(&shape->packet, higher_at, 2, 0, 0);
	shape->packet.higher_at = (uint32_t)higher_at;
	shape->packet.facts.higher_min = lower;
	shape->packet.ports_at = (uint32_t)shape->transport;
}

/* All but addresses and ports. Returns true where there are ports. */
static bool shape_key(struct shape *shape, const struct reach_key *key, struct reach_facts facts)
{
	const struct shape_type *type = &shape->type;
	bool is_icmp = type->kind == HEADERS_IPV4   ? type->protocol == PROTOCOL_ICMP
		       : type->kind == HEADERS_IPV6 ? type->protocol == PROTOCOL_ICMPV6
						    : false;

	if (type->kind == HEADERS_OPAQUE || type->kind == HEADERS_ARP) {
		if (shape->inner_type_at > 0)
			shape_set_ethertype(shape, shape->inner_type_at, key->port);
		return false;
	}
	if (shape->transport == 0 || type->flags & HEADERS_NO_PORTS)
		return false;
	if (is_icmp)
		abstract_packet_set(&shape->packet, shape->transport, 1, key->port, UINT8_MAX);
	if (type->protocol == PROTOCOL_TCP) {
		shape->packet.tcp_flags_at = (uint32_t)shape->transport + TCP_FLAGS;
		abstract_packet_set(&shape->packet, shape->packet.tcp_flags_at, 1, 0,
				    (uint8_t)~facts.tcp_flags);
	}
	shape->packet.facts.hints = facts.hints;
	return shape_type_has_ports(type);
}

/* Both ways for the ports; if no byte of them was looked at, the other way is the same. */
static struct abstract_result run_ports(struct abstract_machine *machine, struct shape *shape,
					uint16_t lower)
{
	struct abstract_result one, other;

	shape_ports(shape, lower, false);
	one = abstract_run(machine, &shape->packet);
	if (one.may_accept || !one.has_used_ports)
		return one;
	shape_ports(shape, lower, true);
	other = abstract_run(machine, &shape->packet);
	other.steps += one.steps;
	return other;
}

struct abstract_result reach_by_key(struct abstract_machine *machine, uint32_t link_type,
				    const struct reach_key *key, struct reach_facts facts)
{
	struct abstract_result all = { .may_accept = false };
	bool has_direction, has_two_ports;
	struct shape shape;

	shape_init(&shape, link_type, key->type);
	has_two_ports = shape_key(&shape, key, facts);
	has_direction = shape_addresses(&shape, key, false) &&
			memcmp(key->low, key->high, sizeof key->low) != 0;
	for (unsigned i = 0; i <= has_direction && !all.may_accept; i++) {
		struct abstract_result one;

		(void)shape_addresses(&shape, key, i > 0);
		one = has_two_ports ? run_ports(machine, &shape, key->port)
				    : abstract_run(machine, &shape.packet);
		one.steps += all.steps;
		all = one; /* only what accepts, or rejects last, is of interest */
	}
	return all;
}
