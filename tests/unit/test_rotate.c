/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "capture/rotate.h"

#define S      CLOCK_NS_PER_S
#define NOON   (UINT64_C(1700000000) / 300 * 300 * S) /* on a boundary of 300 s */
#define LATENT (S / 2)

static struct rotate begin(uint64_t bytes, uint64_t interval_s, uint64_t start_ns)
{
	struct rotate rotate = { .limits = { bytes, interval_s * S } };

	rotate_begin(&rotate, start_ns, 1000 * S, 24);
	return rotate;
}

/* tcpdump 4.99 writes as long as the bytes before the packet do not exceed the limit. */
static void test_size_as_tcpdump_has_it(void **state)
{
	struct rotate rotate = begin(1000, 0, NOON);

	(void)state;
	assert_int_equal(rotate_before_packet(&rotate, NOON), ROTATE_NOT_DUE);
	rotate.bytes = 1000;
	assert_int_equal(rotate_before_packet(&rotate, NOON), ROTATE_NOT_DUE);
	rotate.bytes = 1001;
	assert_int_equal(rotate_before_packet(&rotate, NOON), ROTATE_SIZE);
}

static void test_age_is_aligned_to_utc(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON + 123 * S);

	(void)state;
	assert_int_equal(rotate_before_packet(&rotate, NOON + 300 * S - 1), ROTATE_NOT_DUE);
	assert_int_equal(rotate_before_packet(&rotate, NOON + 300 * S), ROTATE_TIME);
	assert_true(rotate_next_start(&rotate, NOON + 300 * S + 5) == NOON + 300 * S);
	/* On a boundary, it is the next one that counts. */
	rotate = begin(1000, 300, NOON);
	assert_int_equal(rotate_before_packet(&rotate, NOON + 299 * S), ROTATE_NOT_DUE);
	/* Both due: the time names the reason. */
	rotate.bytes = 5000;
	assert_int_equal(rotate_before_packet(&rotate, NOON + 300 * S), ROTATE_TIME);
}

static void test_no_age_limit(void **state)
{
	struct rotate rotate = begin(1000, 0, NOON);

	(void)state;
	assert_int_equal(rotate_before_packet(&rotate, NOON + 1000000 * S), ROTATE_NOT_DUE);
	assert_false(rotate_is_over(&rotate, NOON + 1000000 * S, 1000000 * S, LATENT));
	assert_true(rotate_wait_ns(&rotate, NOON, LATENT) == UINT64_MAX);
}

static void test_timer_waits_for_packets_still_in_the_ring(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON);

	(void)state;
	assert_true(rotate_wait_ns(&rotate, NOON, LATENT) == 300 * S + LATENT);
	assert_false(rotate_is_over(&rotate, NOON + 300 * S, 1300 * S, LATENT));
	assert_true(rotate_is_over(&rotate, NOON + 300 * S + LATENT, 1300 * S, LATENT));
	assert_true(rotate_wait_ns(&rotate, NOON + 301 * S, LATENT) == 0);
}

static void test_clock_set_back_does_not_keep_a_segment_open(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON);

	(void)state;
	assert_false(rotate_is_over(&rotate, NOON - 3600 * S, 1300 * S, LATENT));
	assert_true(rotate_is_over(&rotate, NOON - 3600 * S, 1301 * S, LATENT));
	assert_true(rotate_next_start(&rotate, NOON - 3600 * S) == NOON - 3600 * S);
}

static void test_clock_set_forward(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON);

	(void)state;
	assert_true(rotate_is_over(&rotate, NOON + 7200 * S, 1001 * S, LATENT));
	assert_true(rotate_next_start(&rotate, NOON + 7200 * S) == NOON + 7200 * S);
}

static void test_new_limits_hold_for_the_current_segment(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON + S);

	(void)state;
	rotate_set_limits(&rotate, (struct rotate_limits){ 10, 60 * S });
	assert_int_equal(rotate_before_packet(&rotate, NOON + 59 * S), ROTATE_SIZE);
	assert_int_equal(rotate_before_packet(&rotate, NOON + 60 * S), ROTATE_TIME);
}

static void test_cut_at_a_time(void **state)
{
	struct rotate rotate = begin(1000, 0, NOON);

	(void)state;
	assert_string_equal(rotate.boundary_reason, "age");
	rotate_cut(&rotate, NOON + 7 * S, "signal");
	/* What was received before is still of this segment, what comes later is not. */
	assert_int_equal(rotate_before_packet(&rotate, NOON + 7 * S - 1), ROTATE_NOT_DUE);
	assert_int_equal(rotate_before_packet(&rotate, NOON + 7 * S), ROTATE_TIME);
	assert_string_equal(rotate.boundary_reason, "signal");
	assert_true(rotate_wait_ns(&rotate, NOON + 7 * S, LATENT) == LATENT);
	assert_false(rotate_is_over(&rotate, NOON + 7 * S, 1007 * S, LATENT));
	assert_true(rotate_is_over(&rotate, NOON + 7 * S + LATENT, 1008 * S, LATENT));
	assert_true(rotate_next_start(&rotate, NOON + 8 * S) == NOON + 7 * S);
	/* A later cut does not put it off, and the next segment knows nothing of it. */
	rotate_cut(&rotate, NOON + 9 * S, "reload");
	assert_true(rotate.boundary_ns == NOON + 7 * S);
	rotate_begin(&rotate, NOON + 7 * S, 1007 * S, 24);
	assert_true(rotate.boundary_ns == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_as_tcpdump_has_it),
		cmocka_unit_test(test_age_is_aligned_to_utc),
		cmocka_unit_test(test_no_age_limit),
		cmocka_unit_test(test_timer_waits_for_packets_still_in_the_ring),
		cmocka_unit_test(test_clock_set_back_does_not_keep_a_segment_open),
		cmocka_unit_test(test_clock_set_forward),
		cmocka_unit_test(test_cut_at_a_time),
		cmocka_unit_test(test_new_limits_hold_for_the_current_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
