/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of an object, where its index or its metadata say strange things. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/plan.h"
#include "memory_sink.h"
#include "segment/deflate.h"

#define START_S INT64_C(1795442400) /* 2026-11-23T14:00:00Z */
#define NAME    "a/a_20261123T140000.000Z_eth0_00000001.pcap.gz"

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

struct fixture {
	struct memory memory;
	struct window window;
	struct match *match;
	struct coverage *coverage;
	struct listing listing;
	struct source source;
	struct object object, objects[3];
	struct plan plan;
	struct error err;
	bool has_filter;
	uint8_t *index;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	memory_open(&fixture->memory);
	fixture->window = (struct window){ START_S * CLOCK_NS_PER_S,
					   (START_S + 60) * CLOCK_NS_PER_S };
	fixture->coverage = coverage_new(&fixture->window, clock_real_ns());
	fixture->source = (struct source){ (char *)"a", (char *)"eth0" };
	fixture->object = (struct object){ .name = (char *)NAME,
					   .version = (char *)"1",
					   .start_ns = START_S * CLOCK_NS_PER_S };
	fixture->listing = (struct listing){ .objects = &fixture->object,
					     .count = 1,
					     .sources = &fixture->source,
					     .sources_count = 1 };
	*state = fixture;
	return match_open("", false, &fixture->match, &fixture->err);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	plan_free(&fixture->plan);
	match_close(fixture->match);
	coverage_free(fixture->coverage);
	memory_close(&fixture->memory);
	free(fixture->index);
	free(fixture);
	return 0;
}

/* Put an object with members of this length, the n-th of which has a packet at the second n % 60, or 59 - n. */
static void put_members(struct fixture *fixture, unsigned members, uint64_t stored_bytes,
			bool is_backward)
{
	const struct index_file about = { .wrapping = INDEX_GZIP, .link_type = 1, .snaplen = 96 };
	struct memory_object *object = memory_add(&fixture->memory, "%s", NAME);
	struct index_pool pool;
	struct index *index;
	const uint8_t *bytes;
	size_t tail;

	index_pool_init(&pool, INDEX_POOL_BYTES);
	index = index_new(&pool, &library, &about);
	for (unsigned i = 0; i < members; i++) {
		int64_t time = (START_S + (is_backward ? 59 - i : i) % 60) * 1000000;

		index_add(index,
			  &(struct index_member){ .stored_bytes = stored_bytes,
						  .plain_bytes = stored_bytes,
						  .packets = 1,
						  .earliest = time,
						  .latest = time },
			  NULL);
	}
	object->tail_bytes = index_finish(index, "", &bytes, &tail);
	assert_true(object->tail_bytes > 0);
	fixture->index = mem_alloc(object->tail_bytes);
	memcpy(fixture->index, bytes, object->tail_bytes);
	object->tail = fixture->index;
	object->bytes = index_data_bytes(index) + object->tail_bytes;
	fixture->object.bytes = object->bytes;
	index_free(index);
}

static void put_object(struct fixture *fixture, unsigned members, uint64_t stored_bytes)
{
	put_members(fixture, members, stored_bytes, false);
}

static const struct planned *make_plan(struct fixture *fixture)
{
	const struct plan_order order = { .bucket = &fixture->memory.bucket,
					  .listing = &fixture->listing,
					  .window = &fixture->window,
					  .match = fixture->match,
					  .has_filter = fixture->has_filter,
					  .threads = 3 };

	assert_int_equal(plan_make(&order, fixture->coverage, &fixture->plan, &fixture->err), 0);
	return fixture->plan.objects;
}

static void members_of_the_window(void **state)
{
	struct fixture *fixture = *state;
	const struct planned *planned;

	put_object(fixture, 120, 1000);
	fixture->window.from_ns += 10 * CLOCK_NS_PER_S;
	fixture->window.to_ns -= 40 * CLOCK_NS_PER_S;
	planned = make_plan(fixture);
	assert_int_equal(planned->state, PLANNED_MEMBERS);
	assert_int_equal(planned->wanted, 20);
	assert_int_equal(planned->earliest_ns, fixture->window.from_ns);
}

/* Of all members of a piece, the earliest counts: what is written waits for it. */
static void members_in_no_order(void **state)
{
	struct fixture *fixture = *state;

	put_members(fixture, 60, 1000, true);
	(void)make_plan(fixture);
	assert_int_equal(fixture->plan.pieces.count, 1);
	assert_int_equal(fixture->plan.pieces.list[0].earliest_ns, START_S * CLOCK_NS_PER_S);
}

/* Members that may have other keys than those listed, and those of no group, are read whatever the filter is. */
static void unlisted_members(void **state)
{
	struct fixture *fixture = *state;

	match_close(fixture->match);
	assert_int_equal(match_open("host 1.2.3.4", false, &fixture->match, &fixture->err), 0);
	fixture->has_filter = true;
	put_object(fixture, 60, 1000);
	assert_int_equal(make_plan(fixture)->state, PLANNED_MEMBERS);
	assert_int_equal(fixture->plan.objects[0].wanted, 60);
}

/* Each takes most of the memory that there is for all: they are looked at one after the other. */
static void large_indexes(void **state)
{
	struct fixture *fixture = *state;

	put_object(fixture, 1000000, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(fixture->objects); i++)
		fixture->objects[i] = fixture->object;
	fixture->listing.objects = fixture->objects;
	fixture->listing.count = ARRAY_LENGTH(fixture->objects);
	(void)make_plan(fixture);
	for (size_t i = 0; i < ARRAY_LENGTH(fixture->objects); i++) {
		assert_int_equal(fixture->plan.objects[i].state, PLANNED_MEMBERS);
		assert_int_equal(fixture->plan.objects[i].wanted, 1000000);
	}
}

/* No member of ours is so long: whoever says so is not to be believed, and nothing is passed over. */
static void members_that_are_too_long(void **state)
{
	static const uint64_t lengths[] = { UINT64_C(17) << 20, UINT64_C(5) << 30,
					    UINT64_C(1) << 40 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
		if (i > 0) {
			assert_int_equal(teardown(state), 0);
			assert_int_equal(setup(state), 0);
			fixture = *state;
		}
		put_object(fixture, 3, lengths[i]);
		assert_int_equal(make_plan(fixture)->state, PLANNED_WHOLE);
		assert_int_equal(fixture->plan.pieces.count, 1);
		assert_int_equal(fixture->plan.pieces.list[0].length, 0);
	}
}

/* Nor is a time at the end of all times before the window. */
static void metadata_with_times_beyond_all_times(void **state)
{
	struct fixture *fixture = *state;

	put_object(fixture, 3, 1000);
	fixture->object.has_metadata = true;
	fixture->object.earliest_ns = START_S * CLOCK_NS_PER_S;
	fixture->object.latest_ns = UINT64_MAX;
	assert_int_equal(make_plan(fixture)->state, PLANNED_MEMBERS);
}

/* What metadata say of the index is a hint: memory is not taken for it. */
static void metadata_with_a_large_index(void **state)
{
	struct fixture *fixture = *state;

	put_object(fixture, 3, UINT64_C(4) << 20);
	fixture->object.index_tail_bytes = 7 << 20;
	assert_int_equal(make_plan(fixture)->state, PLANNED_MEMBERS);
	assert_in_range(atomic_load(&fixture->memory.longest_read), 1, 256 << 10);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(members_of_the_window, setup, teardown),
		cmocka_unit_test_setup_teardown(members_in_no_order, setup, teardown),
		cmocka_unit_test_setup_teardown(unlisted_members, setup, teardown),
		cmocka_unit_test_setup_teardown(large_indexes, setup, teardown),
		cmocka_unit_test_setup_teardown(members_that_are_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(metadata_with_times_beyond_all_times, setup,
						teardown),
		cmocka_unit_test_setup_teardown(metadata_with_a_large_index, setup, teardown),
	};

	unit_add(tests, NULL, NULL);
}
