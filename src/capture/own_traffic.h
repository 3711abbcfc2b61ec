/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Our own uploads in the packet stream: recognized by the 4-tuples in the own-connections table and left
 * out, so that recording does not feed itself. In user space, because the kernel's filter cannot change
 * as often as connections do without losing somebody's packet. Used by one capture thread; does not lock
 * or allocate per packet.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/connections.h"

#define OWN_TRAFFIC_PORT_WORDS 16

struct own_traffic {
	struct connections *table; /* NULL: none of the packets is left out */
	const atomic_uint *latest; /* generation of the table */
	unsigned generation;       /* of the copy below */
	size_t count;
	uint64_t ports[OWN_TRAFFIC_PORT_WORDS]; /* a bit for each pair of ports in the list */
	int link_type; /* DLT_; of packets that we cannot take apart none is ours */
	struct connection list[CONNECTIONS_MAX];
};

/* table NULL: everything is recorded. */
void own_traffic_init(struct own_traffic *own, struct connections *table, int link_type);

/* For own_traffic_matches(): compares the packet with the copy. */
bool own_traffic_search(const struct own_traffic *own, const uint8_t *packet, uint32_t captured,
			uint64_t packet_ns);
void own_traffic_refresh(struct own_traffic *own);

/* Is this packet of one of our own connections, open at the time that it bears? */
static inline bool own_traffic_matches(struct own_traffic *own, const uint8_t *packet,
				       uint32_t captured, uint64_t packet_ns)
{
	if (!own->table)
		return false;
	if (__builtin_expect(
		    own->generation != atomic_load_explicit(own->latest, memory_order_acquire), 0))
		own_traffic_refresh(own);
	return own->count > 0 && own_traffic_search(own, packet, captured, packet_ns);
}
