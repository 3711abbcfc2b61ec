/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "capture/capture.h"

/* One capture reads whole time stamps, the other one microseconds: a packet belongs to exactly one of them. */
static void test_both_precisions_agree_on_the_instant(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S;

	(void)state;
	for (uint64_t past_ns = 0; past_ns < 3000; past_ns += 7) {
		uint64_t instant_ns = capture_next_instant(now_ns + past_ns);

		for (uint64_t ns = instant_ns - 2500; ns < instant_ns + 2500; ns++)
			assert_int_equal(ns / 1000 * 1000 < instant_ns, ns < instant_ns);
	}
}

static void test_the_instant_is_ahead(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S + 123456789;
	uint64_t ahead_ns = capture_next_instant(now_ns) - now_ns;

	(void)state;
	assert_true(ahead_ns >= 50 * CLOCK_NS_PER_MS && ahead_ns < 51 * CLOCK_NS_PER_MS);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_precisions_agree_on_the_instant),
		cmocka_unit_test(test_the_instant_is_ahead),
	};

	unit_add(tests, NULL, NULL);
}
