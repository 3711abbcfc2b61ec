/* SPDX-License-Identifier: Apache-2.0 */
#include "index/key.h"

#include <string.h>

enum {
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
	ARP_SENDER =
		14, /* where libpcap's "arp host" looks, whatever the lengths in the header say */
	ARP_TARGET = 24,
	TCP_FLAGS = 13,
	LENGTH_UNIT = 16, /* of the captured length of opaque packets */
	LENGTH_MAX = 5,
};

/* The captured length in units of 16 bytes, if it is short. */
static uint8_t length_flags(size_t captured)
{
	size_t units = (captured + LENGTH_UNIT - 1) / LENGTH_UNIT;

	return units <= LENGTH_MAX ? (uint8_t)units : 0;
}

static inline uint64_t pair_of(const uint8_t *one, const uint8_t *other)
{
	uint32_t a = headers_u32(one), b = headers_u32(other), low = a < b ? a : b;

	return (uint64_t)low << 32 | (a ^ b ^ low);
}

/* Ports, ICMP's type, flags of TCP: returns what stands in the key for a port. */
static uint16_t read_transport(const struct headers *headers, struct key *key)
{
	const uint8_t *transport = headers->transport;

	if (!transport || headers->flags & HEADERS_NO_PORTS)
		return 0;
	if (headers_has_ports(headers)) {
		uint16_t one = headers_u16(transport), other = headers_u16(transport + 2);

		if (headers->protocol == PROTOCOL_TCP && headers->transport_bytes > TCP_FLAGS)
			key->tcp_flags = transport[TCP_FLAGS];
		key->hint = key_port_hint(one > other ? one : other);
		return one < other ? one : other;
	}
	if (headers->protocol == (headers->kind == HEADERS_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return transport[0];
	return 0;
}

/* What the type does not tell: the frame's ethertype is that of the tag. */
static uint16_t tagged_ethertype(const struct headers *headers)
{
	return headers->tags > 0 ? headers->inner_ethertype : 0;
}

/* VLAN: the tags, and the tunnel if it is one. */
static void make_key(const struct headers *headers, uint8_t vlan, uint8_t inner,
		     struct key *ret_key)
{
	const uint8_t *network = headers->network;
	uint8_t flags = headers->flags;
	uint16_t port = 0;

	*ret_key = (struct key){ .pair = 0 };
	switch (headers->kind) {
	case HEADERS_IPV4:
		ret_key->pair = pair_of(network + IPV4_SOURCE, network + IPV4_DESTINATION);
		port = read_transport(headers, ret_key);
		break;
	case HEADERS_IPV6:
		ret_key->low = network + IPV6_SOURCE;
		ret_key->high = network + IPV6_DESTINATION;
		if (memcmp(ret_key->low, ret_key->high, 16) > 0) {
			ret_key->low = network + IPV6_DESTINATION;
			ret_key->high = network + IPV6_SOURCE;
		}
		port = read_transport(headers, ret_key);
		break;
	case HEADERS_ARP:
		ret_key->pair = pair_of(network + ARP_SENDER, network + ARP_TARGET);
		port = tagged_ethertype(headers);
		break;
	default:
		flags = length_flags(headers->captured);
		port = tagged_ethertype(headers);
		break;
	}
	ret_key->what = (uint64_t)port << KEY_TYPE_BITS | (uint64_t)headers->ethertype << 32 |
			(uint64_t)headers->kind << 24 | (uint64_t)vlan << 16 |
			(uint64_t)headers->protocol << 8 | flags | inner;
}

unsigned key_of_headers(const struct headers *headers, struct key ret_keys[KEYS_MAX])
{
	struct decap_inner inner;
	struct headers inside;

	make_key(headers, headers->tags, 0, &ret_keys[0]);
	if (!decap(headers, &inner))
		return 1;
	headers_read(inner.link_type, inner.packet, inner.captured, &inside);
	make_key(&inside, (uint8_t)(inner.tunnel << 4 | inside.tags), KEY_FLAG_INNER, &ret_keys[1]);
	return 2;
}

/*
 * Most packets: TCP or UDP over IPv4 in Ethernet, without tags, options and fragments, and captured up to the flags. The
 * key is that of key_of_headers(), with a third of the work; false: it is another packet.
 */
static inline bool read_usual(uint32_t link_type, const uint8_t *packet, size_t captured,
			      struct key *ret_key)
{
	const uint8_t *ip = packet + 14, *transport = ip + 20;
	uint16_t source, destination, low, high;
	bool is_tcp;

	if (link_type != LINK_ETHERNET || captured <= 14 + 20 + TCP_FLAGS ||
	    headers_u16(packet + 12) != 0x0800 || ip[0] != 0x45 ||
	    (headers_u16(ip + 6) & 0x1fff) != 0 || (ip[9] != PROTOCOL_TCP && ip[9] != PROTOCOL_UDP))
		return false;
	is_tcp = ip[9] == PROTOCOL_TCP;
	source = headers_u16(transport);
	destination = headers_u16(transport + 2);
	if (!is_tcp && decap_is_port(destination))
		return false;
	low = source < destination ? source : destination;
	high = source ^ destination ^ low;
	*ret_key = (struct key){
		.pair = pair_of(ip + IPV4_SOURCE, ip + IPV4_DESTINATION),
		.what = (uint64_t)low << KEY_TYPE_BITS | UINT64_C(0x0800) << 32 |
			(uint64_t)HEADERS_IPV4 << 24 | (uint64_t)ip[9] << 8,
		.hint = key_port_hint(high),
		.tcp_flags = is_tcp ? transport[TCP_FLAGS] : 0,
	};
	return true;
}

unsigned key_of_packet(uint32_t link_type, const uint8_t *packet, size_t captured,
		       struct key ret_keys[KEYS_MAX])
{
	struct headers headers;

	if (read_usual(link_type, packet, captured, ret_keys))
		return 1;
	headers_read(link_type, packet, captured, &headers);
	return key_of_headers(&headers, ret_keys);
}
