/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "base/mem.h"
#include "packet/packet.h"
#include "segment/codec.h"

static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd };

/* Compressible, then not at all, then one byte, then nothing. */
static void fill(uint8_t *bytes, size_t length, bool is_random)
{
	if (is_random) {
		unit_random(bytes, length);
		return;
	}
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i % 96 < 60 ? i % 96 : i / 977);
}

static void test_every_level_gives_back_what_it_took(void **state)
{
	static const size_t lengths[] = { 24, 1, 0, 65535, 65536, 131070, CHUNK_BYTES };
	cleanup_free uint8_t *plain = mem_alloc(CHUNK_BYTES), *back = mem_alloc(CHUNK_BYTES);

	(void)state;
	for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++) {
		const struct codec *codec = codecs[c];
		struct codec_state *codec_state = codec_state_new(codec);
		cleanup_free uint8_t *packed = mem_alloc(codec->bound(CHUNK_BYTES));
		int level = codec->level_max;

		for (;;) {
			for (size_t i = 0; i < ARRAY_LENGTH(lengths) * 2; i++) {
				size_t length = lengths[i / 2], used, back_length;

				fill(plain, length, i & 1);
				used = codec->compress(codec_state, level, plain, length, packed,
						       codec->bound(length));
				assert_true(used > 0 && used <= codec->bound(length));
				assert_int_equal(codec->decompress(codec_state, packed, used, back,
								   CHUNK_BYTES, &back_length),
						 used);
				assert_int_equal(back_length, length);
				assert_memory_equal(back, plain, length);
			}
			if (level == CODEC_LEVEL_STORED)
				break;
			level = codec_level_down(codec, level);
		}
		codec_state_free(codec, codec_state);
	}
}

/* Members one after the other: each is found, and a cut one is not taken for a whole one. */
static void test_members_end_where_they_end(void **state)
{
	cleanup_free uint8_t *plain = mem_alloc(CHUNK_BYTES), *back = mem_alloc(CHUNK_BYTES);

	(void)state;
	fill(plain, 5000, false);
	for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++) {
		const struct codec *codec = codecs[c];
		struct codec_state *codec_state = codec_state_new(codec);
		cleanup_free uint8_t *packed = mem_alloc(3 * codec->bound(5000));
		size_t first, all, got;

		first = codec->compress(codec_state, codec->level_default, plain, 5000, packed,
					codec->bound(5000));
		all = first + codec->compress(codec_state, CODEC_LEVEL_STORED, plain, 3000,
					      packed + first, codec->bound(3000));
		assert_int_equal(
			codec->decompress(codec_state, packed, all, back, CHUNK_BYTES, &got),
			first);
		assert_int_equal(got, 5000);
		for (size_t cut = 0; cut < first; cut++)
			assert_int_equal(codec->decompress(codec_state, packed, cut, back,
							   CHUNK_BYTES, &got),
					 0);
		/* A bit that fell over is noticed, and what would not fit is refused. */
		packed[first / 2] ^= 0x10;
		assert_int_equal(
			codec->decompress(codec_state, packed, all, back, CHUNK_BYTES, &got), 0);
		assert_int_equal(codec->decompress(codec_state, packed + first, all - first, back,
						   2999, &got),
				 0);
		codec_state_free(codec, codec_state);
	}
}

/* What everybody's gzip makes of it. */
static void test_gzip_reads_our_members(void **state)
{
	cleanup_free uint8_t *plain = mem_alloc(200000);
	cleanup_free uint8_t *packed = mem_alloc(codec_gzip.bound(200000));
	struct codec_state *codec_state = codec_state_new(&codec_gzip);
	FILE *gzip = popen("gzip -t", "w");

	(void)state;
	if (!gzip)
		skip();
	fill(plain, 200000, false);
	for (int level = 3; level >= 0; level--) {
		size_t used = codec_gzip.compress(codec_state, level, plain, 200000, packed,
						  codec_gzip.bound(200000));

		assert_int_equal(fwrite(packed, 1, used, gzip), used);
	}
	assert_int_equal(pclose(gzip), 0);
	codec_state_free(&codec_gzip, codec_state);
}

static void test_levels_go_down_to_stored_and_up_again(void **state)
{
	int level = 19;

	(void)state;
	for (int i = 0; i < 5; i++)
		level = codec_level_down(&codec_zstd, level);
	assert_int_equal(level, CODEC_LEVEL_STORED);
	assert_int_equal(codec_level_down(&codec_zstd, level), CODEC_LEVEL_STORED);
	for (int i = 0; i < 6; i++)
		level = codec_level_up(&codec_zstd, level, 19);
	assert_int_equal(level, 19);
	assert_int_equal(codec_level_down(&codec_gzip, 2), 1);
	assert_int_equal(codec_level_down(&codec_gzip, 1), 0);
	assert_int_equal(codec_level_down(&codec_gzip, 0), CODEC_LEVEL_STORED);
	assert_int_equal(codec_level_up(&codec_gzip, CODEC_LEVEL_STORED, 2), 0);
	assert_int_equal(codec_level_up(&codec_gzip, 0, 2), 1);
	assert_int_equal(codec_level_up(&codec_gzip, 1, 2), 2);
	assert_int_equal(codec_level_up(&codec_gzip, 2, 2), 2);
	assert_int_equal(codec_level_down(&codec_none, 0), CODEC_LEVEL_STORED);
}

static void test_names_and_levels_in_the_configuration(void **state)
{
	static const struct {
		const char *value;
		const struct codec *codec;
		int level;
	} good[] = {
		{ "true", &codec_gzip, 2 },   { "gzip", &codec_gzip, 2 },
		{ "gzip:0", &codec_gzip, 0 }, { "true:3", &codec_gzip, 3 },
		{ "zstd", &codec_zstd, 1 },   { "zstd:19", &codec_zstd, 19 },
		{ "false", &codec_none, 0 },  { "none", &codec_none, 0 },
	};
	static const char *const bad[] = { "",        "yes",    "gzip:",   "gzip:4",
					   "gzip:-1", "zstd:0", "zstd:20", "none:1",
					   "lz4",     "gzip2",  "gzip:1x", ":1" };
	struct conf conf = { 0 };
	const struct codec *codec;
	struct error err;
	int level;

	(void)state;
	conf.source[CONF_segment_compression] = CONF_SOURCE_COMMAND_LINE;
	conf.origin[CONF_segment_compression] = (char *)(uintptr_t) "-c";
	for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
		conf.segment_compression = (char *)(uintptr_t)good[i].value;
		assert_int_equal(codec_choose(&conf, &codec, &level, &err), 0);
		assert_ptr_equal(codec, good[i].codec);
		assert_int_equal(level, good[i].level);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		conf.segment_compression = (char *)(uintptr_t)bad[i];
		assert_int_equal(codec_choose(&conf, &codec, &level, &err), -1);
		assert_non_null(strstr(err.message, "-c: "));
	}
}

static void test_codecs_are_known_by_their_extension(void **state)
{
	(void)state;
	assert_ptr_equal(codec_of_name("a.pcap.gz"), &codec_gzip);
	assert_ptr_equal(codec_of_name("a.pcap.zst"), &codec_zstd);
	assert_ptr_equal(codec_of_name("a.pcap"), &codec_none);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_level_gives_back_what_it_took),
		cmocka_unit_test(test_members_end_where_they_end),
		cmocka_unit_test(test_gzip_reads_our_members),
		cmocka_unit_test(test_levels_go_down_to_stored_and_up_again),
		cmocka_unit_test(test_names_and_levels_in_the_configuration),
		cmocka_unit_test(test_codecs_are_known_by_their_extension),
	};

	unit_add(tests, NULL, NULL);
}
