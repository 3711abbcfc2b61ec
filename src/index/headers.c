/* SPDX-License-Identifier: Apache-2.0 */
#include "index/headers.h"

/* Of frames, in bytes; ethertypes as IEEE has them. */
enum {
	ETHERNET_BYTES = 14,
	ETHERNET_TYPE = 12,
	SLL_BYTES = 16,
	SLL_TYPE = 14,
	SLL2_BYTES = 20,
	SLL2_TYPE = 0,
	TAG_BYTES = 4,
	TAGS_MAX = 2,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	ARP_BYTES = 28,
	ETHERTYPE_MIN = 0x0600, /* below is a length (IEEE 802.3) */
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_RARP = 0x8035,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100, /* libpcap's "vlan" knows it, too */
};

static bool is_tag(uint16_t ethertype)
{
	return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ ||
	       ethertype == ETHERTYPE_QINQ_OLD;
}

static uint16_t read_ethertype(const uint8_t *bytes)
{
	uint16_t ethertype = headers_u16(bytes);

	return ethertype < ETHERTYPE_MIN ? 0 : ethertype;
}

/* Behind the link header and up to two tags; returns the offset. */
static size_t skip_link(uint32_t link_type, const uint8_t *packet, size_t captured,
			struct headers *headers)
{
	size_t type_at = ETHERNET_TYPE, offset = ETHERNET_BYTES;

	switch (link_type) {
	case LINK_ETHERNET:
		break;
	case LINK_SLL:
		type_at = SLL_TYPE;
		offset = SLL_BYTES;
		break;
	case LINK_SLL2:
		type_at = SLL2_TYPE;
		offset = SLL2_BYTES;
		break;
	case LINK_RAW: /* the packet begins with the IP header, which contains the version */
		if (captured > 0)
			headers->ethertype = packet[0] >> 4 == 4   ? ETHERTYPE_IPV4
					     : packet[0] >> 4 == 6 ? ETHERTYPE_IPV6
								   : 0;
		headers->inner_ethertype = headers->ethertype;
		return 0;
	default:
		return captured;
	}
	if (captured < offset)
		return captured;
	headers->ethertype = headers->inner_ethertype = read_ethertype(packet + type_at);
	while (headers->tags < TAGS_MAX && is_tag(headers->inner_ethertype) &&
	       captured - offset >= TAG_BYTES) {
		headers->inner_ethertype = read_ethertype(packet + offset + 2);
		headers->tags++;
		offset += TAG_BYTES;
	}
	return offset;
}

static void read_ipv4(const uint8_t *ip, size_t bytes, struct headers *headers)
{
	size_t header = (ip[0] & 0x0fu) * 4u;

	headers->kind = HEADERS_IPV4;
	headers->network = ip;
	headers->protocol = ip[9];
	if (ip[0] >> 4 != 4)
		headers->flags |= HEADERS_ODD_VERSION;
	if (header != IPV4_BYTES)
		headers->flags |= HEADERS_IP_OPTIONS;
	if ((headers_u16(ip + 6) & 0x1fff) != 0) {
		headers->flags |= HEADERS_LATER_FRAGMENT;
		return;
	}
	/* A length below 20 is taken as it is: programs of libpcap take it so, too. */
	headers->transport = ip + header;
	headers->transport_bytes = bytes > header ? bytes - header : 0;
}

/* Extension headers are not skipped: filters of libpcap look at the first header only. */
static void read_ipv6(const uint8_t *ip, size_t bytes, struct headers *headers)
{
	headers->kind = HEADERS_IPV6;
	headers->network = ip;
	headers->protocol = ip[6];
	if (ip[0] >> 4 != 6)
		headers->flags |= HEADERS_ODD_VERSION;
	headers->transport = ip + IPV6_BYTES;
	headers->transport_bytes = bytes - IPV6_BYTES;
}

static bool is_icmp(const struct headers *headers)
{
	return (headers->kind == HEADERS_IPV4 && headers->protocol == PROTOCOL_ICMP) ||
	       (headers->kind == HEADERS_IPV6 && headers->protocol == PROTOCOL_ICMPV6);
}

void headers_read(uint32_t link_type, const uint8_t *packet, size_t captured,
		  struct headers *ret_headers)
{
	struct headers headers = { .captured = captured };
	size_t offset = skip_link(link_type, packet, captured, &headers);
	const uint8_t *network = packet + offset;
	size_t bytes = captured - offset;

	if (headers.inner_ethertype == ETHERTYPE_IPV4 && bytes >= IPV4_BYTES) {
		read_ipv4(network, bytes, &headers);
	} else if (headers.inner_ethertype == ETHERTYPE_IPV6 && bytes >= IPV6_BYTES) {
		read_ipv6(network, bytes, &headers);
	} else if ((headers.inner_ethertype == ETHERTYPE_ARP ||
		    headers.inner_ethertype == ETHERTYPE_RARP) &&
		   bytes >= ARP_BYTES) {
		headers.kind = HEADERS_ARP;
		headers.network = network;
	}
	if (!(headers.flags & HEADERS_LATER_FRAGMENT) &&
	    ((headers_has_ports(&headers) && headers.transport_bytes < 4) ||
	     (is_icmp(&headers) && headers.transport_bytes < 1)))
		headers.flags |= HEADERS_NO_PORTS;
	*ret_headers = headers;
}
