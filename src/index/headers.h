/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The headers of one packet, as far as the index and own traffic want to know them. Pure; never reads beyond the
 * captured bytes. Link types are LINKTYPE_ values (https://www.tcpdump.org/linktypes.html).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	LINK_SLL = 113,
	LINK_SLL2 = 276,
};

/* What is behind the link header. The numbers are part of the index's format. */
enum headers_kind {
	HEADERS_OPAQUE = 0, /* nothing that we know, or a header that was not captured whole */
	HEADERS_IPV4 = 1,
	HEADERS_IPV6 = 2,
	HEADERS_ARP = 3, /* and RARP */
};

/* Flags of what was found; the numbers are part of the index's format. */
enum {
	HEADERS_LATER_FRAGMENT = 1,
	HEADERS_IP_OPTIONS = 2,  /* IPv4: the header length is not 20 bytes */
	HEADERS_NO_PORTS = 4,    /* ports, or the type of ICMP, were not captured */
	HEADERS_ODD_VERSION = 8, /* the version is not that of the ethertype */
};

enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_IPIP = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_6IN4 = 41,
	PROTOCOL_GRE = 47,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_SCTP = 132,
};

struct headers {
	uint16_t ethertype;       /* of the frame; below 0x0600 it is a length, and 0 here */
	uint16_t inner_ethertype; /* behind the VLAN tags */
	uint8_t kind, tags, protocol, flags;
	const uint8_t *network;   /* the header of that kind; NULL for opaque ones */
	const uint8_t *transport; /* what IPv4's or IPv6's fixed header is followed by */
	size_t transport_bytes;   /* captured of it; 0: nothing */
	size_t captured;          /* of the packet */
};

/* Big-endian, as networks have it. */
static inline uint16_t headers_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t headers_u32(const uint8_t *bytes)
{
	return (uint32_t)headers_u16(bytes) << 16 | headers_u16(bytes + 2);
}

/* Link types that are not listed above have opaque packets only. */
void headers_read(uint32_t link_type, const uint8_t *packet, size_t captured,
		  struct headers *ret_headers);

/* Has the protocol ports, at the beginning of its header? */
static inline bool headers_has_ports(const struct headers *headers)
{
	return headers->protocol == PROTOCOL_TCP || headers->protocol == PROTOCOL_UDP ||
	       headers->protocol == PROTOCOL_SCTP;
}
