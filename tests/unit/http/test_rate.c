/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "http/rate.h"

#define MS    CLOCK_NS_PER_MS
#define START (1000 * CLOCK_NS_PER_S)

static void test_no_limit(void **state)
{
	struct rate rate;
	atomic_bool cancel = true;

	(void)state;
	rate_init(&rate, 0);
	assert_int_equal(rate_piece(&rate, 1 << 20), 1 << 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rate_reserve(&rate, 1 << 20, START), START);
	assert_true(rate_wait(&rate, 1 << 30, &cancel));
	rate_done(&rate);
}

static void test_pieces_flow(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000000);
	assert_int_equal(rate_piece(&rate, 1 << 20), 50000);
	assert_int_equal(rate_piece(&rate, 10), 10);
	rate_set(&rate, 1000);
	assert_int_equal(rate_piece(&rate, 1 << 20), 1024);
	rate_done(&rate);
}

/* Several takers share it: what is reserved in all is the limit, whoever comes when. */
static void test_the_limit_is_shared(void **state)
{
	struct rate rate;
	uint64_t first, last = 0;

	(void)state;
	rate_init(&rate, 1000000);
	first = rate_reserve(&rate, 10000, START);
	for (int i = 1; i <= 1000; i++)
		last = rate_reserve(&rate, 10000, START);
	assert_int_equal(last - first, 10 * CLOCK_NS_PER_S);
	rate_done(&rate);
}

/* Whoever comes late by a little is not behind for good; idle time is not saved up. */
static void test_delays_are_caught_up_with(void **state)
{
	struct rate rate;
	uint64_t now = START, begin, go;

	(void)state;
	rate_init(&rate, 1000000);
	begin = go = rate_reserve(&rate, 50000, now);
	for (int i = 0; i < 100; i++) {
		now = (go > now ? go : now) + 7 * MS; /* woken 7 ms late, each time */
		go = rate_reserve(&rate, 50000, now);
	}
	assert_int_equal(go - begin, 100 * 50 * MS);
	now += 3600 * CLOCK_NS_PER_S;
	assert_true(rate_reserve(&rate, 200000, now) <= now);
	assert_true(rate_reserve(&rate, 1, now) >= now + 100 * MS);
	rate_done(&rate);
}

static void test_a_new_limit_counts_at_once(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000);
	(void)rate_reserve(&rate, 1000000, START);
	assert_true(rate_reserve(&rate, 1, START) > START + 900 * CLOCK_NS_PER_S);
	rate_set(&rate, 1000000);
	assert_true(rate_reserve(&rate, 1, START) <= START);
	/* The same again changes nothing. */
	(void)rate_reserve(&rate, 10000000, START);
	rate_set(&rate, 1000000);
	assert_true(rate_reserve(&rate, 1, START) > START + 9 * CLOCK_NS_PER_S);
	rate_done(&rate);
}

static void test_cancel_ends_the_wait(void **state)
{
	struct rate rate;
	atomic_bool cancel = false;

	(void)state;
	rate_init(&rate, 1000);
	assert_true(rate_wait(&rate, 1000000, &cancel));
	atomic_store(&cancel, true);
	assert_false(rate_wait(&rate, 1, &cancel));
	rate_done(&rate);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_pieces_flow),
		cmocka_unit_test(test_the_limit_is_shared),
		cmocka_unit_test(test_delays_are_caught_up_with),
		cmocka_unit_test(test_a_new_limit_counts_at_once),
		cmocka_unit_test(test_cancel_ends_the_wait),
	};

	unit_add(tests, NULL, NULL);
}
