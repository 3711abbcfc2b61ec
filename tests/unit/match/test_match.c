/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

#include "unit.h"

#include "match_fixture.h"

#include "base/thread.h"
#include "index/headers.h"
#include "match/match.h"

static unsigned lookups;

/* Before the C library's, which reads numeric addresses: names must not leave the process. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **results)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && !strstr(node, ".invalid"))
		return next(node, service, hints, results);
	lookups++;
	return EAI_NONAME;
}

static struct match *open_filter(const char *filter, bool is_inner)
{
	struct match *match = NULL;
	struct error err;

	if (match_open(filter, is_inner, &match, &err) < 0)
		fail_msg("%s: %s", filter, err.message);
	return match;
}

/* Ethernet, IPv4 from 10.0.0.1 to 10.0.0.2, UDP from port 49152. */
#define UDP_TO(high, low)                                                                         \
	2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0x60, 0, 0, 0, 0, 64, 17, 0, 0, 10, \
		0, 0, 1, 10, 0, 0, 2, 0xc0, 0, high, low, 0, 0, 0, 0
/* VXLAN, and the frame of a pod: 10.244.1.1 asks 10.244.1.2, port 53. */
#define VXLAN_DNS                                                                                  \
	8, 0, 0, 0, 0, 0, 42, 0, 2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1, 8, 0, 0x45, 0, 0, 0x30, 0, 0, \
		0, 0, 64, 17, 0, 0, 10, 244, 1, 1, 10, 244, 1, 2, 0xc0, 1, 0, 53, 0, 0, 0, 0

static const uint8_t dns[] = { UDP_TO(0, 53) };
static const uint8_t vxlan[] = { UDP_TO(0x21, 0x18), VXLAN_DNS };

static bool is_match(const char *filter, bool is_inner, uint16_t link_type, const uint8_t *packet,
		     size_t length)
{
	struct match *match = open_filter(filter, is_inner);
	bool is_accepted = match_packet(match, link_type, packet, (uint32_t)length,
					(uint32_t)length);

	(void)match_close(match);
	return is_accepted;
}

#define accepts(filter, is_inner, packet) \
	is_match(filter, is_inner, LINK_ETHERNET, packet, sizeof(packet))

static void test_a_filter_is_what_libpcap_takes_it_for(void **state)
{
	(void)state;
	assert_true(accepts("", false, dns));
	assert_true(accepts("port 53", false, dns));
	assert_false(accepts("port 53 and tcp", false, dns));
	assert_true(accepts("ip broadcast or udp", false, dns)); /* needs a netmask */
	assert_true(is_match("port 53", false, LINK_RAW, dns + 14, sizeof dns - 14));
	assert_false(is_match("port 53", false, LINK_SLL, dns, sizeof dns));
}

static void test_the_original_length_counts(void **state)
{
	struct match *match = open_filter("greater 1000", false);

	(void)state;
	assert_true(match_packet(match, LINK_ETHERNET, dns, sizeof dns, 1000));
	assert_false(match_packet(match, LINK_ETHERNET, dns, sizeof dns, 999));
	(void)match_close(match);
}

static void test_no_filter_is_an_error(void **state)
{
	static const char *const filters[] = { "prot 53", "port", "host 10.0.0.256", "((ip)" };
	struct match *match = NULL;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(filters); i++) {
		assert_int_equal(match_open(filters[i], i % 2, &match, &err), -1);
		assert_null(match);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_non_null(strstr(err.message, "filter: "));
	}
}

/* And is looked up once in vain, not for each link type. */
static void test_a_name_that_is_unknown_may_be_known_later(void **state)
{
	struct match *match = NULL;
	struct error err;

	(void)state;
	lookups = 0;
	assert_int_equal(match_open("host nowhere.invalid", false, &match, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(err.message, "nowhere.invalid"));
	assert_int_equal(lookups, 1);
	assert_null(match);
}

/* P3: what one link type refuses is right for the files of another. */
static void test_a_link_type_may_refuse_a_filter(void **state)
{
	struct match *vlan = open_filter("vlan", false), *inbound = open_filter("inbound", false);

	(void)state;
	assert_null(match_problem(vlan, LINK_ETHERNET));
	assert_non_null(strstr(match_problem(vlan, LINK_SLL2), "no VLAN support"));
	assert_non_null(match_problem(vlan, LINK_RAW));
	assert_false(match_packet(vlan, LINK_SLL2, dns, sizeof dns, sizeof dns));
	assert_non_null(match_problem(inbound, LINK_ETHERNET));
	assert_null(match_problem(inbound, LINK_SLL2));
	(void)match_close(vlan);
	(void)match_close(inbound);
}

static void test_a_filter_that_rejects_all_is_none_of_the_users_errors(void **state)
{
	struct match *match = open_filter("arp", false), *never = open_filter("ip and ip6", false);

	(void)state;
	assert_null(match_problem(match, LINK_RAW));
	assert_false(match_packet(match, LINK_RAW, dns + 14, sizeof dns - 14, sizeof dns - 14));
	assert_null(match_problem(never, LINK_ETHERNET));
	assert_false(match_packet(never, LINK_ETHERNET, dns, sizeof dns, sizeof dns));
	(void)match_close(match);
	(void)match_close(never);
}

static void test_another_link_type_is_compiled_when_it_is_met(void **state)
{
	struct match *match = open_filter("greater 10", false),
		     *port = open_filter("port 53", false);

	(void)state;
	assert_null(match_problem(match, 147)); /* USER0 */
	assert_true(match_packet(match, 147, dns, sizeof dns, sizeof dns));
	assert_non_null(match_problem(port, 147));
	assert_false(match_packet(port, 147, dns, sizeof dns, sizeof dns));
	assert_null(match_problem(port, 108)); /* LOOP */
	assert_non_null(match_problem(port, 65535));
	(void)match_close(match);
	(void)match_close(port);
}

/* Files are anybody's, and may have packets of any. */
static void test_link_types_are_limited(void **state)
{
	struct match *match = open_filter("len > 1", false);

	(void)state;
	for (uint16_t link_type = 0; link_type < 300; link_type++)
		(void)match_problem(match, link_type);
	assert_string_equal(match_problem(match, 1000), "too many link types");
	assert_false(match_packet(match, 1000, dns, sizeof dns, sizeof dns));
	assert_null(match_problem(match, LINK_SLL2));
	(void)match_close(match);
}

static void test_a_packet_in_a_tunnel_is_judged_alone(void **state)
{
	(void)state;
	assert_false(accepts("port 53", false, vxlan));
	assert_true(accepts("port 53", true, vxlan));
	assert_true(accepts("port 53", true, dns)); /* of no tunnel */
	assert_false(accepts("not port 53", true, vxlan));
	assert_true(accepts("not port 53", false, vxlan));
	assert_false(accepts("host 10.0.0.1", true, vxlan));
	assert_true(accepts("host 10.244.1.2", true, vxlan));
	assert_true(accepts("len = 42", true, vxlan));
	assert_true(accepts("len = 92", false, vxlan));
	assert_true(is_match("host 10.244.1.2", true, LINK_RAW, vxlan + 14, sizeof vxlan - 14));
	/* Nothing of what is inside was captured. */
	assert_false(is_match("host 10.0.0.1", true, LINK_ETHERNET, vxlan, 14 + 20 + 8 + 8));
	assert_true(is_match("", true, LINK_ETHERNET, vxlan, 14 + 20 + 8 + 8));
}

#define THREADS 4

static void compile_in_thread(void *context)
{
	for (uint16_t link_type = 140; link_type < 170; link_type++)
		(void)match_problem(context, link_type);
}

static void test_threads_share_a_filter(void **state)
{
	struct match *match = open_filter("len > 1", false);
	struct thread threads[THREADS] = { 0 };
	struct error err;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&threads[i], "match", compile_in_thread, match, &err),
				 0);
	for (size_t i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	assert_null(match_problem(match, 147));
	(void)match_close(match);
	assert_null(match_close(NULL));
}

static void test_the_filters_of_these_tests_are_filters(void **state)
{
	(void)state;
	for (size_t i = 0; i < match_filters_count; i++)
		(void)match_close(open_filter(match_filters[i], false));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_filter_is_what_libpcap_takes_it_for),
		cmocka_unit_test(test_the_original_length_counts),
		cmocka_unit_test(test_no_filter_is_an_error),
		cmocka_unit_test(test_a_name_that_is_unknown_may_be_known_later),
		cmocka_unit_test(test_a_link_type_may_refuse_a_filter),
		cmocka_unit_test(test_a_filter_that_rejects_all_is_none_of_the_users_errors),
		cmocka_unit_test(test_another_link_type_is_compiled_when_it_is_met),
		cmocka_unit_test(test_link_types_are_limited),
		cmocka_unit_test(test_a_packet_in_a_tunnel_is_judged_alone),
		cmocka_unit_test(test_threads_share_a_filter),
		cmocka_unit_test(test_the_filters_of_these_tests_are_filters),
	};

	unit_add(tests, NULL, NULL);
}
