/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "index_fixture.h"

static void put_port(uint8_t *bytes, uint16_t port)
{
	bytes[0] = (uint8_t)(port >> 8);
	bytes[1] = (uint8_t)port;
}

#define PAIR       UINT64_C(0x0a0000010a000002)
#define INNER_PAIR UINT64_C(0x0af401010af40102)

static const struct key_case {
	const char *name;
	uint32_t link_type;
	const char *frame;
	uint16_t ethertype;
	uint8_t kind, vlan, protocol, flags; /* of the first key */
	uint16_t port, hint;
	uint8_t tcp_flags;
	uint64_t pair;
} key_cases[] = {
	/* 49152 mod 14 is 12, so bit 14. */
	{ "TCP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("06") TCP_SYN, 0x0800, 1, 0, 6, 0, 443,
	  1 << 14, 2, PAIR },
	{ "UDP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("11") UDP_TO("0035"), 0x0800, 1, 0, 17, 0,
	  53, 1 << 14, 0, PAIR },
	{ "SCTP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("84") "0050 0051 0000", 0x0800, 1, 0, 132,
	  0, 80, 1 << 1, 0, PAIR },
	{ "equal ports", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("11") "007b 007b", 0x0800, 1, 0, 17,
	  0, 123, 1 << 1, 0, PAIR },
	{ "TCP without its flags", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("06") "c000 01bb 00000000", 0x0800, 1, 0, 6, 0, 443, 1 << 14, 0,
	  PAIR },
	{ "TCP without its ports", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("06") "c000 01", 0x0800,
	  1, 0, 6, 4, 0, 0, 0, PAIR },
	{ "ICMP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("01") "0800", 0x0800, 1, 0, 1, 0, 8, 0, 0,
	  PAIR },
	{ "ICMP without its type", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("01"), 0x0800, 1, 0, 1, 4,
	  0, 0, 0, PAIR },
	{ "ICMPv6 in IPv4 has no type", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("3a") "8700", 0x0800,
	  1, 0, 58, 0, 0, 0, 0, PAIR },
	{ "OSPF", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("59") "0201", 0x0800, 1, 0, 89, 0, 0, 0, 0,
	  PAIR },
	{ "later fragment", LINK_ETHERNET,
	  ETHERNET "0800 45000054 00002001 40060000" ADDRESSES TCP_SYN, 0x0800, 1, 0, 6, 1, 0, 0, 0,
	  PAIR },
	{ "first fragment", LINK_ETHERNET,
	  ETHERNET "0800 45000054 00002000 40060000" ADDRESSES TCP_SYN, 0x0800, 1, 0, 6, 0, 443,
	  1 << 14, 2, PAIR },
	{ "IP options", LINK_ETHERNET,
	  ETHERNET "0800 46000054 00000000 40060000" ADDRESSES "01010101" TCP_SYN, 0x0800, 1, 0, 6,
	  2, 443, 1 << 14, 2, PAIR },
	{ "header length 0: ports are where libpcap looks", LINK_ETHERNET,
	  ETHERNET "0800 40000054 00000000 40060000" ADDRESSES TCP_SYN, 0x0800, 1, 0, 6, 2, 0x0054,
	  1 << 0, 0, PAIR },
	{ "header length 60, not captured", LINK_ETHERNET,
	  ETHERNET "0800 4f000054 00000000 40060000" ADDRESSES TCP_SYN, 0x0800, 1, 0, 6, 2 | 4, 0,
	  0, 0, PAIR },
	{ "odd version", LINK_ETHERNET,
	  ETHERNET "0800 65000054 00000000 40060000" ADDRESSES TCP_SYN, 0x0800, 1, 0, 6, 8, 443,
	  1 << 14, 2, PAIR },
	{ "the larger address first", LINK_ETHERNET,
	  ETHERNET "0800 45000054 00000000 40110000 0a000002 0a000001 0035 c000", 0x0800, 1, 0, 17,
	  0, 53, 1 << 14, 0, PAIR },
	{ "ARP", LINK_ETHERNET,
	  ETHERNET "0806 0001080006040001 020000000001 0a000002 000000000000 0a000001", 0x0806, 3,
	  0, 0, 0, 0, 0, 0, PAIR },
	{ "RARP", LINK_ETHERNET,
	  ETHERNET "8035 0001080006040003 020000000001 0a000002 000000000000 0a000001", 0x8035, 3,
	  0, 0, 0, 0, 0, 0, PAIR },
	{ "ARP behind a tag", LINK_ETHERNET,
	  ETHERNET "8100 0064 0806 0001080006040001 020000000001 0a000002 000000000000 0a000001",
	  0x8100, 3, 1, 0, 0, 0x0806, 0, 0, PAIR },
	{ "RARP behind two tags", LINK_ETHERNET,
	  ETHERNET "88a8 0064 8100 0065 8035 0001080006040003 020000000001 0a000002 000000000000 "
		   "0a000001",
	  0x88a8, 3, 2, 0, 0, 0x8035, 0, 0, PAIR },
	{ "ARP, cut", LINK_ETHERNET, ETHERNET "0806 0001080006040001 020000000001 0a000002", 0x0806,
	  0, 0, 0, 2, 0, 0, 0, 0 },
	{ "VLAN", LINK_ETHERNET, ETHERNET "8100 0064 0800" IPV4_OF("06") TCP_SYN, 0x8100, 1, 1, 6,
	  0, 443, 1 << 14, 2, PAIR },
	{ "QinQ", LINK_ETHERNET, ETHERNET "88a8 0064 8100 0065 0800" IPV4_OF("06") TCP_SYN, 0x88a8,
	  1, 2, 6, 0, 443, 1 << 14, 2, PAIR },
	{ "old QinQ", LINK_ETHERNET, ETHERNET "9100 0064 0800" IPV4_OF("06") TCP_SYN, 0x9100, 1, 1,
	  6, 0, 443, 1 << 14, 2, PAIR },
	{ "three tags are one too many", LINK_ETHERNET,
	  ETHERNET "8100 0064 8100 0065 8100 0066 0800" IPV4_OF("06") TCP_SYN, 0x8100, 0, 2, 0, 5,
	  0x8100, 0, 0, 0 },
	{ "opaque behind a tag", LINK_ETHERNET, ETHERNET "8100 0064 88cc 0207", 0x8100, 0, 1, 0, 2,
	  0x88cc, 0, 0, 0 },
	{ "a length behind a tag", LINK_ETHERNET, ETHERNET "8100 0064 0026 4242", 0x8100, 0, 1, 0,
	  2, 0, 0, 0, 0 },
	{ "a tag, cut", LINK_ETHERNET, ETHERNET "8100 0064", 0x8100, 0, 0, 0, 1, 0, 0, 0, 0 },
	{ "IPv4, cut", LINK_ETHERNET, ETHERNET "0800 45000054 00000000 40060000 0a000001 0a0000",
	  0x0800, 0, 0, 0, 3, 0, 0, 0, 0 },
	{ "LLDP", LINK_ETHERNET, ETHERNET "88cc 0207", 0x88cc, 0, 0, 0, 1, 0, 0, 0, 0 },
	{ "spanning tree: a length", LINK_ETHERNET, ETHERNET "0026 424203", 0, 0, 0, 0, 2, 0, 0, 0,
	  0 },
	{ "the largest length", LINK_ETHERNET, ETHERNET "05ff 424203", 0, 0, 0, 0, 2, 0, 0, 0, 0 },
	{ "the first ethertype", LINK_ETHERNET, ETHERNET "0600 424203", 0x0600, 0, 0, 0, 2, 0, 0, 0,
	  0 },
	{ "no whole frame", LINK_ETHERNET, "020000000002 0200000000", 0, 0, 0, 0, 1, 0, 0, 0, 0 },
	{ "nothing", LINK_ETHERNET, "", 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "SLL", LINK_SLL, "0000 0001 0006 0200000000010000 0800" IPV4_OF("06") TCP_SYN, 0x0800, 1,
	  0, 6, 0, 443, 1 << 14, 2, PAIR },
	{ "SLL, a tag", LINK_SLL,
	  "0000 0001 0006 0200000000010000 8100 0064 0800" IPV4_OF("06") TCP_SYN, 0x8100, 1, 1, 6,
	  0, 443, 1 << 14, 2, PAIR },
	{ "SLL2", LINK_SLL2, "0800 0000 00000002 0001 00 06 0200000000010000" IPV4_OF("06") TCP_SYN,
	  0x0800, 1, 0, 6, 0, 443, 1 << 14, 2, PAIR },
	{ "RAW", LINK_RAW, IPV4_OF("06") TCP_SYN, 0x0800, 1, 0, 6, 0, 443, 1 << 14, 2, PAIR },
	{ "RAW, no IP", LINK_RAW, "15000054 00000000", 0, 0, 0, 0, 1, 0, 0, 0, 0 },
	{ "a link type that we do not know", 127, IPV4_OF("06") TCP_SYN, 0, 0, 0, 0, 3, 0, 0, 0,
	  0 },
	{ "IPv6", LINK_ETHERNET, ETHERNET "86dd" IPV6_OF("06") TCP_SYN, 0x86dd, 2, 0, 6, 0, 443,
	  1 << 14, 2, 0 },
	{ "ICMPv6", LINK_ETHERNET, ETHERNET "86dd" IPV6_OF("3a") "8700", 0x86dd, 2, 0, 58, 0, 135,
	  0, 0, 0 },
	{ "IPv6, an extension header: as libpcap", LINK_ETHERNET,
	  ETHERNET "86dd" IPV6_OF("2c") "06000000 00000000" TCP_SYN, 0x86dd, 2, 0, 44, 0, 0, 0, 0,
	  0 },
	{ "IPv6, cut", LINK_ETHERNET, ETHERNET "86dd 60000000 00400640 20010db8", 0x86dd, 0, 0, 0,
	  2, 0, 0, 0, 0 },
	{ "RAW, IPv6", LINK_RAW, IPV6_OF("11") UDP_TO("0035"), 0x86dd, 2, 0, 17, 0, 53, 1 << 14, 0,
	  0 },
};

static void test_each_packet_has_its_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(key_cases); i++) {
		const struct key_case *c = &key_cases[i];
		uint8_t frame[FRAME_MAX], *packet;
		size_t length = frame_of(c->frame, frame);
		struct key keys[KEYS_MAX];

		print_message("# %s\n", c->name);
		packet = exact_copy(frame, length);
		assert_int_equal(key_of_packet(c->link_type, packet, length, keys), 1);
		assert_true(keys[0].what ==
			    ((uint64_t)c->port << 48 |
			     type_of(c->ethertype, c->kind, c->vlan, c->protocol, c->flags)));
		assert_true(keys[0].pair == c->pair);
		assert_int_equal(keys[0].hint, c->hint);
		assert_int_equal(keys[0].tcp_flags, c->tcp_flags);
		assert_int_equal(keys[0].low != NULL, c->kind == HEADERS_IPV6);
		if (keys[0].low) {
			assert_int_equal(keys[0].low[15], 1);
			assert_int_equal(keys[0].high[15], 2);
		}
		free(packet);
	}
}

/* Short frames never make it read beyond them; an opaque one says how short it is. */
static void test_every_length_is_safe(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(key_cases); i++) {
		uint8_t frame[FRAME_MAX];
		size_t length = frame_of(key_cases[i].frame, frame);

		for (size_t cut = 0; cut <= length; cut++) {
			uint8_t *packet = exact_copy(frame, cut);
			struct key keys[KEYS_MAX];
			uint8_t units;

			assert_int_equal(key_of_packet(key_cases[i].link_type, packet, cut, keys),
					 1);
			units = keys[0].what & 7;
			if (key_kind(keys[0].what) == HEADERS_OPAQUE)
				assert_int_equal(units, cut <= 80 ? (cut + 15) / 16 : 0);
			free(packet);
		}
	}
}

#define INNER_TCP INNER_IPV4("06") TCP_SYN
#define INNER_ETH "0a0000000002 0a0000000001 "
#define NOTHING   UINT64_C(0xffffffffffffffff)

static const struct tunnel_case {
	const char *name;
	uint32_t link_type;
	const char *frame;
	/* Of the inner key; NOTHING: it is no tunnel. */
	uint64_t type;
	uint16_t port;
	uint64_t pair;
} tunnel_cases[] = {
#define TUNNEL(ethertype, kind, tunnel, tags, protocol, flags)  \
	((uint64_t)(ethertype) << 32 | (uint64_t)(kind) << 24 | \
	 (uint64_t)((tunnel) << 4 | (tags)) << 16 | (uint64_t)(protocol) << 8 | (flags) | 16)
	{ "VXLAN", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 0, 0, 6, 0), 443, INNER_PAIR },
	{ "VXLAN, Linux' port", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("2118") VXLAN INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 0, 0, 6, 0), 443, INNER_PAIR },
	{ "VXLAN from that port only", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") "12b5 c000 0000 0000" VXLAN INNER_ETH "0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "VXLAN without a network", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") "00000000 00002a00" INNER_ETH
						       "0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "VXLAN over IPv6", LINK_ETHERNET,
	  ETHERNET "86dd" IPV6_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 0, 0, 6, 0), 443, INNER_PAIR },
	{ "VXLAN, a tag inside", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "8100 0064 0800" INNER_TCP,
	  TUNNEL(0x8100, 1, 0, 1, 6, 0), 443, INNER_PAIR },
	{ "VXLAN behind a tag", LINK_ETHERNET,
	  ETHERNET "8100 0064 0800" IPV4_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 0, 0, 6, 0), 443, INNER_PAIR },
	{ "VXLAN, cut in the inner header", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "0800 45000054 0000",
	  TUNNEL(0x0800, 0, 0, 0, 0, 2), 0, 0 },
	{ "VXLAN, nothing of the inside", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") "0800", TUNNEL(0, 0, 0, 0, 0, 0), 0, 0 },
	{ "VXLAN, a later fragment", LINK_ETHERNET,
	  ETHERNET "0800 45000054 00002001 40110000" ADDRESSES UDP_TO("12b5") VXLAN INNER_ETH
	  "0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "VXLAN in VXLAN: one level", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("12b5") VXLAN INNER_ETH "0800" INNER_IPV4("11")
		  UDP_TO("12b5") VXLAN INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 0, 0, 17, 0), 4789, INNER_PAIR },
	{ "Geneve", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("17c1") "0000 6558 00002a00" INNER_ETH
						       "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 1, 0, 6, 0), 443, INNER_PAIR },
	{ "Geneve with options", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11")
		  UDP_TO("17c1") "0200 6558 00002a00 0102800112345678" INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 1, 0, 6, 0), 443, INNER_PAIR },
	{ "Geneve with IP", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("17c1") "0000 0800 00002a00" INNER_TCP,
	  TUNNEL(0x0800, 1, 6, 0, 6, 0), 443, INNER_PAIR },
	{ "Geneve of another version", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("17c1") "4000 6558 00002a00" INNER_ETH
						       "0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "Geneve with something else", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("11") UDP_TO("17c1") "0000 8847 00002a00" INNER_ETH
						       "0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "GRE with Ethernet", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("2f") "0000 6558" INNER_ETH "0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 2, 0, 6, 0), 443, INNER_PAIR },
	{ "GRE with IP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("2f") "0000 0800" INNER_TCP,
	  TUNNEL(0x0800, 1, 3, 0, 6, 0), 443, INNER_PAIR },
	{ "GRE, checksum, key and sequence number", LINK_ETHERNET,
	  ETHERNET "0800" IPV4_OF("2f") "b000 0800 11111111 22222222 33333333" INNER_TCP,
	  TUNNEL(0x0800, 1, 3, 0, 6, 0), 443, INNER_PAIR },
	{ "GRE with routing", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("2f") "4000 0800" INNER_TCP,
	  NOTHING, 0, 0 },
	{ "PPTP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("2f") "0001 0800" INNER_TCP, NOTHING, 0,
	  0 },
	{ "ERSPAN", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("2f") "1000 88be" INNER_TCP, NOTHING, 0,
	  0 },
	{ "IP in IP", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("04") INNER_TCP,
	  TUNNEL(0x0800, 1, 4, 0, 6, 0), 443, INNER_PAIR },
	{ "IP in IP, RAW", LINK_RAW, IPV4_OF("04") INNER_TCP, TUNNEL(0x0800, 1, 4, 0, 6, 0), 443,
	  INNER_PAIR },
	{ "IP in IP, cut", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("04"), TUNNEL(0, 0, 4, 0, 0, 0),
	  0, 0 },
	{ "6in4", LINK_ETHERNET, ETHERNET "0800" IPV4_OF("29") IPV6_OF("06") TCP_SYN,
	  TUNNEL(0x86dd, 2, 5, 0, 6, 0), 443, 0 },
	{ "IP in IPv6", LINK_ETHERNET, ETHERNET "86dd" IPV6_OF("04") INNER_TCP, NOTHING, 0, 0 },
};

/* Of a tunnel's packet, the one inside is a place in it, even where nothing of it is left. */
static void assert_inside(uint32_t link_type, const uint8_t *packet, size_t captured)
{
	struct decap_inner inner;
	struct headers outer;

	headers_read(link_type, packet, captured, &outer);
	if (!decap(&outer, &inner))
		return;
	assert_true(inner.packet >= packet && inner.packet <= packet + captured);
	assert_true(inner.captured <= (size_t)(packet + captured - inner.packet));
}

static void test_tunnelled_packets_have_two(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tunnel_cases); i++) {
		const struct tunnel_case *c = &tunnel_cases[i];
		uint8_t frame[FRAME_MAX], *packet;
		size_t length = frame_of(c->frame, frame);
		struct key keys[KEYS_MAX];
		unsigned count;

		print_message("# %s\n", c->name);
		packet = exact_copy(frame, length);
		count = key_of_packet(c->link_type, packet, length, keys);
		assert_int_equal(count, c->type == NOTHING ? 1 : 2);
		if (count == 2) {
			assert_true(keys[1].what == ((uint64_t)c->port << 48 | c->type));
			assert_true(keys[1].pair == c->pair);
			assert_int_equal(keys[1].tcp_flags, c->port == 443 ? 2 : 0);
		}
		free(packet);
		for (size_t cut = 0; cut < length; cut++) { /* a sanitizer watches */
			packet = exact_copy(frame, cut);
			(void)key_of_packet(c->link_type, packet, cut, keys);
			assert_inside(c->link_type, packet, cut);
			free(packet);
		}
	}
}

/* The usual packets are read in a shorter way: to the same key, whatever is in them. */
static void test_the_short_way_is_the_long_way(void **state)
{
	static const uint16_t ports[] = { 4789, 8472, 6081, 80, 32767, 32768, 0, 65535 };
	unsigned tunnels = 0;

	(void)state;
	for (uint32_t round = 0; round < 200000; round++) {
		struct key one[KEYS_MAX], other[KEYS_MAX];
		uint8_t frame[64 + 14], number[4];
		struct headers headers;
		unsigned count;

		unit_random(frame, sizeof frame);
		unit_random(number, sizeof number);
		frame[12] = 8;
		frame[13] = 0;
		frame[14] = number[0] % 8 == 0 ? frame[14] : 0x45;
		frame[20] = number[0] % 16 == 1 ? frame[20] : 0;
		frame[21] = number[0] % 16 == 1 ? frame[21] : 0;
		frame[23] = number[1] % 16 == 15 ? frame[23] : (uint8_t)(number[1] % 2 ? 6 : 17);
		if (number[2] % 4 == 0)
			put_port(frame + 36, ports[number[3] % ARRAY_LENGTH(ports)]);
		if (number[2] % 8 == 0)
			put_port(frame + 34, ports[number[2] / 8 % ARRAY_LENGTH(ports)]);
		headers_read(LINK_ETHERNET, frame, number[3] % sizeof frame, &headers);
		count = key_of_headers(&headers, one);
		assert_int_equal(
			key_of_packet(LINK_ETHERNET, frame, number[3] % sizeof frame, other),
			count);
		tunnels += count == 2;
		for (unsigned i = 0; i < count; i++) {
			assert_true(one[i].pair == other[i].pair && one[i].what == other[i].what);
			assert_true(one[i].hint == other[i].hint &&
				    one[i].tcp_flags == other[i].tcp_flags);
			assert_ptr_equal(one[i].low, other[i].low);
		}
	}
	assert_true(tunnels > 1000);
}

/* TCP's flags are those of the bytes that are stored, in either way of reading. */
static void test_flags_that_were_not_captured_are_none(void **state)
{
	static const struct {
		uint32_t link_type;
		const char *frame;
		size_t flags_at;
	} frames[] = {
		{ LINK_ETHERNET, ETHERNET "0800" IPV4_OF("06") TCP_SYN, 14 + 20 + 13 },
		{ LINK_RAW, IPV4_OF("06") TCP_SYN, 20 + 13 },
		{ LINK_RAW, IPV6_OF("06") TCP_SYN, 40 + 13 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
		uint8_t frame[FRAME_MAX];
		size_t length = frame_of(frames[i].frame, frame);

		assert_int_equal(frame[frames[i].flags_at], 2);
		for (size_t captured = 0; captured <= length; captured++) {
			struct key keys[KEYS_MAX];

			assert_int_equal(key_of_packet(frames[i].link_type, frame, captured, keys),
					 1);
			assert_int_equal(keys[0].tcp_flags, captured > frames[i].flags_at ? 2 : 0);
		}
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_has_its_key),
		cmocka_unit_test(test_every_length_is_safe),
		cmocka_unit_test(test_tunnelled_packets_have_two),
		cmocka_unit_test(test_the_short_way_is_the_long_way),
		cmocka_unit_test(test_flags_that_were_not_captured_are_none),
	};

	unit_add(tests, NULL, NULL);
}
