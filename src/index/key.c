/* SPDX-License-Identifier: Apache-2.0 */
#include "index/key.h"

#include <string.h>

enum {
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
	ARP_SENDER =
		14, /* where libpcap's "arp host" looks, whatever the lengths in the header say */
	ARP_TARGET = 24,
	LENGTH_UNIT = 16, /* of the captured length of opaque packets */
	LENGTH_MAX = 5,
};

/* The captured length in units of 16 bytes, if it is short. */
static uint8_t length_flags(size_t captured)
{
	size_t units = (captured + LENGTH_UNIT - 1) / LENGTH_UNIT;

	return units <= LENGTH_MAX ? (uint8_t)units : 0;
}

/* Ports, ICMP's type, flags of TCP: returns what stands in the key for a port. */
static uint16_t read_transport(const struct headers *headers, struct key *key)
{
	const uint8_t *transport = headers->transport;

	if (!transport || headers->flags & HEADERS_NO_PORTS)
		return 0;
	if (headers_has_ports(headers)) {
		uint16_t one = headers_u16(transport), other = headers_u16(transport + 2);

		if (headers->protocol == PROTOCOL_TCP && headers->transport_bytes > KEY_TCP_FLAGS)
			key->tcp_flags = transport[KEY_TCP_FLAGS];
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
		ret_key->pair = key_pair(network + KEY_IPV4_SOURCE, network + KEY_IPV4_DESTINATION);
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
		ret_key->pair = key_pair(network + ARP_SENDER, network + ARP_TARGET);
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

unsigned key_of_packet(uint32_t link_type, const uint8_t *packet, size_t captured,
		       struct key ret_keys[KEYS_MAX])
{
	struct headers headers;

	if (key_of_usual(link_type, packet, captured, &ret_keys[0]))
		return 1;
	headers_read(link_type, packet, captured, &headers);
	return key_of_headers(&headers, ret_keys);
}
