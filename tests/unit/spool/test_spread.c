/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

#include "base/clock.h"

#define NAME(second, interface, sequence) \
	"n_20251123T0830" second ".000Z_" interface "_" sequence ".pcap"
static const char first[] = NAME("00", "eth0", "00000001"),
		  second[] = NAME("01", "eth1", "00000002"),
		  third[] = NAME("02", "eth0", "00000003");

#define NODES 10000

/* What a span of as many seconds as there are buckets looks like, if each node uploads one file. */
static void assert_even(const char *const nodes[NODES], const char *interface)
{
	enum {
		BUCKETS = 50
	};
	unsigned counts[BUCKETS] = { 0 };

	for (size_t i = 0; i < NODES; i++) {
		uint32_t share = spread_share(nodes[i], interface);
		uint64_t offset_ms = spread_offset_ms(share, BUCKETS * CLOCK_MS_PER_S);

		assert_int_equal(share, spread_share(nodes[i], interface));
		assert_true(offset_ms < BUCKETS * CLOCK_MS_PER_S);
		counts[offset_ms / CLOCK_MS_PER_S]++;
	}
	/* 200 a second, of which chance takes or gives 14; five times that once in a million. */
	for (size_t i = 0; i < BUCKETS; i++)
		assert_in_range(counts[i], 130, 270);
}

static void test_nodes_are_spread_evenly(void **state)
{
	static const char *const formats[] = { "node-%u", "%04u.example.org", "gke-c-pool-1-%08x",
					       "ip-10-0-%u-%u", "%u" };
	static char names[NODES][64];
	static const char *nodes[NODES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
		for (unsigned node = 0; node < NODES; node++) {
			unsigned number = i == 3 ? node / 250 : node;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(names[node], sizeof names[node], formats[i], number,
				       node % 250);
#pragma GCC diagnostic pop
			nodes[node] = names[node];
		}
		assert_even(nodes, "eth0");
		assert_even(nodes, "any");
	}
}

/* Also in the next version: a fleet that is half upgraded is spread as before. */
static void test_the_moment_stays_the_same(void **state)
{
	(void)state;
	assert_int_equal(spread_share("node-1", "eth0"), 0x1ced0023);
	assert_int_not_equal(spread_share("node-1", "eth0"), spread_share("node-1", "eth1"));
	assert_int_not_equal(spread_share("node-1", "eth0"), spread_share("node-2", "eth0"));
	assert_int_not_equal(spread_share("a", "bc"), spread_share("ab", "c"));
	assert_int_equal(spread_offset_ms(UINT32_MAX, 1000), 999);
	assert_int_equal(spread_offset_ms(UINT32_MAX / 2, 3600000), 1799999);
	assert_int_equal(spread_offset_ms(UINT32_MAX, 0), 0);
}

/* Of this name and its interface; it ended so many milliseconds ago. */
static void publish(struct fixture *fixture, const char *name, const char *reason, uint64_t ago_ms)
{
	struct name_parts parts;
	char interface[SEGMENT_INTERFACE_MAX + 1];
	struct spool_writer *writer;

	assert_true(name_parse(name, &parts));
	(void)snprintf(interface, sizeof interface, "%.*s", (int)parts.interface_length,
		       parts.interface);
	writer = begin_of(fixture, name, interface, "123456789", 9);
	writer->segment.packets = 10;
	strcpy(writer->segment.reason, reason);
	writer->segment.end_ns = clock_real_ns() - ago_ms * CLOCK_NS_PER_MS;
	assert_int_equal(spool_finish(writer), 0);
}

/* Of a node and interface of the tests, with this span. */
static uint64_t offset_ms(const char *interface, uint64_t span_s)
{
	return spread_offset_ms(spread_share("n", interface), span_s * CLOCK_MS_PER_S);
}

/* Claim this one, waiting so long; NULL: none may be sent. */
static void expect_within(struct fixture *fixture, const char *name, unsigned timeout_ms)
{
	struct spool_claim claim = { .fd = -1 };
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, timeout_ms, &claim, &err),
			 name ? 1 : 0);
	if (name)
		assert_string_equal(claim.name, name);
	(void)close(claim.fd);
}

static void expect(struct fixture *fixture, const char *name)
{
	expect_within(fixture, name, 0);
}

static struct spool_totals totals_of(struct fixture *fixture)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	return totals;
}

static void test_an_upload_waits_for_its_moment(void **state)
{
	struct fixture *fixture = *state;
	const struct spread hour = { .span_ms = 3600 * CLOCK_MS_PER_S };
	uint64_t begin_ms = clock_monotonic_ms();
	struct spool_entry *entry;
	struct spool_totals totals;

	spool_set_spread(fixture->spool, 3600);
	publish(fixture, first, "age", 1000);
	entry = fixture->spool->entries[0];
	assert_in_range(spread_due_ms(&hour, entry) + 1000 - offset_ms("eth0", 3600), begin_ms - 1,
			clock_monotonic_ms());
	expect(fixture, NULL);
	totals = totals_of(fixture);
	assert_int_equal(totals.ready, 1);
	assert_int_equal(totals.delayed, 1);
	assert_int_equal(totals.oldest_ns, 0);
	assert_int_equal(totals.oldest_unsent_ns, name_start_ns(first));
	/* It is nobody else's moment. */
	publish(fixture, second, "size", 0);
	totals = totals_of(fixture);
	assert_int_equal(totals.delayed, 1);
	assert_int_equal(totals.oldest_ns, name_start_ns(second));
	publish(fixture, third, "signal", 0);
	expect(fixture, second);
	expect(fixture, third);
	expect(fixture, NULL);
	/* It comes, and the worker that waits takes it then. */
	entry->ended_ms = clock_monotonic_ms() + 50 - offset_ms("eth0", 3600);
	expect_within(fixture, first, 60000);
	assert_true(clock_monotonic_ms() >= spread_due_ms(&hour, entry));
	totals = totals_of(fixture);
	assert_int_equal(totals.delayed, 0);
	assert_int_equal(totals.oldest_ns,
			 name_start_ns(first) + offset_ms("eth0", 3600) * CLOCK_NS_PER_MS);
}

static void test_only_an_end_by_age_is_spread(void **state)
{
	static const char *const reasons[] = { "size",      "signal",    "command", "reload",
					       "stop",      "budget",    "clock",   "filter",
					       "interface", "recovered", "" };
	struct fixture *fixture = *state;

	spool_set_spread(fixture->spool, 3600);
	for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
		char name[64];

		(void)snprintf(name, sizeof name, "n_20251123T083000.000Z_eth0_%08zu.pcap", i + 1);
		publish(fixture, name, reasons[i], 0);
		expect(fixture, name);
	}
}

/* What waited for longer than the span is late enough. */
static void test_a_backlog_is_not_spread(void **state)
{
	struct fixture *fixture = *state;

	spool_set_spread(fixture->spool, 60);
	publish(fixture, first, "age", 60000);
	publish(fixture, third, "age", 3600000);
	expect(fixture, first);
	expect(fixture, third);
	publish(fixture, second, "age",
		UINT64_C(1) << 40); /* longer ago than the machine started */
	expect(fixture, second);
}

static void test_a_restart_sends_what_waits(void **state)
{
	struct fixture *fixture = *state;

	spool_set_spread(fixture->spool, 3600);
	publish(fixture, first, "age", 0);
	expect(fixture, NULL);
	open_again(fixture);
	spool_set_spread(fixture->spool, 3600);
	expect(fixture, first);
}

static void test_a_flush_sends_what_waits(void **state)
{
	struct fixture *fixture = *state;
	uint64_t events;
	char name[64];

	spool_set_spread(fixture->spool, 3600);
	publish(fixture, first, "age", 0);
	expect(fixture, NULL);
	spool_retry_now(fixture->spool); /* as a reload: it did not fail */
	expect(fixture, NULL);
	events = fixture->spool->events;
	spool_hurry(fixture->spool);
	assert_int_equal(fixture->spool->events, events + 1); /* a worker that waits looks again */
	expect(fixture, first);
	/* Also what ends by age just then, and is finished later; but not what begins afterwards. */
	publish(fixture, second, "age", 0);
	expect(fixture, second);
	strcpy(name, "n_21001123T083000.000Z_eth0_00000004.pcap");
	publish(fixture, name, "age", 0);
	expect(fixture, NULL);
}

/* A reload changes it for what waits already; and what was listed again has its moment still. */
static void test_another_span_holds_at_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t events;
	struct error err;

	publish(fixture, first, "age", 0);
	spool_set_spread(fixture->spool, 3600);
	expect(fixture, NULL);
	(void)pthread_mutex_lock(&fixture->spool->lock);
	assert_int_equal(spool_scan(fixture->spool, &err), 0);
	(void)pthread_mutex_unlock(&fixture->spool->lock);
	expect(fixture, NULL);
	events = fixture->spool->events;
	spool_set_spread(fixture->spool, 0);
	assert_int_equal(fixture->spool->events, events + 1); /* a worker that waits looks again */
	expect(fixture, first);
}

/* Nothing is lost by waiting: where others could take its room, it goes. */
static void test_a_spool_that_is_half_full_is_not_spread(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = { .spool_max_segments = 3 };

	spool_set_spread(fixture->spool, 3600);
	spool_set_budget(fixture->spool, &conf);
	publish(fixture, first, "age", 0);
	expect(fixture, NULL);
	publish(fixture, third, "age", 0);
	expect(fixture, first);
}

/* What failed is held for that; its moment is over. */
static void test_a_failure_after_the_moment(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claim;
	struct error err;

	spool_set_spread(fixture->spool, 60);
	publish(fixture, first, "age", 59999);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 10, &claim, &err),
				 1);
		assert_int_equal(spool_release(fixture->spool, &claim, true, &err), 0);
	}
	expect(fixture, NULL);
	assert_int_equal(totals_of(fixture).delayed, 0);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_NEWEST_FIRST, 0, &claim, &err), 1);
	(void)close(claim.fd);
}

#define SPREAD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes_are_spread_evenly),
		cmocka_unit_test(test_the_moment_stays_the_same),
		SPREAD_TEST(test_an_upload_waits_for_its_moment),
		SPREAD_TEST(test_only_an_end_by_age_is_spread),
		SPREAD_TEST(test_a_backlog_is_not_spread),
		SPREAD_TEST(test_a_restart_sends_what_waits),
		SPREAD_TEST(test_a_flush_sends_what_waits),
		SPREAD_TEST(test_another_span_holds_at_once),
		SPREAD_TEST(test_a_spool_that_is_half_full_is_not_spread),
		SPREAD_TEST(test_a_failure_after_the_moment),
	};

	unit_add(tests, NULL, NULL);
}
