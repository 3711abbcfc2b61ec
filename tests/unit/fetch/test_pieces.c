/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "fetch/pieces.h"

static void test_neighbours_are_read_at_once(void **state)
{
	static const struct piece list[] = {
		{ .object = 1, .offset = 500000, .length = 1000, .earliest_ns = 50 },
		{ .object = 0, .offset = 0, .length = 1000, .earliest_ns = 40 },
		/* Just near enough, and with the earliest packet; one byte too far; too long together. */
		{ .object = 0, .offset = 1000 + 131072, .length = 1000, .earliest_ns = 30 },
		{ .object = 0, .offset = 2000 + 2 * 131072 + 1, .length = 9000, .earliest_ns = 60 },
		{ .object = 0,
		  .offset = 11000 + 2 * 131072 + 1,
		  .length = 200000,
		  .earliest_ns = 10 },
		/* All of an object is by itself. */
		{ .object = 2, .length = 0, .earliest_ns = 20 },
	};
	const struct object objects[] = { { .bytes = 1 << 20 },
					  { .bytes = 1 << 20 },
					  { .bytes = (5 << 20) / 2 } };
	struct pieces pieces = { .list = NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(list); i++)
		pieces_add(&pieces, &list[i]);
	pieces_sum(&pieces, objects);
	assert_int_equal(pieces.bytes, 212000 + (5 << 20) / 2);
	assert_int_equal(pieces.requests, 5 + 3);
	pieces_join(&pieces, 200000, 1 << 20);
	assert_int_equal(pieces.count, 5);
	assert_int_equal(pieces.bytes, 212000 + (5 << 20) / 2 + 131072);
	assert_int_equal(pieces.requests, 4 + 3);
	for (size_t i = 1; i < pieces.count; i++)
		assert_true(pieces.list[i - 1].earliest_ns < pieces.list[i].earliest_ns);
	assert_int_equal(pieces.list[2].object, 0);
	assert_int_equal(pieces.list[2].offset, 0);
	assert_int_equal(pieces.list[2].length, 2000 + 131072);
	assert_int_equal(pieces.list[2].earliest_ns, 30);
	pieces_done(&pieces);
}

/* An object that is a multiple of what is read at once needs no further request. */
static void test_requests_of_whole_objects(void **state)
{
	static const uint64_t bytes[] = { 0, 1, PIECES_PART_BYTES, PIECES_PART_BYTES + 1,
					  7 * PIECES_PART_BYTES };
	static const uint64_t requests[] = { 0, 1, 1, 2, 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bytes); i++) {
		const struct object object = { .bytes = bytes[i] };
		struct pieces pieces = { .list = NULL };

		pieces_add(&pieces, &(struct piece){ .length = 0 });
		pieces_sum(&pieces, &object);
		assert_int_equal(pieces.bytes, bytes[i]);
		assert_int_equal(pieces.requests, requests[i]);
		pieces_done(&pieces);
	}
}

/* What compresses well is not read at once, for it is not small when it waits. */
static void test_pieces_that_are_large_unpacked(void **state)
{
	const struct object object = { .bytes = 1 << 20 };
	struct pieces pieces = { .list = NULL };

	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		pieces_add(&pieces, &(struct piece){ .offset = 1000 * i,
						     .length = 1000,
						     .plain_bytes = 300000,
						     .earliest_ns = i });
	pieces_sum(&pieces, &object);
	pieces_join(&pieces, 200000, 1 << 20);
	assert_int_equal(pieces.count, 3);
	assert_int_equal(pieces.list[0].length, 3000);
	assert_int_equal(pieces.list[0].plain_bytes, 900000);
	assert_int_equal(pieces.list[2].length, 2000);
	assert_int_equal(pieces.requests, 3);
	pieces_done(&pieces);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbours_are_read_at_once),
		cmocka_unit_test(test_pieces_that_are_large_unpacked),
		cmocka_unit_test(test_requests_of_whole_objects),
	};

	unit_add(tests, NULL, NULL);
}
