/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_maker.h"

#include <stdbool.h>
#include <string.h>

#include "unit.h"

#include "index/decap.h"

uint32_t random_below(uint32_t limit)
{
	uint32_t number;

	unit_random(&number, sizeof number);
	return number % limit;
}

/* Written one behind the other. */
struct maker {
	uint8_t *bytes;
	size_t length;
};

static void put(struct maker *maker, const void *bytes, size_t length)
{
	assert_true(maker->length + length <= MADE_MAX);
	memcpy(maker->bytes + maker->length, bytes, length);
	maker->length += length;
}

static void put_random(struct maker *maker, size_t length)
{
	uint8_t bytes[64];

	assert_true(length <= sizeof bytes);
	unit_random(bytes, sizeof bytes);
	put(maker, bytes, length);
}

static void put_number(struct maker *maker, uint32_t number, size_t bytes)
{
	uint8_t out[4];

	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
	put(maker, out, bytes);
}

#define CHOOSE(list) ((list)[random_below(ARRAY_LENGTH(list))])

static void put_ipv4_address(struct maker *maker)
{
	static const uint32_t hosts[] = {
		0x0a000001, 0x0a000001, 0x0a000002, 0x0a000002, 0x0a000107, 0xc0a80101,
		0xc0a80107, 0x08080808, 0x0af40101, 0xe00000fb, 0xffffffff, 0x00000000,
	};

	put_number(maker, CHOOSE(hosts), 4);
}

static void put_ipv6_address(struct maker *maker)
{
	static const uint8_t hosts[][16] = {
		{ 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
		{ 0x20, 0x01, 0x0d, 0xb8, [15] = 2 },
		{ 0x20, 0x01, 0x0d, 0xb8, 0x80 },
		{ 0xfe, 0x80, [15] = 1 },
		{ 0xfe, 0x80, [15] = 2 },
		{ 0xff, 0x02, [15] = 0xfb },
		{ 0xff, 0x02, [15] = 1 },
		{ 0 },
	};

	put(maker, CHOOSE(hosts), 16);
}

static uint16_t choose_port(void)
{
	static const uint16_t ports[] = {
		53,    53,    443,   443,   80,    22,    8080,  4789, 8472, 6081, 6443, 36412,
		32767, 32768, 40000, 49152, 49152, 49153, 65535, 0,    1,    1023, 187,  47873,
	};

	return CHOOSE(ports);
}

static void put_ip_payload(struct maker *maker, uint8_t protocol, bool is_inner);

/* Inside a tunnel. */
static void put_frame(struct maker *maker, uint32_t link_type, bool is_inner);

static void put_udp(struct maker *maker, bool is_inner)
{
	static const uint16_t payloads[] = { 0x6558, 0x6558, 0x0800, 0x86dd, 0x1234 };
	uint16_t port = choose_port(), payload = CHOOSE(payloads);
	uint32_t options = random_below(3);

	put_number(maker, choose_port(), 2);
	put_number(maker, port, 2);
	put_number(maker, random_below(1500), 4);
	if (is_inner || !decap_is_port(port)) {
		put_random(maker, random_below(20));
	} else if (port == DECAP_PORT_GENEVE) {
		put_number(maker, (random_below(8) ? 0 : 0x40) | options, 1);
		put_number(maker, 0, 1);
		put_number(maker, payload, 2);
		put_number(maker, 42 << 8, 4);
		put_random(maker, 4 * (size_t)options);
		put_frame(maker, payload == 0x6558 ? LINK_ETHERNET : LINK_RAW, true);
	} else {
		put_number(maker, random_below(8) ? 0x08000000 : 0, 4);
		put_number(maker, 42 << 8, 4);
		put_frame(maker, LINK_ETHERNET, true);
	}
}

static void put_gre(struct maker *maker)
{
	static const uint16_t payloads[] = { 0x6558, 0x0800, 0x86dd, 0x88be };
	static const uint16_t flags[] = { 0, 0, 0x8000, 0x2000, 0x1000, 0xb000, 0x4000, 1 };
	uint16_t flag = CHOOSE(flags), payload = CHOOSE(payloads);

	put_number(maker, flag, 2);
	put_number(maker, payload, 2);
	for (uint32_t bit = 0x1000; bit <= 0x8000; bit *= 2)
		if (flag & bit && bit != 0x4000)
			put_random(maker, 4);
	put_frame(maker, payload == 0x6558 ? LINK_ETHERNET : LINK_RAW, true);
}

static void put_tcp(struct maker *maker)
{
	static const uint8_t flags[] = { 0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x01, 0x00 };

	put_number(maker, choose_port(), 2);
	put_number(maker, choose_port(), 2);
	put_random(maker, 8);
	put_number(maker, 0x50 + 16 * random_below(3), 1);
	put_number(maker, CHOOSE(flags), 1);
	put_random(maker, 6 + random_below(30));
}

static void put_ip_payload(struct maker *maker, uint8_t protocol, bool is_inner)
{
	static const uint8_t icmp_types[] = { 0, 3, 3, 8, 11, 133, 135, 136, 128, 255 };

	switch (protocol) {
	case PROTOCOL_TCP:
		put_tcp(maker);
		break;
	case PROTOCOL_UDP:
		put_udp(maker, is_inner);
		break;
	case PROTOCOL_SCTP:
		put_number(maker, choose_port(), 2);
		put_number(maker, choose_port(), 2);
		put_random(maker, 12);
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		put_number(maker, CHOOSE(icmp_types), 1);
		put_number(maker, random_below(8), 1);
		put_random(maker, 10);
		break;
	case PROTOCOL_GRE:
		if (!is_inner)
			put_gre(maker);
		break;
	case PROTOCOL_IPIP:
	case PROTOCOL_6IN4:
		if (!is_inner)
			put_frame(maker, LINK_RAW, true);
		break;
	default: /* AH, and IPv6's extension headers */
		put_number(maker, random_below(3) ? PROTOCOL_UDP : 99, 1);
		put_number(maker, random_below(3), 1);
		put_random(maker, 6 + random_below(40));
		break;
	}
}

static uint8_t choose_protocol(void)
{
	static const uint8_t protocols[] = { 6,  6, 6,  17, 17, 17, 1,  58, 2,  132,
					     47, 4, 41, 50, 51, 0,  43, 44, 60, 99 };

	return CHOOSE(protocols);
}

static void put_ipv4(struct maker *maker, bool is_inner)
{
	static const uint16_t fragments[] = { 0, 0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0100, 0x1fff };
	uint32_t header = random_below(8) ? 5 : random_below(16);
	uint8_t protocol = choose_protocol();

	put_number(maker, (random_below(20) ? 0x40 : random_below(16) << 4) | header, 1);
	put_number(maker, random_below(3), 1);
	put_number(maker, 20 + random_below(200), 2);
	put_number(maker, random_below(65536), 2);
	put_number(maker, CHOOSE(fragments), 2);
	put_number(maker, random_below(2) ? 64 : random_below(30), 1);
	put_number(maker, protocol, 1);
	put_number(maker, random_below(65536), 2);
	put_ipv4_address(maker);
	put_ipv4_address(maker);
	if (header > 5)
		put_random(maker, 4 * (header - 5));
	put_ip_payload(maker, protocol, is_inner);
}

static void put_ipv6(struct maker *maker, bool is_inner)
{
	uint8_t protocol = choose_protocol();

	put_number(maker, (random_below(20) ? 0x6 : random_below(16)) << 28 | random_below(1 << 20),
		   4);
	put_number(maker, random_below(200), 2);
	put_number(maker, protocol, 1);
	put_number(maker, random_below(256), 1);
	put_ipv6_address(maker);
	put_ipv6_address(maker);
	put_ip_payload(maker, protocol, is_inner);
}

static void put_arp(struct maker *maker)
{
	put_number(maker, 0x00010800, 4);
	put_number(maker, 0x06040001, 4);
	put_random(maker, 6);
	put_ipv4_address(maker);
	put_random(maker, 6);
	put_ipv4_address(maker);
	put_random(maker, random_below(18));
}

static uint16_t choose_ethertype(void)
{
	static const uint16_t ethertypes[] = {
		0x0800, 0x0800, 0x0800, 0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x86dd, 0x0806,
		0x8035, 0x88cc, 0x8847, 0x8864, 0x0026, 0x05dc, 0x05ff, 0x0600, 0x0000, 0x9000,
	};

	return CHOOSE(ethertypes);
}

static void put_network(struct maker *maker, uint16_t ethertype, bool is_inner)
{
	switch (ethertype) {
	case 0x0800:
		put_ipv4(maker, is_inner);
		break;
	case 0x86dd:
		put_ipv6(maker, is_inner);
		break;
	case 0x0806:
	case 0x8035:
		put_arp(maker);
		break;
	case 0x8847: /* MPLS, its last label */
		put_number(maker, 1024 << 12 | 0x140, 4);
		put_ipv4(maker, is_inner);
		break;
	case 0x8864: /* PPPoE */
		put_number(maker, 0x11000001, 4);
		put_number(maker, 0x00400021, 4);
		put_ipv4(maker, is_inner);
		break;
	default: /* LLC, or whatever */
		put_number(maker, random_below(3) ? 0x424203 : 0xfefe03, 3);
		put_random(maker, random_below(64));
		break;
	}
}

/* With 0 to 3 tags: returns the ethertype behind them. */
static void put_ethertypes(struct maker *maker, uint16_t *ret_ethertype)
{
	static const uint16_t tags[] = { 0x8100, 0x8100, 0x88a8, 0x9100 };
	uint32_t count = random_below(3) ? 0 : random_below(4);

	for (uint32_t i = 0; i < count; i++) {
		put_number(maker, CHOOSE(tags), 2);
		put_number(maker, random_below(2) ? 100 : random_below(65536), 2);
	}
	*ret_ethertype = choose_ethertype();
	put_number(maker, *ret_ethertype, 2);
}

static void put_ethernet(struct maker *maker, bool is_inner)
{
	static const uint8_t hosts[][6] = { { 2, 0, 0, 0, 0, 1 },
					    { 2, 0, 0, 0, 0, 2 },
					    { 255, 255, 255, 255, 255, 255 },
					    { 1, 0, 0x5e, 0, 0, 0xfb } };
	uint16_t ethertype;

	put(maker, CHOOSE(hosts), 6);
	put(maker, hosts[random_below(2)], 6);
	put_ethertypes(maker, &ethertype);
	put_network(maker, ethertype, is_inner);
}

static void put_sll(struct maker *maker, bool is_inner)
{
	uint16_t ethertype;

	put_number(maker, random_below(5) << 16 | 1, 4);
	put_number(maker, 6, 2);
	put_random(maker, 8);
	put_ethertypes(maker, &ethertype);
	put_network(maker, ethertype, is_inner);
}

/* The first ethertype is at the beginning, and what follows a tag behind the header. */
static void put_sll2(struct maker *maker, bool is_inner)
{
	static const uint16_t tags[] = { 0x8100, 0x88a8, 0x9100 };
	bool is_tagged = random_below(4) == 0;
	uint16_t ethertype = choose_ethertype();

	put_number(maker, is_tagged ? CHOOSE(tags) : ethertype, 2);
	put_number(maker, 0, 2);
	put_number(maker, random_below(5), 4);
	put_number(maker, 1, 2);
	put_number(maker, random_below(5), 1);
	put_number(maker, 6, 1);
	put_random(maker, 8);
	if (is_tagged) {
		put_number(maker, 100, 2);
		put_number(maker, ethertype, 2);
	}
	put_network(maker, ethertype, is_inner);
}

static void put_frame(struct maker *maker, uint32_t link_type, bool is_inner)
{
	switch (link_type) {
	case LINK_ETHERNET:
		put_ethernet(maker, is_inner);
		break;
	case LINK_SLL:
		put_sll(maker, is_inner);
		break;
	case LINK_SLL2:
		put_sll2(maker, is_inner);
		break;
	case LINK_RAW:
		if (random_below(3))
			put_ipv4(maker, is_inner);
		else
			put_ipv6(maker, is_inner);
		break;
	default:
		put_random(maker, random_below(64));
		break;
	}
}

size_t make_packet(uint32_t link_type, uint8_t out[MADE_MAX])
{
	struct maker maker = { out, 0 };

	put_frame(&maker, link_type, false);
	switch (random_below(6)) {
	case 0: { /* cut short */
		size_t length = random_below(81);

		return length < maker.length ? length : maker.length;
	}
	case 1: /* changed */
		for (uint32_t i = random_below(3); maker.length > 0 && i < 3; i++)
			unit_random(&out[random_below((uint32_t)maker.length)], 1);
		return maker.length;
	default:
		return maker.length;
	}
}
