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

	rotate_begin(&rotate, start_ns, 24);
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
	assert_int_equal(rotate_now(&rotate, NOON + 1000000 * S, LATENT), ROTATE_NOT_DUE);
	assert_true(rotate_wait_ns(&rotate, NOON, LATENT) == UINT64_MAX);
}

static void test_timer_waits_for_packets_still_in_the_ring(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON);

	(void)state;
	assert_true(rotate_wait_ns(&rotate, NOON, LATENT) == 300 * S + LATENT);
	assert_int_equal(rotate_now(&rotate, NOON + 300 * S, LATENT), ROTATE_NOT_DUE);
	assert_int_equal(rotate_now(&rotate, NOON + 300 * S + LATENT, LATENT), ROTATE_TIME);
	assert_true(rotate_wait_ns(&rotate, NOON + 301 * S, LATENT) == 0);
}

static void test_clock_set_back_ends_the_segment(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON + 10 * S);

	(void)state;
	rotate_seen(&rotate, NOON + 100 * S);
	/* Packets of several CPUs are a little out of order. */
	assert_int_equal(rotate_before_packet(&rotate, NOON + 100 * S - ROTATE_SET_BACK_NS),
			 ROTATE_NOT_DUE);
	assert_int_equal(rotate_before_packet(&rotate, NOON + 100 * S - ROTATE_SET_BACK_NS - 1),
			 ROTATE_SET_BACK);
	assert_int_equal(rotate_now(&rotate, NOON + 98 * S, LATENT), ROTATE_SET_BACK);
	assert_true(rotate_wait_ns(&rotate, NOON - 3600 * S, LATENT) == 0);
	assert_true(rotate_next_start(&rotate, NOON - 3600 * S) == NOON - 3600 * S);
	/* An earlier packet does not put the mark back, and one beyond the boundary is not of it. */
	rotate_seen(&rotate, NOON + 99 * S);
	rotate_seen(&rotate, NOON + 9999 * S);
	assert_true(rotate.latest_ns == NOON + 100 * S);
	/* Without an age limit, too. */
	rotate = begin(1000, 0, NOON);
	assert_int_equal(rotate_before_packet(&rotate, NOON - 2 * S), ROTATE_SET_BACK);
	/* In 1970, where there is nothing below the floor. */
	rotate = begin(1000, 300, 0);
	assert_int_equal(rotate_before_packet(&rotate, 0), ROTATE_NOT_DUE);
	assert_int_equal(rotate_before_packet(&rotate, 300 * S), ROTATE_TIME);
}

static void test_clock_set_forward(void **state)
{
	struct rotate rotate = begin(1000, 300, NOON);

	(void)state;
	assert_int_equal(rotate_now(&rotate, NOON + 7200 * S, LATENT), ROTATE_TIME);
	assert_true(rotate_next_start(&rotate, NOON + 7200 * S) == NOON + 7200 * S);
}

/*
 * A day of packets, two a second with pauses, read from the ring late, under a clock that is set again and
 * again: by how much, at which second.
 */
struct step {
	unsigned at_s;
	int64_t by_ns;
};

struct walk {
	struct rotate rotate;
	uint64_t interval_ns;
	uint64_t last_packet_ns; /* in the segment; 0: none */
	unsigned segments, aligned, set_back;
	uint64_t begun_at_ns, longest_ns; /* monotonic */
};

static void end(struct walk *walk, enum rotate_cause cause, uint64_t now_ns, uint64_t monotonic_ns)
{
	uint64_t next_ns = cause == ROTATE_TIME ? rotate_next_start(&walk->rotate, now_ns) : now_ns;

	walk->segments++;
	walk->set_back += cause == ROTATE_SET_BACK;
	walk->aligned += cause == ROTATE_TIME && walk->rotate.boundary_ns % walk->interval_ns == 0;
	if (monotonic_ns - walk->begun_at_ns > walk->longest_ns)
		walk->longest_ns = monotonic_ns - walk->begun_at_ns;
	walk->begun_at_ns = monotonic_ns;
	walk->last_packet_ns = 0;
	rotate_begin(&walk->rotate, next_ns, 24);
	assert_true(walk->rotate.boundary_ns % walk->interval_ns == 0);
	assert_true(walk->rotate.boundary_ns - next_ns <= walk->interval_ns);
}

static void take_packet(struct walk *walk, uint64_t packet_ns, uint64_t monotonic_ns)
{
	enum rotate_cause cause = rotate_before_packet(&walk->rotate, packet_ns);

	if (cause != ROTATE_NOT_DUE)
		end(walk, cause, packet_ns, monotonic_ns);
	/* A segment holds packets of its interval, and its times only grow. */
	assert_true(packet_ns < walk->rotate.boundary_ns);
	assert_true(packet_ns + ROTATE_SET_BACK_NS >= walk->rotate.start_ns);
	assert_true(packet_ns + ROTATE_SET_BACK_NS >= walk->last_packet_ns);
	if (packet_ns > walk->last_packet_ns)
		walk->last_packet_ns = packet_ns;
}

static struct walk walk_a_day(const struct step *steps, size_t count)
{
	struct walk walk = { .rotate = begin(1000, 300, NOON), .interval_ns = 300 * S };
	uint64_t offset_ns = NOON, in_ring = 0;

	for (unsigned second = 0; second < 86400; second++) {
		uint64_t monotonic_ns = second * S, now_ns;
		enum rotate_cause cause;

		for (size_t i = 0; i < count; i++)
			if (steps[i].at_s == second)
				offset_ns += (uint64_t)steps[i].by_ns;
		now_ns = offset_ns + monotonic_ns;
		if (in_ring) /* received 250 ms ago, before the clock was set if it was */
			take_packet(&walk, in_ring, monotonic_ns);
		if (second % 3600 < 1800) { /* then half an hour without any */
			take_packet(&walk, now_ns, monotonic_ns);
			rotate_seen(&walk.rotate, walk.last_packet_ns);
			in_ring = now_ns + 750 * S / 1000;
		} else {
			in_ring = 0;
		}
		cause = rotate_now(&walk.rotate, now_ns, LATENT);
		if (cause != ROTATE_NOT_DUE)
			end(&walk, cause, now_ns, monotonic_ns);
	}
	return walk;
}

static void test_steady_clock(void **state)
{
	struct walk walk = walk_a_day(NULL, 0);

	(void)state;
	assert_int_equal(walk.segments, 86400 / 300 - 1);
	assert_int_equal(walk.aligned, walk.segments);
	assert_int_equal(walk.set_back, 0);
}

static void test_clock_steps_in_both_directions(void **state)
{
	static const struct step steps[] = {
		{ 1000, 3600 * (int64_t)S },
		{ 5000, -3600 * (int64_t)S },
		{ 7300, 5 * (int64_t)S },
		{ 7400, -5 * (int64_t)S },
		{ 11000, 299 * (int64_t)S },
		{ 14500, -299 * (int64_t)S },
		{ 20000, 86400 * (int64_t)S },
		{ 40000, -2 * 86400 * (int64_t)S },
		/* Too small to be told from packets out of order, and between segments. */
		{ 50500, -(int64_t)S / 2 },
		{ 54300, -(int64_t)S / 2 },
	};
	struct walk walk = walk_a_day(steps, ARRAY_LENGTH(steps));

	(void)state;
	/* Each step costs or gives a few segments, and there is neither a burst nor a standstill. */
	assert_in_range(walk.segments, 86400 / 300 - 2, 86400 / 300 + 2 * ARRAY_LENGTH(steps));
	assert_in_range(walk.set_back, 3, ARRAY_LENGTH(steps));
	assert_int_equal(walk.aligned + walk.set_back, walk.segments);
	assert_true(walk.longest_ns <= 302 * S);
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
	assert_int_equal(rotate_now(&rotate, NOON + 7 * S, LATENT), ROTATE_NOT_DUE);
	assert_int_equal(rotate_now(&rotate, NOON + 7 * S + LATENT, LATENT), ROTATE_TIME);
	assert_true(rotate_next_start(&rotate, NOON + 8 * S) == NOON + 7 * S);
	/* A later cut does not put it off, and the next segment knows nothing of it. */
	rotate_cut(&rotate, NOON + 9 * S, "reload");
	assert_true(rotate.boundary_ns == NOON + 7 * S);
	rotate_begin(&rotate, NOON + 7 * S, 24);
	assert_true(rotate.boundary_ns == UINT64_MAX);
	/* A segment that is full before the cut is reached leaves it to the next one. */
	rotate_cut(&rotate, NOON + 9 * S, "signal");
	rotate_begin(&rotate, NOON + 8 * S, 24);
	assert_true(rotate.boundary_ns == NOON + 9 * S);
	assert_string_equal(rotate.boundary_reason, "signal");
	rotate_begin(&rotate, NOON + 9 * S, 24);
	assert_true(rotate.boundary_ns == UINT64_MAX);
	rotate_begin(&rotate, NOON + 7 * S, 24);
	/* The clock was set back just before: at the first packet that comes. */
	rotate_cut(&rotate, NOON - 3600 * S, "signal");
	assert_int_equal(rotate_before_packet(&rotate, NOON + 7 * S), ROTATE_TIME);
	assert_int_equal(rotate_before_packet(&rotate, NOON - 3600 * S), ROTATE_SET_BACK);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_as_tcpdump_has_it),
		cmocka_unit_test(test_age_is_aligned_to_utc),
		cmocka_unit_test(test_no_age_limit),
		cmocka_unit_test(test_timer_waits_for_packets_still_in_the_ring),
		cmocka_unit_test(test_clock_set_back_ends_the_segment),
		cmocka_unit_test(test_clock_set_forward),
		cmocka_unit_test(test_steady_clock),
		cmocka_unit_test(test_clock_steps_in_both_directions),
		cmocka_unit_test(test_cut_at_a_time),
		cmocka_unit_test(test_new_limits_hold_for_the_current_segment),
	};

	unit_add(tests, NULL, NULL);
}
