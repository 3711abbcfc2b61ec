/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/own_traffic.h"

#include <string.h>

enum {
	IPV4_HEADER_MIN = 20,
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
};

void own_traffic_init(struct own_traffic *own, struct connections *table)
{
	own->table = table;
	own->generation = 0;
	own->count = 0;
	if (!table)
		return;
	own->latest = connections_generation(table);
	own_traffic_refresh(own);
}

/*
 * The bit of a pair of ports, the same in both directions. It rules out almost every packet without comparing
 * it with each connection in the list, of which failing uploads leave several.
 */
static unsigned port_bit(in_port_t one, in_port_t other)
{
	unsigned both = one ^ other;

	return (both ^ both >> 10) % (64 * OWN_TRAFFIC_PORT_WORDS);
}

void own_traffic_refresh(struct own_traffic *own)
{
	own->count = connections_copy(own->table, own->list, &own->generation);
	memset(own->ports, 0, sizeof own->ports);
	for (size_t i = 0; i < own->count; i++) {
		unsigned bit = port_bit(own->list[i].local_port, own->list[i].remote_port);

		own->ports[bit / 64] |= UINT64_C(1) << bit % 64;
	}
}

struct endpoints {
	const uint8_t *source, *destination;
	size_t address_bytes;
	in_port_t source_port, destination_port; /* network order, as in the table */
	sa_family_t family;
};

/* Find the endpoints of a TCP packet; false if it is not TCP or was truncated before the ports. */
static bool find_endpoints(const struct headers *headers, struct endpoints *out)
{
	const uint8_t *ip = headers->network;

	/* A later fragment has no ports. */
	if (headers->protocol != PROTOCOL_TCP ||
	    headers->flags & (HEADERS_LATER_FRAGMENT | HEADERS_NO_PORTS))
		return false;
	if (headers->kind == HEADERS_IPV4)
		*out = (struct endpoints){
			ip + IPV4_SOURCE, ip + IPV4_DESTINATION, 4, 0, 0, AF_INET
		};
	else if (headers->kind == HEADERS_IPV6)
		*out = (struct endpoints){ ip + IPV6_SOURCE, ip + IPV6_DESTINATION, 16, 0, 0,
					   AF_INET6 };
	else
		return false;
	if (headers->transport < ip + IPV4_HEADER_MIN)
		return false;
	memcpy(&out->source_port, headers->transport, 2);
	memcpy(&out->destination_port, headers->transport + 2, 2);
	return true;
}

bool own_traffic_search(const struct own_traffic *own, const struct headers *headers,
			uint64_t packet_ns)
{
	struct endpoints ends;
	unsigned bit;

	if (!find_endpoints(headers, &ends))
		return false;
	bit = port_bit(ends.source_port, ends.destination_port);
	if (!(own->ports[bit / 64] >> bit % 64 & 1))
		return false;
	for (size_t i = 0; i < own->count; i++) {
		const struct connection *c = &own->list[i];
		bool is_out = c->local_port == ends.source_port &&
			      c->remote_port == ends.destination_port &&
			      memcmp(c->local, ends.source, ends.address_bytes) == 0 &&
			      memcmp(c->remote, ends.destination, ends.address_bytes) == 0;
		bool is_in = c->remote_port == ends.source_port &&
			     c->local_port == ends.destination_port &&
			     memcmp(c->remote, ends.source, ends.address_bytes) == 0 &&
			     memcmp(c->local, ends.destination, ends.address_bytes) == 0;

		if (c->family == ends.family && (is_out || is_in) &&
		    (c->closed_ns == UINT64_MAX ||
		     packet_ns <= c->closed_ns + CONNECTIONS_LINGER_NS))
			return true;
	}
	return false;
}
