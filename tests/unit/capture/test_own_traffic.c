/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/connections.h"
#include "capture/own_traffic.h"

/* One connection of ours: 10.0.0.1:4000 to 10.0.0.2:443. */
static struct sockaddr_in address4(const char *text, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
	return address;
}

static struct sockaddr_in6 address6(const char *text, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
	return address;
}

/* As the capture asks: of the headers. */
static uint32_t link_type_of_test = LINK_ETHERNET;

static bool matches(struct own_traffic *own, const uint8_t *packet, uint32_t captured,
		    uint64_t packet_ns)
{
	struct headers headers;

	headers_read(link_type_of_test, packet, captured, &headers);
	return own_traffic_matches(own, &headers, packet_ns);
}

struct fixture {
	struct connections *table;
	struct own_traffic own;
	int handle;
};

static void set_up(struct fixture *fixture, uint32_t link_type)
{
	struct sockaddr_in local = address4("10.0.0.1", 4000), remote = address4("10.0.0.2", 443);

	fixture->table = connections_new();
	own_traffic_init(&fixture->own, fixture->table);
	link_type_of_test = link_type;
	fixture->handle = connections_add(fixture->table, (struct sockaddr *)&local,
					  (struct sockaddr *)&remote);
	assert_true(fixture->handle >= 0);
}

static void tear_down(struct fixture *fixture)
{
	connections_free(fixture->table);
}

/* A TCP packet; returns its length. */
static uint32_t tcp4(uint8_t *out, uint32_t offset, const char *source, uint16_t source_port,
		     const char *destination, uint16_t destination_port)
{
	uint8_t *ip = out + offset;
	uint16_t port;

	memset(ip, 0, 40);
	ip[0] = 0x45;
	ip[9] = 6;
	assert_int_equal(inet_pton(AF_INET, source, ip + 12), 1);
	assert_int_equal(inet_pton(AF_INET, destination, ip + 16), 1);
	port = htons(source_port);
	memcpy(ip + 20, &port, 2);
	port = htons(destination_port);
	memcpy(ip + 22, &port, 2);
	return offset + 40;
}

static uint32_t ethernet(uint8_t *out, uint16_t ethertype)
{
	memset(out, 0, 14);
	out[12] = (uint8_t)(ethertype >> 8);
	out[13] = (uint8_t)ethertype;
	return 14;
}

static void test_both_directions_are_ours_and_others_are_not(void **state)
{
	uint64_t now_ns = clock_real_ns();
	struct fixture fixture;
	uint8_t packet[128];
	uint32_t length;

	(void)state;
	set_up(&fixture, LINK_ETHERNET);
	length = tcp4(packet, ethernet(packet, 0x0800), "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	length = tcp4(packet, 14, "10.0.0.2", 443, "10.0.0.1", 4000);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	/* Somebody else to the same server, or to another one from the same port. */
	length = tcp4(packet, 14, "10.0.0.1", 4001, "10.0.0.2", 443);
	assert_false(matches(&fixture.own, packet, length, now_ns));
	length = tcp4(packet, 14, "10.0.0.1", 4000, "10.0.0.3", 443);
	assert_false(matches(&fixture.own, packet, length, now_ns));
	length = tcp4(packet, 14, "10.0.0.1", 443, "10.0.0.2", 4000);
	assert_false(matches(&fixture.own, packet, length, now_ns));
	packet[14 + 9] = 17; /* UDP */
	length = tcp4(packet, 14, "10.0.0.1", 4000, "10.0.0.2", 443);
	packet[14 + 9] = 17;
	assert_false(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);
}

static void test_only_while_it_is_open_and_a_little_longer(void **state)
{
	uint64_t opened_ns = clock_real_ns(), closed_ns; /* real time */
	struct fixture fixture;
	uint8_t packet[128];
	uint32_t length;

	(void)state;
	set_up(&fixture, LINK_ETHERNET);
	length = tcp4(packet, ethernet(packet, 0x0800), "10.0.0.1", 4000, "10.0.0.2", 443);
	/* The clock was set back meanwhile. */
	assert_true(matches(&fixture.own, packet, length, opened_ns - CLOCK_NS_PER_S));
	connections_close(fixture.table, fixture.handle);
	closed_ns = clock_real_ns();
	assert_true(matches(&fixture.own, packet, length, closed_ns - 1));
	assert_true(matches(&fixture.own, packet, length, closed_ns + CLOCK_NS_PER_S));
	assert_false(matches(&fixture.own, packet, length, closed_ns + 10 * CLOCK_NS_PER_S));
	tear_down(&fixture);
}

static void test_link_types_and_vlan_tags(void **state)
{
	uint64_t now_ns = clock_real_ns();
	struct fixture fixture;
	uint8_t packet[128] = { 0 };
	uint32_t length;

	(void)state;
	set_up(&fixture, LINK_ETHERNET);
	(void)ethernet(packet, 0x8100);
	packet[16] = 0x08;
	packet[17] = 0x00;
	length = tcp4(packet, 18, "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);

	set_up(&fixture, LINK_SLL);
	memset(packet, 0, sizeof packet);
	packet[14] = 0x08;
	length = tcp4(packet, 16, "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);

	set_up(&fixture, LINK_SLL2);
	memset(packet, 0, sizeof packet);
	packet[0] = 0x08;
	length = tcp4(packet, 20, "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);

	set_up(&fixture, LINK_RAW);
	length = tcp4(packet, 0, "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);
}

/* Whatever is cut off or nonsense is somebody else's, and never read beyond its end. */
static void test_every_cut_packet(void **state)
{
	uint64_t now_ns = clock_real_ns();
	struct fixture fixture;
	uint8_t packet[128];
	uint32_t length;

	(void)state;
	set_up(&fixture, LINK_ETHERNET);
	length = tcp4(packet, ethernet(packet, 0x0800), "10.0.0.1", 4000, "10.0.0.2", 443);
	for (uint32_t cut = 0; cut < 14 + 24; cut++) {
		uint8_t *exact = test_malloc(cut ? cut : 1);

		memcpy(exact, packet, cut);
		assert_false(matches(&fixture.own, exact, cut, now_ns));
		test_free(exact);
	}
	assert_true(matches(&fixture.own, packet, length, now_ns));
	packet[14] = 0x41; /* a header of 4 bytes */
	assert_false(matches(&fixture.own, packet, length, now_ns));
	packet[14] = 0x45;
	packet[14 + 7] = 1; /* a later fragment */
	assert_false(matches(&fixture.own, packet, length, now_ns));
	tear_down(&fixture);
}

static void test_ipv6_and_mapped_addresses(void **state)
{
	struct connections *table = connections_new();
	struct sockaddr_in6 local = address6("fd00::1", 4000), remote = address6("fd00::2", 443);
	struct sockaddr_in6 mapped_local = address6("::ffff:10.0.0.1", 4000);
	struct sockaddr_in6 mapped_remote = address6("::ffff:10.0.0.2", 443);
	struct own_traffic own;
	uint8_t packet[128] = { 0 };
	uint32_t length;
	uint16_t port;

	(void)state;
	own_traffic_init(&own, table);
	assert_true(connections_add(table, (struct sockaddr *)&local, (struct sockaddr *)&remote) >=
		    0);
	assert_true(connections_add(table, (struct sockaddr *)&mapped_local,
				    (struct sockaddr *)&mapped_remote) >= 0);
	(void)ethernet(packet, 0x86dd);
	packet[14] = 0x60;
	packet[14 + 6] = 6;
	memcpy(packet + 14 + 8, &local.sin6_addr, 16);
	memcpy(packet + 14 + 24, &remote.sin6_addr, 16);
	port = htons(4000);
	memcpy(packet + 54, &port, 2);
	port = htons(443);
	memcpy(packet + 56, &port, 2);
	assert_true(matches(&own, packet, 74, clock_real_ns()));
	packet[14 + 24 + 15] = 3;
	assert_false(matches(&own, packet, 74, clock_real_ns()));
	length = tcp4(packet, ethernet(packet, 0x0800), "10.0.0.1", 4000, "10.0.0.2", 443);
	assert_true(matches(&own, packet, length, clock_real_ns()));
	connections_free(table);
}

static void test_table_is_bounded_and_reuses_the_longest_closed(void **state)
{
	struct connections *table = connections_new();
	struct connection copy[CONNECTIONS_MAX];
	struct sockaddr_in remote = address4("10.0.0.2", 443);
	unsigned generation;
	int first = -1;

	(void)state;
	for (uint16_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct sockaddr_in local = address4("10.0.0.1", (uint16_t)(1000 + i));
		int handle = connections_add(table, (struct sockaddr *)&local,
					     (struct sockaddr *)&remote);

		assert_true(handle >= 0);
		first = i == 0 ? handle : first;
	}
	assert_int_equal(
		connections_add(table, (struct sockaddr *)&remote, (struct sockaddr *)&remote), -1);
	connections_close(table, first);
	assert_int_equal(connections_copy(table, copy, &generation), CONNECTIONS_MAX);
	assert_int_equal(generation, *connections_generation(table));
	assert_int_equal(
		connections_add(table, (struct sockaddr *)&remote, (struct sockaddr *)&remote),
		first);
	connections_free(table);
}

static void test_without_a_table_nothing_is_left_out(void **state)
{
	struct fixture fixture;
	uint8_t packet[128];
	uint32_t length = tcp4(packet, ethernet(packet, 0x0800), "10.0.0.1", 4000, "10.0.0.2", 443);

	(void)state;
	set_up(&fixture, LINK_ETHERNET);
	assert_true(matches(&fixture.own, packet, length, clock_real_ns()));
	own_traffic_init(&fixture.own, NULL);
	assert_false(matches(&fixture.own, packet, length, clock_real_ns()));
	tear_down(&fixture);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_are_ours_and_others_are_not),
		cmocka_unit_test(test_only_while_it_is_open_and_a_little_longer),
		cmocka_unit_test(test_link_types_and_vlan_tags),
		cmocka_unit_test(test_every_cut_packet),
		cmocka_unit_test(test_ipv6_and_mapped_addresses),
		cmocka_unit_test(test_without_a_table_nothing_is_left_out),
		cmocka_unit_test(test_table_is_bounded_and_reuses_the_longest_closed),
	};

	unit_add(tests, NULL, NULL);
}
