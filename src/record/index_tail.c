/* SPDX-License-Identifier: Apache-2.0 */
#include "record/index_tail.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define BLOCK_BYTES 4096

/* Where zeros begin in these bytes that go on to their end. */
static size_t find_zeros(const uint8_t *bytes, size_t length)
{
	while (length > 0 && bytes[length - 1] == 0)
		length--;
	return length;
}

/* 1, 0 or -1. */
static int is_zero_from(int fd, uint64_t offset, const atomic_bool *is_stopping, struct error *err)
{
	uint8_t block[BLOCK_BYTES];

	for (;;) {
		ssize_t got;

		if (atomic_load(is_stopping))
			return error_set(err, ERROR_TRANSIENT, "the program ends");
		got = file_read_at(fd, block, sizeof block, offset, err);
		if (got <= 0)
			return got < 0 ? -1 : 1;
		if (find_zeros(block, (size_t)got) > 0)
			return 0;
		offset += (uint64_t)got;
	}
}

int index_tail_is_at(int fd, enum index_wrapping wrapping, uint64_t offset,
		     const atomic_bool *is_stopping, struct error *err)
{
	struct stat st;
	bool is_first = true;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	while (offset < (uint64_t)st.st_size) {
		uint8_t head[INDEX_HEAD_BYTES_MAX];
		ssize_t got;
		size_t piece;

		if (atomic_load(is_stopping))
			return error_set(err, ERROR_TRANSIENT, "the program ends");
		got = file_read_at(fd, head, sizeof head, offset, err);
		if (got < 0)
			return -1;
		piece = index_piece_bytes(wrapping, head, (size_t)got);
		if (piece == 0 && is_first)
			return 0;
		if (piece == 0 &&
		    !index_begins_piece(wrapping, head, find_zeros(head, (size_t)got)))
			return 0;
		if (piece ==
		    0) /* the rest of a head is in these bytes: what is behind is not written */
			return is_zero_from(fd, offset + (uint64_t)got, is_stopping, err);
		is_first = false;
		offset += piece;
	}
	return !is_first;
}
