/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recognizes the program's own uploads in the packet stream by the 4-tuples in the table of own connections,
 * so that they are not recorded and recording does not feed itself. This happens in user space because
 * replacing the kernel's filter whenever a connection opens or closes would lose other packets. Used by one
 * capture thread; never locks or allocates per packet.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/connections.h"
#include "index/headers.h"

#define OWN_TRAFFIC_PORT_WORDS 16

struct own_traffic {
	struct connections *table; /* NULL: everything is recorded */
	const atomic_uint *latest; /* generation of the table */
	unsigned generation;       /* of the copy below */
	size_t count;
	uint64_t ports[OWN_TRAFFIC_PORT_WORDS]; /* one bit per pair of ports in the list */
	struct connection list[CONNECTIONS_MAX];
};

void own_traffic_init(struct own_traffic *own, struct connections *table);

/* For own_traffic_matches(): search the copy of the table. */
bool own_traffic_search(const struct own_traffic *own, const struct headers *headers,
			uint64_t packet_ns);
void own_traffic_refresh(struct own_traffic *own);

/* Is there any connection, so that it is worth asking? */
static inline bool own_traffic_has_any(struct own_traffic *own)
{
	if (!own->table)
		return false;
	if (__builtin_expect(
		    own->generation != atomic_load_explicit(own->latest, memory_order_acquire), 0))
		own_traffic_refresh(own);
	return own->count > 0;
}

/* True if the packet of these headers belongs to an own connection that was open at packet_ns. */
static inline bool own_traffic_matches(struct own_traffic *own, const struct headers *headers,
				       uint64_t packet_ns)
{
	return own_traffic_has_any(own) && own_traffic_search(own, headers, packet_ns);
}
