/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "base/mem.h"
#include "packet/packet.h"
#include "record/compressor.h"

struct step {
	unsigned free_percent;
	int level;
	bool is_first; /* the step below what is configured */
};

static void expect(struct compressor *compressor, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(compressor_adapt(compressor, steps[i].free_percent),
				 steps[i].is_first);
		assert_int_equal(compressor->level, steps[i].level);
	}
}

static void begin_with(struct compressor *compressor, const struct codec *codec, int level)
{
	compressor_choose(compressor, codec, level);
	compressor_begin(compressor);
}

/* Down to stored while the pool is low, unchanged in between, back up when most of it is free. */
static void test_level_follows_the_pool_with_hysteresis(void **state)
{
	static const struct step steps[] = {
		{ 100, 2, false },
		{ 25, 2, false },
		{ 24, 1, true },
		{ 20, 0, false },
		{ 0, CODEC_LEVEL_STORED, false },
		{ 0, CODEC_LEVEL_STORED, false },
		{ 25, CODEC_LEVEL_STORED, false },
		{ 75, CODEC_LEVEL_STORED, false },
		{ 76, 0, false },
		{ 75, 0, false },
		{ 100, 1, false },
		{ 10, 0, false }, /* it never was back at the top */
		{ 100, 1, false },
		{ 100, 2, false },
		{ 100, 2, false },
		{ 24, 1, true },
	};
	struct counters counters;
	struct compressor compressor;

	(void)state;
	counters_init(&counters);
	compressor_init(&compressor, &counters);
	begin_with(&compressor, &codec_gzip, 2);
	expect(&compressor, steps, ARRAY_LENGTH(steps));
	/* Chosen again for the next segment: it goes on below. Another level: that one. */
	begin_with(&compressor, &codec_gzip, 2);
	assert_int_equal(compressor.level, 1);
	begin_with(&compressor, &codec_gzip, 3);
	assert_int_equal(compressor.level, 3);
	begin_with(&compressor, &codec_none, 0);
	assert_false(compressor_adapt(&compressor, 0));
	assert_int_equal(compressor.level, 0);
	compressor_done(&compressor);
	counters_done(&counters);
}

/* Bytes and time are counted where they were spent. */
static void test_each_level_is_counted(void **state)
{
	static uint8_t bytes[CHUNK_BYTES];
	struct counters counters;
	struct compressor compressor;
	const struct level_counters *two, *stored;
	size_t length;

	(void)state;
	counters_init(&counters);
	compressor_init(&compressor, &counters);
	begin_with(&compressor, &codec_gzip, 2);
	two = compressor.counts;
	compressor_compress(&compressor, bytes, sizeof bytes, &length);
	assert_int_equal(counter_read(&two->bytes_before), sizeof bytes);
	assert_int_equal(counter_read(&two->bytes_after), length);
	assert_true(length < sizeof bytes / 100 && counter_read(&two->ns) > 0);
	for (int i = 0; i < 3; i++)
		compressor_adapt(&compressor, 0);
	stored = compressor.counts;
	assert_string_equal(stored->level, "stored");
	compressor_compress(&compressor, bytes, 1000, &length);
	assert_int_equal(counter_read(&stored->bytes_before), 1000);
	assert_true(counter_read(&stored->bytes_after) > 1000);
	assert_int_equal(counter_read(&two->bytes_before), sizeof bytes);
	/* Without a codec there is no copy either. */
	begin_with(&compressor, &codec_none, 0);
	assert_ptr_equal(compressor_compress(&compressor, bytes, 100, &length), bytes);
	assert_int_equal(length, 100);
	compressor_done(&compressor);
	counters_done(&counters);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_follows_the_pool_with_hysteresis),
		cmocka_unit_test(test_each_level_is_counted),
	};

	unit_add(tests, NULL, NULL);
}
