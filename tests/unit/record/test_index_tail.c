/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an index is at the end of a file: pieces, and nothing else, however they were cut off. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/mem.h"
#include "record/index_tail.h"

#define MEMBER 50 /* bytes of something before */

static const uint8_t gzip_piece[] = { 0x1f, 0x8b, 8,   4, 0, 0, 0, 0, 0, 3, 8, 0, 'K', 'N', 4,
				      0,    'k',  'n', 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,   0,   0 };
static const uint8_t zstd_piece[] = { 0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'k', 'n', 1, 2 };

/* p: a piece, /: the first bytes of one, 0: a block of zeros, x: something else. */
static const struct {
	const char *name, *content;
	int is_index;
} tail_cases[] = {
	{ "nothing", "", 0 },
	{ "a piece", "p", 1 },
	{ "pieces", "ppp", 1 },
	{ "the beginning of one is not enough", "/", 0 },
	{ "a piece, and the beginning of one", "pp/", 1 },
	{ "something else", "x", 0 },
	{ "a piece and something else", "px", 0 },
	{ "something else between pieces", "pxp", 0 },
	{ "a piece and zeros", "p0", 1 },
	{ "a piece, the beginning of one, and zeros", "p/00", 1 },
	{ "zeros", "0", 0 },
	{ "zeros, and a piece", "0p", 0 },
	{ "something behind the zeros", "p00x", 0 },
	{ "something behind the beginning of one", "p/x", 0 },
	{ "something behind that and zeros", "p/00x", 0 },
};

static int look(const char *content, const uint8_t *piece, size_t piece_bytes, size_t cut,
		enum index_wrapping wrapping, bool is_stopping)
{
	static const uint8_t zeros[4096];
	static const uint8_t other[40] = "something else, and none of it is a zero";
	cleanup_fclose FILE *file = tmpfile();
	const atomic_bool stopping = is_stopping;
	size_t length = MEMBER;
	struct error err;

	assert_non_null(file);
	assert_int_equal(fwrite(zeros, 1, MEMBER, file), MEMBER);
	for (const char *p = content; *p; p++) {
		const uint8_t *bytes = *p == '0' ? zeros : *p == 'x' ? other : piece;
		size_t part = *p == '0'   ? sizeof zeros
			      : *p == 'x' ? sizeof other
			      : *p == '/' ? 3
					  : piece_bytes;

		assert_int_equal(fwrite(bytes, 1, part, file), part);
		length += part;
	}
	assert_int_equal(fflush(file), 0);
	assert_int_equal(ftruncate(fileno(file), (off_t)(length - cut)), 0);
	return index_tail_is_at(fileno(file), wrapping, MEMBER, &stopping, &err);
}

static void test_pieces_to_the_end_are_an_index(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tail_cases); i++) {
		print_message("# %s\n", tail_cases[i].name);
		assert_int_equal(look(tail_cases[i].content, gzip_piece, sizeof gzip_piece, 0,
				      INDEX_GZIP, false),
				 tail_cases[i].is_index);
		assert_int_equal(look(tail_cases[i].content, zstd_piece, sizeof zstd_piece, 0,
				      INDEX_ZSTD, false),
				 tail_cases[i].is_index);
	}
}

/* A crash: the last one is not whole; of the first, its head has to be. */
static void test_the_last_piece_may_be_cut(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < sizeof gzip_piece; cut++) {
		assert_int_equal(look("pp", gzip_piece, sizeof gzip_piece, cut, INDEX_GZIP, false),
				 1);
		assert_int_equal(look("p", gzip_piece, sizeof gzip_piece, cut, INDEX_GZIP, false),
				 sizeof gzip_piece - cut >= 16);
	}
	for (size_t cut = 0; cut < sizeof zstd_piece; cut++)
		assert_int_equal(look("pp", zstd_piece, sizeof zstd_piece, cut, INDEX_ZSTD, false),
				 1);
}

static void test_it_ends_when_the_program_does(void **state)
{
	(void)state;
	assert_int_equal(look("pp", gzip_piece, sizeof gzip_piece, 0, INDEX_GZIP, true), -1);
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_to_the_end_are_an_index),
		cmocka_unit_test(test_the_last_piece_may_be_cut),
		cmocka_unit_test(test_it_ends_when_the_program_does),
	};

	unit_add(tests, NULL, NULL);
}
