/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The keys of a packet: under what the index lists the member that has it. One function for capture and recovery, so
 * that both make the same index. It sees the bytes that are stored, and no others. Pure.
 */

#include "index/decap.h"

/* Which rules the keys follow, decap()'s included; a reader knows others by it. */
#define KEY_VERSION 1

/* A packet has one key, and one of a tunnel has two: its own, and that of the packet inside. */
#define KEYS_MAX 2

/*
 * The type is what a key says beside addresses and port, as in ADDRESSES: ethertype << 32 | kind << 24 |
 * VLAN << 16 | protocol << 8 | flags.
 */
#define KEY_TYPE_BITS  48
#define KEY_TYPE_MASK  ((UINT64_C(1) << KEY_TYPE_BITS) - 1)
#define KEY_FLAG_INNER 16 /* of the packet in a tunnel: VLAN is tunnel << 4 | tags */

struct key {
	/* The smaller address << 32 | the larger, of IPv4 and ARP; of an opaque packet 0. */
	uint64_t pair;
	const uint8_t *low, *high; /* instead, of IPv6: in the packet; else NULL */
	/*
	 * Port << 48 | type. The port is the lower one of two; the type of ICMP; of ARP or an opaque packet
	 * behind VLAN tags the ethertype there; else 0.
	 */
	uint64_t what;
	uint16_t hint;     /* a bit that stands for the higher port; 0: there is none */
	uint8_t tcp_flags; /* 0 where there are none, or they were not captured */
};

/* Returns how many there are: 1 or 2. */
unsigned key_of_packet(uint32_t link_type, const uint8_t *packet, size_t captured,
		       struct key ret_keys[KEYS_MAX]);
/* The same of a packet whose headers were read already. */
unsigned key_of_headers(const struct headers *headers, struct key ret_keys[KEYS_MAX]);

/* Bits of a hint: by services, two of them, which no ephemeral port has; and by ephemeral ones. */
#define KEY_EPHEMERAL       32768
#define KEY_HINTS_SERVICE   3
#define KEY_HINTS_EPHEMERAL 14

/* Services are told apart from ephemeral ports, so that one does not hide behind the other. */
static inline uint16_t key_port_hint(uint16_t port)
{
	/* Both are computed: which one it is, nobody can predict. */
	unsigned service = port & 1u, ephemeral = 2u + port % KEY_HINTS_EPHEMERAL;

	return (uint16_t)(1u << (port < KEY_EPHEMERAL ? service : ephemeral));
}

static inline uint8_t key_kind(uint64_t what)
{
	return (uint8_t)(what >> 24);
}

/* Where bytes are that the keys are made of. */
enum {
	KEY_IPV4_SOURCE = 12,
	KEY_IPV4_DESTINATION = 16,
	KEY_TCP_FLAGS = 13,
};

static inline uint64_t key_pair(const uint8_t *one, const uint8_t *other)
{
	uint32_t a = headers_u32(one), b = headers_u32(other), low = a < b ? a : b;

	return (uint64_t)low << 32 | (a ^ b ^ low);
}

/*
 * Most packets: TCP or UDP over IPv4 in Ethernet, without tags, options and fragments, and captured up to the flags. The
 * key is that of key_of_headers(), with a third of the work; false: it is another packet.
 */
static inline bool key_of_usual(uint32_t link_type, const uint8_t *packet, size_t captured,
				struct key *ret_key)
{
	const uint8_t *ip = packet + 14, *transport = ip + 20;
	uint16_t source, destination, low, high;
	bool is_tcp;

	if (link_type != LINK_ETHERNET || captured <= 14 + 20 + KEY_TCP_FLAGS ||
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
		.pair = key_pair(ip + KEY_IPV4_SOURCE, ip + KEY_IPV4_DESTINATION),
		.what = (uint64_t)low << KEY_TYPE_BITS | UINT64_C(0x0800) << 32 |
			(uint64_t)HEADERS_IPV4 << 24 | (uint64_t)ip[9] << 8,
		.hint = key_port_hint(high),
		.tcp_flags = is_tcp ? transport[KEY_TCP_FLAGS] : 0,
	};
	return true;
}
