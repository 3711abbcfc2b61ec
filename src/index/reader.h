/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers from bytes that nobody has checked: past the end, all are 0 and is_bad is set. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *at, *end;
	bool is_bad;
};

static inline struct reader reader_over(const uint8_t *bytes, size_t length)
{
	return (struct reader){ bytes, bytes + length, false };
}

static inline size_t reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* LEB128 of at most 64 bits. */
static inline uint64_t reader_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	reader->is_bad = true;
	return 0;
}

/* The next bytes; NULL, and is_bad, if there are not so many. */
static inline const uint8_t *reader_take(struct reader *reader, size_t length)
{
	const uint8_t *bytes = reader->at;

	if (reader->is_bad || reader_left(reader) < length) {
		reader->is_bad = true;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

/* A number of things of which each takes at least so many bytes: never more than can follow. */
static inline uint32_t reader_count(struct reader *reader, size_t bytes_each)
{
	uint64_t count = reader_varint(reader);

	if (count > reader_left(reader) / bytes_each || count > UINT32_MAX) {
		reader->is_bad = true;
		return 0;
	}
	return (uint32_t)count;
}
