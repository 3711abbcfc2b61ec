/* SPDX-License-Identifier: Apache-2.0 */
#include "index/decap.h"

enum {
	UDP_BYTES = 8,
	VXLAN_BYTES = 8,
	VXLAN_HAS_ID = 0x08,
	GENEVE_BYTES = 8,
	GRE_BYTES = 4,
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_VERSION = 0x0007,
	PAYLOAD_ETHERNET = 0x6558,
	PAYLOAD_IPV4 = 0x0800,
	PAYLOAD_IPV6 = 0x86dd,
};

/* The inner packet begins so far behind the outer header. */
static bool enter_tunnel(const struct headers *outer, enum decap_tunnel tunnel, uint32_t link_type,
			 size_t offset, struct decap_inner *ret_inner)
{
	size_t bytes = outer->transport_bytes;

	*ret_inner = (struct decap_inner){
		.tunnel = tunnel,
		.link_type = link_type,
		.packet = bytes > offset ? outer->transport + offset : outer->network,
		.captured = bytes > offset ? bytes - offset : 0,
	};
	return true;
}

static bool enter_by_payload(const struct headers *outer, uint16_t payload,
			     const enum decap_tunnel tunnels[2], size_t offset,
			     struct decap_inner *ret_inner)
{
	if (payload == PAYLOAD_ETHERNET)
		return enter_tunnel(outer, tunnels[0], LINK_ETHERNET, offset, ret_inner);
	if (payload == PAYLOAD_IPV4 || payload == PAYLOAD_IPV6)
		return enter_tunnel(outer, tunnels[1], LINK_RAW, offset, ret_inner);
	return false;
}

static bool enter_gre(const struct headers *outer, struct decap_inner *ret_inner)
{
	static const enum decap_tunnel tunnels[] = { DECAP_GRE_ETHERNET, DECAP_GRE_IP };
	const uint8_t *gre = outer->transport;
	size_t offset = GRE_BYTES;
	uint16_t flags;

	if (outer->transport_bytes < GRE_BYTES)
		return enter_tunnel(outer, DECAP_GRE_ETHERNET, LINK_ETHERNET, offset, ret_inner);
	flags = headers_u16(gre);
	if (flags & (GRE_VERSION | GRE_ROUTING))
		return false;
	offset += (flags & GRE_CHECKSUM ? 4u : 0u) + (flags & GRE_KEY ? 4u : 0u) +
		  (flags & GRE_SEQUENCE ? 4u : 0u);
	return enter_by_payload(outer, headers_u16(gre + 2), tunnels, offset, ret_inner);
}

static bool enter_geneve(const struct headers *outer, struct decap_inner *ret_inner)
{
	static const enum decap_tunnel tunnels[] = { DECAP_GENEVE, DECAP_GENEVE_IP };
	const uint8_t *geneve = outer->transport + UDP_BYTES;

	if (outer->transport_bytes < UDP_BYTES + GENEVE_BYTES)
		return enter_tunnel(outer, DECAP_GENEVE, LINK_ETHERNET, UDP_BYTES + GENEVE_BYTES,
				    ret_inner);
	if (geneve[0] >> 6 != 0)
		return false;
	return enter_by_payload(outer, headers_u16(geneve + 2), tunnels,
				UDP_BYTES + GENEVE_BYTES + (geneve[0] & 0x3fu) * 4u, ret_inner);
}

static bool enter_udp(const struct headers *outer, struct decap_inner *ret_inner)
{
	uint16_t port;

	if (outer->transport_bytes < 4)
		return false;
	port = headers_u16(outer->transport + 2);
	if (port == DECAP_PORT_GENEVE)
		return enter_geneve(outer, ret_inner);
	if (!decap_is_port(port))
		return false;
	if (outer->transport_bytes > UDP_BYTES && !(outer->transport[UDP_BYTES] & VXLAN_HAS_ID))
		return false;
	return enter_tunnel(outer, DECAP_VXLAN, LINK_ETHERNET, UDP_BYTES + VXLAN_BYTES, ret_inner);
}

bool decap(const struct headers *outer, struct decap_inner *ret_inner)
{
	/* A later fragment has no transport header, nor has ARP. */
	if (!outer->transport || outer->transport < outer->network + 20)
		return false;
	switch (outer->protocol) {
	case PROTOCOL_UDP:
		return enter_udp(outer, ret_inner);
	case PROTOCOL_GRE:
		return enter_gre(outer, ret_inner);
	case PROTOCOL_IPIP:
		return outer->kind == HEADERS_IPV4 &&
		       enter_tunnel(outer, DECAP_IPIP, LINK_RAW, 0, ret_inner);
	case PROTOCOL_6IN4:
		return outer->kind == HEADERS_IPV4 &&
		       enter_tunnel(outer, DECAP_6IN4, LINK_RAW, 0, ret_inner);
	default:
		return false;
	}
}
