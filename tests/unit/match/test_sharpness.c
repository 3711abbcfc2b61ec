/* SPDX-License-Identifier: Apache-2.0 */
/* That members without a match are not read, as far as the index knows better; and what happens where it does not. */
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "match_fixture.h"
#include "packet_maker.h"

#include "index/headers.h"
#include "index/index_private.h"

enum {
	TCP_RST = 4,
	TCP_ACK = 16,
};

static void put_big(uint8_t *out, uint32_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

struct packet {
	uint32_t source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol, flags; /* of TCP */
	uint16_t fragment;
};

#define IP_BYTES 44

/* Without the frame. */
static void write_ip(const struct packet *packet, uint8_t out[IP_BYTES])
{
	memset(out, 0, IP_BYTES);
	out[0] = 0x45;
	put_big(out + 6, packet->fragment, 2);
	out[9] = packet->protocol;
	put_big(out + 12, packet->source, 4);
	put_big(out + 16, packet->destination, 4);
	put_big(out + 20, packet->source_port, 2);
	put_big(out + 22, packet->destination_port, 2);
	out[33] = packet->flags;
}

static void add_raw(struct indexed_file *file, const struct packet *packet)
{
	uint8_t bytes[IP_BYTES];

	write_ip(packet, bytes);
	indexed_file_add_packet(file, bytes, sizeof bytes);
}

/* In another packet, between two nodes: IP in IP. */
static void add_in_tunnel(struct indexed_file *file, const struct packet *packet)
{
	static const struct packet outer = { 0x0a000001, 0x0a000002, 0, 0, PROTOCOL_IPIP, 0, 0 };
	uint8_t bytes[20 + IP_BYTES];

	write_ip(&outer, bytes);
	write_ip(packet, bytes + 20);
	indexed_file_add_packet(file, bytes, sizeof bytes);
}

/* Members 1 to count that are read, as a line of their numbers. */
static const char *plan_of(struct indexed_file *file, const char *filter, bool is_inner,
			   struct match_file *about)
{
	static char line[1024];
	struct match *match;
	struct error err;
	const uint8_t *plan;
	size_t length = 0;

	if (match_open(filter, is_inner, &match, &err) < 0)
		fail_msg("%s: %s", filter, err.message);
	plan = indexed_file_plan(file, match, about);
	*line = '\0';
	for (uint32_t i = 0; i < indexed_file_members(file); i++)
		if (plan[i])
			length += (size_t)snprintf(line + length, sizeof line - length, "%s%u",
						   length > 0 ? " " : "", i);
	(void)match_close(match);
	return line;
}

#define assert_plan(file, filter, members) \
	assert_string_equal(plan_of(file, filter, false, NULL), members)
#define assert_inner_plan(file, filter, members) \
	assert_string_equal(plan_of(file, filter, true, NULL), members)

static struct indexed_file *make_file(const struct packet *packets, size_t count)
{
	struct indexed_file *file = indexed_file_new(LINK_RAW);

	for (size_t i = 0; i < count; i++) {
		add_raw(file, &packets[i]);
		indexed_file_end_member(file);
	}
	indexed_file_finish(file);
	return file;
}

static const struct packet conversations[] = {
	{ 0x0a000001, 0x0a000002, 49152, 443, PROTOCOL_TCP, TCP_ACK, 0 },
	{ 0x0a000002, 0x0a000001, 443, 49152, PROTOCOL_TCP, TCP_ACK, 0 },
	{ 0x0a000001, 0x0a000003, 49153, 53, PROTOCOL_UDP, 0, 0 },
	{ 0x0a000002, 0x0a000003, 49152, 443, PROTOCOL_TCP, TCP_ACK | TCP_RST, 0 },
	{ 0x0a000001, 0x0a000003, 0, 0, PROTOCOL_UDP, 0, 0x0100 },
	{ 0xc0a80001, 0xc0a80002, 0x0300, 0, PROTOCOL_ICMP, 0, 0 },
	{ 0x0a000001, 0x0a000002, 49160, 443, PROTOCOL_TCP, TCP_ACK, 0 },
};

static void test_members_without_a_match_are_not_read(void **state)
{
	struct indexed_file *file = make_file(conversations, ARRAY_LENGTH(conversations));

	(void)state;
	assert_plan(file, "", "1 2 3 4 5 6 7");
	assert_plan(file, "host 10.0.0.3", "3 4 5");
	assert_plan(file, "src host 10.0.0.3", "3 4 5"); /* who has sent is not known */
	assert_plan(file, "host 10.0.0.1 and host 10.0.0.2", "1 2 7");
	assert_plan(file, "host 10.0.0.2 and port 443", "1 2 4 7");
	assert_plan(file, "host 10.0.0.1 and not port 443", "3 5");
	assert_plan(file, "net 192.168.0.0/16", "6");
	assert_plan(file, "port 53", "3"); /* a later fragment has no ports */
	assert_plan(file, "src port 49152 and dst port 443", "1 2 4");
	assert_plan(file, "port 49160", "7"); /* by the hint */
	assert_plan(file, "port 8080", "");
	assert_plan(file, "portrange 8000-9000", "");
	assert_plan(file, "portrange 400-500", "1 2 4 7");
	assert_plan(file, "tcp[tcpflags] & tcp-rst != 0", "4");
	assert_plan(file, "ip[6:2] & 0x1fff != 0", "5");
	assert_plan(file, "icmp[icmptype] = icmp-unreach", "6");
	assert_plan(file, "icmp[icmptype] = icmp-echo", "");
	assert_plan(file, "ip6 or arp", "");
	assert_plan(file, "ip[16] >= 224", "");
	(void)indexed_file_free(file);
}

static void test_addresses_alone_rule_out_a_file(void **state)
{
	static const char *const filters[] = { "host 203.0.113.1",
					       "net 172.16.0.0/12",
					       "ip6",
					       "host 203.0.113.1 and port 443",
					       "net 10.1.0.0/16 or net 192.168.1.0/24",
					       "igmp" };
	struct indexed_file *file = make_file(conversations, ARRAY_LENGTH(conversations));

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
		assert_plan(file, filters[i], "");
		assert_int_equal(indexed_file_groups(file), 0);
	}
	assert_plan(file, "host 10.0.0.1 and host 192.168.0.1", "");
	assert_int_equal(indexed_file_groups(file), 1); /* but not one conversation of both */
	(void)indexed_file_free(file);
}

/* One conversation with different facts in its members, more than are remembered at once. */
static void test_facts_are_those_of_a_member(void **state)
{
	struct indexed_file *file = indexed_file_new(LINK_RAW);
	struct match_file about = { .has_our_tunnels = true, .steps_left = 3000 };
	struct packet packet = conversations[0];
	char expected[1024] = "";
	size_t length = 0;

	(void)state;
	for (uint32_t i = 1; i <= 200; i++) {
		packet.flags = (uint8_t)(i & ~TCP_RST);
		packet.source_port = (uint16_t)(49152 + i);
		add_raw(file, &packet);
		if (i % 50 == 0) {
			packet.flags = TCP_RST;
			add_raw(file, &packet);
			length += (size_t)snprintf(expected + length, sizeof expected - length,
						   "%s%u", length > 0 ? " " : "", i);
		}
		indexed_file_end_member(file);
	}
	indexed_file_finish(file);
	assert_plan(file, "tcp[13] & 4 != 0", expected);
	(void)plan_of(file, "tcp[13] & 4 != 0", false, &about);
	assert_true(about.is_too_complex); /* each of them costs something */
	(void)indexed_file_free(file);
}

static void test_inner_packets_are_judged_alone(void **state)
{
	struct indexed_file *file = indexed_file_new(LINK_RAW);

	(void)state;
	add_raw(file, &conversations[2]); /* 1: DNS, in no tunnel */
	indexed_file_end_member(file);
	add_in_tunnel(file, &conversations[2]); /* 2: DNS */
	indexed_file_end_member(file);
	add_in_tunnel(file, &conversations[3]); /* 3: TCP */
	indexed_file_end_member(file);
	indexed_file_finish(file);
	assert_plan(file, "port 53", "1");
	assert_plan(file, "proto 4", "2 3");
	assert_inner_plan(file, "port 53", "1 2");
	assert_inner_plan(file, "not port 53",
			  "3"); /* not by the outer packet, which has no port */
	assert_inner_plan(file, "tcp", "3");
	assert_inner_plan(file, "proto 4", "");
	assert_inner_plan(file, "host 203.0.113.1", "");
	assert_int_equal(indexed_file_groups(file), 0);
	(void)indexed_file_free(file);
}

/* The header of a frame with IPv4, and the packet. */
static struct indexed_file *make_framed_file(uint16_t link_type, size_t header, size_t type_at)
{
	struct indexed_file *file = indexed_file_new(link_type);
	uint8_t bytes[32 + IP_BYTES] = { 0 };

	put_big(bytes + type_at, 0x0800, 2);
	write_ip(&conversations[0], bytes + header);
	indexed_file_add_packet(file, bytes, header + IP_BYTES);
	indexed_file_end_member(file);
	put_big(bytes + type_at, 0x0806, 2); /* of the same addresses, at other places */
	memmove(bytes + header + 24, bytes + header + 16, 4);
	memmove(bytes + header + 14, bytes + header + 12, 4);
	indexed_file_add_packet(file, bytes, header + IP_BYTES);
	indexed_file_end_member(file);
	indexed_file_finish(file);
	return file;
}

static void test_each_kind_of_frame_is_known(void **state)
{
	static const struct {
		uint16_t link_type;
		size_t header, type_at;
	} frames[] = { { LINK_ETHERNET, 14, 12 }, { LINK_SLL, 16, 14 }, { LINK_SLL2, 20, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
		struct indexed_file *file = make_framed_file(frames[i].link_type, frames[i].header,
							     frames[i].type_at);

		assert_plan(file, "ip", "1");
		assert_plan(file, "arp", "2");
		assert_plan(file, "ip6", "");
		assert_plan(file, "udp", "");
		assert_plan(file, "port 443", "1");
		assert_plan(file, "dst port 8080", "");
		assert_plan(file, "host 10.0.0.2", "1 2");
		assert_plan(file, "arp host 10.0.0.9", "");
		assert_plan(file, "arp and src host 10.0.0.2 and dst host 10.0.0.2", "");
		(void)indexed_file_free(file);
	}
}

static void test_addresses_cost_steps_too(void **state)
{
	struct match_file about = { .has_our_tunnels = true, .steps_left = 10 };
	struct indexed_file *file = make_file(conversations, 3);

	(void)state;
	assert_string_equal(plan_of(file, "host 203.0.113.1", false, &about), "1 2 3");
	assert_true(about.is_too_complex);
	(void)indexed_file_free(file);
}

static void test_other_rules_for_keys_rule_out_nothing(void **state)
{
	struct match_file about = { .has_our_tunnels = false, .steps_left = MATCH_STEPS };
	struct indexed_file *file = make_file(conversations, 3);
	struct index_footer *footer = (struct index_footer *)(uintptr_t)indexed_file_footer(file);

	(void)state;
	assert_string_equal(plan_of(file, "port 8080", true, &about), "1 2 3");
	assert_string_equal(plan_of(file, "port 8080", false, &about), "");
	footer->key_version++;
	assert_string_equal(plan_of(file, "port 8080", false, &about), "1 2 3");
	assert_false(about.is_too_complex);
	(void)indexed_file_free(file);
}

/* A type that nobody makes today: tunnel 15. Whoever does, has another key version. */
static void test_types_of_others_may_be_anything(void **state)
{
	static const uint64_t types[] = {
		UINT64_C(0x0800) << 32 | 1 << 24 | 0xf0 << 16 | 6 << 8 | 16,
		UINT64_C(0x0800) << 32 | 1 << 24 | 0x05 << 16 | 6 << 8, /* tags */
		UINT64_C(0x0800) << 32 | 9 << 24 | 6 << 8,              /* kind */
		UINT64_C(0xffff) << 32 | UINT32_MAX,
		0,
	};
	static struct index_footer footer = { .file = { .link_type = LINK_ETHERNET },
					      .key_version = 1 };
	struct match *match;
	struct error err;

	(void)state;
	assert_int_equal(match_open("host 10.0.0.1", true, &match, &err), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		uint64_t type = types[i];
		uint32_t address = 0;
		struct index_addresses addresses = {
			.ipv4 = &address, .ipv4_count = 1, .types = &type, .types_count = 1
		};
		struct match_file about = { &footer, true, MATCH_STEPS, false };

		assert_true(match_may_have(match, &about, &addresses) || i == 4 || i == 1);
	}
	(void)match_close(match);
}

/* Keys of many hosts, so that much is to be judged. */
static struct indexed_file *make_large_file(uint32_t members, uint32_t keys_each)
{
	struct indexed_file *file = indexed_file_new(LINK_RAW);

	for (uint32_t i = 0; i < members; i++) {
		for (uint32_t j = 0; j < keys_each; j++) {
			struct packet packet = { 0x0a000000 + random_below(1000),
						 0x0a000000 + random_below(50),
						 (uint16_t)(32768 + random_below(30000)),
						 (uint16_t)random_below(60),
						 PROTOCOL_TCP,
						 (uint8_t)random_below(32),
						 0 };

			add_raw(file, &packet);
		}
		indexed_file_end_member(file);
	}
	indexed_file_finish(file);
	return file;
}

/* P4: 2^12 ways, of which each comes to the next question with nothing in its registers. */
static void test_twelve_questions_are_not_too_complex(void **state)
{
	struct indexed_file *file = make_large_file(20, 1000);
	struct match_file about = { .has_our_tunnels = true, .steps_left = MATCH_STEPS };
	char filter[2048] = "host 203.0.113.1";
	size_t length = strlen(filter);

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		length += (size_t)snprintf(filter + length, sizeof filter - length,
					   " or (ip[%u] = 1 or ip[%u] = 2) and tcp[%u] = 7", 40 + i,
					   60 + i, 40 + i);
	(void)plan_of(file, filter, false, &about);
	assert_false(about.is_too_complex);
	(void)indexed_file_free(file);
}

/* Memory differs on each way, and all end with a no. */
#define QUESTIONS 5

static void test_too_complex_a_filter_reads_all_and_ends_soon(void **state)
{
	struct indexed_file *file = make_large_file(20, 1000);
	struct match_file about = { .has_our_tunnels = true, .steps_left = MATCH_STEPS };
	char filter[2048] = "net 10.0.0.0/8";
	size_t length = strlen(filter);

	(void)state;
	for (unsigned i = 0; i < QUESTIONS; i++)
		length += (size_t)snprintf(
			filter + length, sizeof filter - length,
			" and (ip[%u] + ip[%u] * 3 = ip[1] or ip[%u] - ip[1] = ip[%u] + 2)", 40 + i,
			60 + i, 41 + i, 70 + i);
	length += (size_t)snprintf(filter + length, sizeof filter - length,
				   " and src host 10.0.3.230 and dst host 10.0.3.230");
	assert_string_equal(plan_of(file, filter, false, &about),
			    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
	assert_true(about.is_too_complex);
	assert_int_equal(about.steps_left, 0);
	assert_string_equal(plan_of(file, "port 1", false, &about), /* and stays so */
			    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
	(void)indexed_file_free(file);
}

static void test_a_damaged_section_is_an_error(void **state)
{
	static struct index_footer footer = { .file = { .link_type = LINK_RAW }, .key_version = 1 };
	static const uint8_t plain[] = { 200 };
	const struct index_section section = { .plain_bytes = sizeof plain, .members = 8 };
	const struct index_addresses addresses = { .ipv4 = NULL };
	struct match_file about = { &footer, true, MATCH_STEPS, false };
	uint8_t bitmap[1] = { 0 };
	struct match *match;
	struct error err;

	(void)state;
	assert_int_equal(match_open("", false, &match, &err), 0);
	assert_int_equal(match_members(match, &about, &section, plain, &addresses, bitmap, &err),
			 -1);
	assert_int_equal(err.kind, ERROR_REJECTED);
	assert_int_equal(bitmap[0], 0);
	(void)match_close(match);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_without_a_match_are_not_read),
		cmocka_unit_test(test_addresses_alone_rule_out_a_file),
		cmocka_unit_test(test_facts_are_those_of_a_member),
		cmocka_unit_test(test_inner_packets_are_judged_alone),
		cmocka_unit_test(test_each_kind_of_frame_is_known),
		cmocka_unit_test(test_addresses_cost_steps_too),
		cmocka_unit_test(test_other_rules_for_keys_rule_out_nothing),
		cmocka_unit_test(test_types_of_others_may_be_anything),
		cmocka_unit_test(test_twelve_questions_are_not_too_complex),
		cmocka_unit_test(test_too_complex_a_filter_reads_all_and_ends_soon),
		cmocka_unit_test(test_a_damaged_section_is_an_error),
	};

	unit_add(tests, NULL, NULL);
}
