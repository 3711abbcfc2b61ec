/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/own_traffic.h"

#include <string.h>

#include <pcap/dlt.h>

/* Ethertypes and protocol numbers (IEEE, IANA), and their offsets in the headers. */
enum {
	ETHERTYPE_OFFSET = 12,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	VLAN_TAG_BYTES = 4,
	VLAN_TAGS_MAX = 2,
	SLL_HEADER_BYTES = 16,
	SLL_PROTOCOL_OFFSET = 14,
	SLL2_HEADER_BYTES = 20,
	SLL2_PROTOCOL_OFFSET = 0,
	IPV4_HEADER_MIN = 20,
	IPV6_HEADER_BYTES = 40,
	PROTOCOL_TCP = 6,
};

void own_traffic_init(struct own_traffic *own, struct connections *table, int link_type)
{
	own->table = table;
	own->link_type = link_type;
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

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Find the IP header and its Ethertype; false if there is none we understand. */
static bool find_ip(int link_type, const uint8_t *packet, uint32_t captured, uint32_t *ret_offset,
		    uint16_t *ret_ethertype)
{
	uint32_t type_offset, header;

	switch (link_type) {
	case DLT_EN10MB:
		type_offset = ETHERTYPE_OFFSET;
		for (int tags = 0; tags < VLAN_TAGS_MAX; tags++) {
			uint16_t ethertype;

			if (type_offset + 2 > captured)
				return false;
			ethertype = read_u16(packet + type_offset);
			if (ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_QINQ)
				break;
			type_offset += VLAN_TAG_BYTES;
		}
		header = type_offset + 2;
		break;
	case DLT_LINUX_SLL:
		type_offset = SLL_PROTOCOL_OFFSET;
		header = SLL_HEADER_BYTES;
		break;
	case DLT_LINUX_SLL2:
		type_offset = SLL2_PROTOCOL_OFFSET;
		header = SLL2_HEADER_BYTES;
		break;
	case DLT_RAW: /* tunnels: the packet begins with the IP header, which contains the version */
		if (captured == 0)
			return false;
		*ret_offset = 0;
		*ret_ethertype = packet[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
		return true;
	default:
		return false;
	}
	if (header > captured)
		return false;
	*ret_offset = header;
	*ret_ethertype = read_u16(packet + type_offset);
	return true;
}

struct endpoints {
	const uint8_t *source, *destination;
	size_t address_bytes;
	in_port_t source_port, destination_port; /* network order, as in the table */
	sa_family_t family;
};

/* Find the endpoints of a TCP packet; false if it is not TCP or was truncated before the ports. */
static bool find_endpoints(const uint8_t *ip, uint32_t length, uint16_t ethertype,
			   struct endpoints *out)
{
	uint32_t header;

	if (ethertype == ETHERTYPE_IPV4) {
		if (length < IPV4_HEADER_MIN || ip[9] != PROTOCOL_TCP ||
		    (read_u16(ip + 6) & 0x1fff) != 0) /* a later fragment has no ports */
			return false;
		header = (ip[0] & 0x0fu) * 4u;
		*out = (struct endpoints){ ip + 12, ip + 16, 4, 0, 0, AF_INET };
	} else if (ethertype == ETHERTYPE_IPV6) {
		if (length < IPV6_HEADER_BYTES || ip[6] != PROTOCOL_TCP)
			return false;
		header = IPV6_HEADER_BYTES;
		*out = (struct endpoints){ ip + 8, ip + 24, 16, 0, 0, AF_INET6 };
	} else {
		return false;
	}
	if (header < IPV4_HEADER_MIN || length < header + 4)
		return false;
	memcpy(&out->source_port, ip + header, 2);
	memcpy(&out->destination_port, ip + header + 2, 2);
	return true;
}

bool own_traffic_search(const struct own_traffic *own, const uint8_t *packet, uint32_t captured,
			uint64_t packet_ns)
{
	struct endpoints ends;
	uint16_t ethertype;
	uint32_t offset;
	unsigned bit;

	if (!find_ip(own->link_type, packet, captured, &offset, &ethertype) ||
	    !find_endpoints(packet + offset, captured - offset, ethertype, &ends))
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
