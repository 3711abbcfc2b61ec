/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait, and when an outage is worth a line. */
#include <stdio.h>

#include "unit.h"

#include "upload/backoff.h"
#include "upload/outage.h"

static void test_ceiling_doubles_up_to_64_s(void **state)
{
	static const uint64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++)
		assert_int_equal(backoff_next_ms(&backoff, 0, UINT32_MAX), ceilings[i]);
	backoff.failures = UINT32_MAX;
	assert_int_equal(backoff_next_ms(&backoff, 0, UINT32_MAX), 64000);
}

static void test_jitter_is_full_but_never_nothing(void **state)
{
	struct backoff backoff = { .failures = 6 };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, 0, 0), 100);
	assert_in_range(backoff_next_ms(&backoff, 0, UINT32_MAX / 2), 31900, 32100);
}

static void test_the_servers_wish_is_a_floor(void **state)
{
	struct backoff backoff = { 0 };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, 5000, 0), 5100);
	assert_int_equal(backoff_next_ms(&backoff, 3600000, 0), 600100);
}

static void test_reset(void **state)
{
	struct backoff backoff = { .failures = 9 };

	(void)state;
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, 0, UINT32_MAX), 1000);
}

static void test_trouble_is_told_once_and_now_and_then(void **state)
{
	struct outage outage = { 0 };
	struct outage_worker one = { 0 }, two = { 0 };
	struct error err;
	char line[128];

	(void)state;
	error_set(&err, ERROR_TRANSIENT, "no route");
	assert_string_equal(outage_describe(&outage, 5000, line, sizeof line), "");
	assert_string_equal(line, "");
	assert_true(outage_failed(&outage, &one, 1000, &err));
	assert_false(outage_failed(&outage, &two, 2000, &err));
	for (int i = 3; i < 10; i++)
		assert_false(outage_failed(&outage, &one, 3000, &err));
	assert_true(outage_failed(&outage, &one, 4000, &err));
	assert_string_equal(outage_describe(&outage, 31000, line, sizeof line), "no route");
	assert_string_equal(line, "uploads failing since 30 s: no route");
	assert_string_equal(outage_describe(&outage, 121000, line, sizeof line), "no route");
	assert_string_equal(line, "uploads failing since 2 min: no route");

	/* It is over when the last worker is through. */
	assert_false(outage_worked(&outage, &one, 5000));
	assert_true(outage_worked(&outage, &two, 6000));
	assert_false(outage_worked(&outage, &two, 7000));
	assert_string_equal(outage_describe(&outage, 8000, line, sizeof line), "");
	assert_string_equal(line, "");
	assert_true(outage_failed(&outage, &two, 9000, &err));
}

static void test_an_idle_worker_believes_only_a_later_upload(void **state)
{
	struct outage outage = { 0 };
	struct outage_worker one = { 0 }, two = { 0 };
	struct error err;

	(void)state;
	error_set(&err, ERROR_TRANSIENT, "no route");
	assert_false(outage_idle(&outage, &one));
	assert_false(outage_worked(&outage, &two, 500));
	assert_true(outage_failed(&outage, &one, 1000, &err));
	assert_false(outage_idle(&outage, &one));
	assert_int_equal(outage.workers, 1);
	assert_false(outage_worked(&outage, &two, 2000));
	assert_true(outage_idle(&outage, &one));
	assert_int_equal(outage.workers, 0);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling_doubles_up_to_64_s),
		cmocka_unit_test(test_jitter_is_full_but_never_nothing),
		cmocka_unit_test(test_the_servers_wish_is_a_floor),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_trouble_is_told_once_and_now_and_then),
		cmocka_unit_test(test_an_idle_worker_believes_only_a_later_upload),
	};

	unit_add(tests, NULL, NULL);
}
