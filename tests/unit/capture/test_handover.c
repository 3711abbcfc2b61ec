/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "capture/handover.h"

#define MS CLOCK_NS_PER_MS

/*
 * A packet each 10 ms for two seconds, of which the first ones came before both sides emptied their rings, and the
 * instant is 50 ms later; at some packet the clock is set by step_ms. Both sides read everything later, as after a
 * stall. Returns how many packets belonged to both or to neither.
 */
static unsigned count_wrong(unsigned step_at, int64_t step_ms)
{
	const uint64_t start_ns = 1700000000 * CLOCK_NS_PER_S, decided_ns = start_ns + 500 * MS,
		       instant_ns = decided_ns + 50 * MS, reference_ns = decided_ns - 370 * MS;
	struct handover old = { .is_over = false }, new = { .has_begun = false };
	unsigned wrong = 0;

	for (unsigned i = 30; i < 200; i++) {
		uint64_t packet_ns = start_ns + i * 10 * MS;

		if (i >= step_at)
			packet_ns += (uint64_t)(step_ms * (int64_t)MS);
		wrong += handover_is_over(&old, reference_ns, instant_ns, packet_ns) !=
			 handover_has_begun(&new, reference_ns, instant_ns, packet_ns);
	}
	return wrong;
}

static void test_each_packet_belongs_to_one(void **state)
{
	static const int64_t steps_ms[] = { 0, 10, 3600000, -50, -200, -1000, -5000, -3600000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(steps_ms); i++)
		for (unsigned at = 50; at < 200; at++)
			if (count_wrong(at, steps_ms[i]) > 0)
				fail_msg("%u packets: step of %d ms at %u",
					 count_wrong(at, steps_ms[i]), (int)steps_ms[i], at);
}

/* What waited in the old ring for long is its own. */
static void test_a_backlog_is_not_a_clock_set_back(void **state)
{
	const uint64_t reference_ns = 99 * CLOCK_NS_PER_S, until_ns = 130 * CLOCK_NS_PER_S;
	struct handover old = { .is_over = false };

	(void)state;
	for (uint64_t ns = reference_ns; ns < until_ns; ns += MS)
		assert_false(handover_is_over(&old, reference_ns, until_ns, ns));
	assert_true(handover_is_over(&old, reference_ns, until_ns, until_ns));
	assert_false(handover_is_over(&old, reference_ns, until_ns, until_ns - MS));
	assert_true(handover_is_over(&old, reference_ns, until_ns, reference_ns - 1));
	assert_true(handover_is_over(&old, reference_ns, until_ns, until_ns - MS));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_belongs_to_one),
		cmocka_unit_test(test_a_backlog_is_not_a_clock_set_back),
	};

	unit_add(tests, NULL, NULL);
}
