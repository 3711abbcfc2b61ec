/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packet in a tunnel. This is part of the index's format: another rule here is another KEY_VERSION, and a reader
 * with another rule than the writer's must not use the inner keys of a file. Pure; one level only.
 *
 *   VXLAN (RFC 7348)    UDP to port 4789 or 8472, the flag I is set; an Ethernet frame behind 8 bytes
 *   Geneve (RFC 8926)   UDP to port 6081, version 0; behind 8 bytes and the options, by the protocol: an Ethernet
 *                       frame (0x6558), IPv4 or IPv6
 *   GRE (RFC 2784/2890) version 0, without routing; behind checksum, key and sequence number: the same three
 *   IP in IP, 6in4      IPv4 with protocol 4 or 41; IPv4 or IPv6
 *
 * The outer packet is IPv4 (no later fragment) with a header of 20 bytes or more, or IPv6 without extension headers.
 */

#include "index/headers.h"

/* What FACTS say about it. */
#define DECAP_TUNNELS "vxlan:4789,8472 geneve:6081 gre ipip 6in4"

/* Part of the format. */
enum decap_tunnel {
	DECAP_VXLAN = 0,
	DECAP_GENEVE = 1, /* with an Ethernet frame */
	DECAP_GRE_ETHERNET = 2,
	DECAP_GRE_IP = 3,
	DECAP_IPIP = 4,
	DECAP_6IN4 = 5,
	DECAP_GENEVE_IP = 6,
};

enum {
	DECAP_PORT_VXLAN = 4789,
	DECAP_PORT_VXLAN_LINUX = 8472, /* older than the standard; Cilium's and flannel's */
	DECAP_PORT_GENEVE = 6081,
};

/* May UDP to this port be a tunnel? */
static inline bool decap_is_port(uint16_t port)
{
	return port == DECAP_PORT_VXLAN || port == DECAP_PORT_VXLAN_LINUX ||
	       port == DECAP_PORT_GENEVE;
}

struct decap_inner {
	enum decap_tunnel tunnel;
	uint32_t link_type;    /* of the inner packet: LINK_ETHERNET or LINK_RAW */
	const uint8_t *packet; /* in the outer one, also where captured is 0 */
	size_t captured;       /* 0: it is a tunnel's, and nothing of what is inside was captured */
};

/* False: the packet is not a tunnel's. */
bool decap(const struct headers *outer, struct decap_inner *ret_inner);
