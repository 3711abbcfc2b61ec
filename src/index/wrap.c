/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that readers of gzip and zstd skip: RFC 1952, 2.3.1.1; RFC 8878, 3.1.2. */
#include <string.h>

#include "index/index_private.h"

/*
 * busybox complains about extra fields of 30,000 bytes. The field holds four bytes more than the piece; the reader's
 * limit is that of the format.
 */
#define EXTRA_MAX        15360
#define PIECE_MAX        (EXTRA_MAX - 4)
#define GZIP_HEAD_BYTES  INDEX_HEAD_BYTES_MAX
#define GZIP_END_BYTES   10
#define ZSTD_HEAD_BYTES  8
#define ZSTD_MAGIC_BYTES 4

/* Deflate, an extra field, no time, Unix; and at the end an empty block, its checksum and length. */
static const uint8_t gzip_head[10] = { 0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3 };
static const uint8_t gzip_end[GZIP_END_BYTES] = { 3, 0 };
static const uint8_t zstd_magic[ZSTD_MAGIC_BYTES] = { 0x5a, 0x2a, 0x4d, 0x18 };

size_t wrap_bytes(enum index_wrapping wrapping, size_t length)
{
	size_t pieces = (length + PIECE_MAX - 1) / PIECE_MAX;

	return wrapping == INDEX_ZSTD ? ZSTD_HEAD_BYTES + length
				      : length + pieces * (GZIP_HEAD_BYTES + GZIP_END_BYTES);
}

size_t wrap_section(enum index_wrapping wrapping, const uint8_t *bytes, size_t length, uint8_t *out)
{
	uint8_t *at = out;

	if (wrapping == INDEX_ZSTD) {
		memcpy(at, zstd_magic, sizeof zstd_magic);
		put_u32(at + ZSTD_MAGIC_BYTES, (uint32_t)length);
		memcpy(at + ZSTD_HEAD_BYTES, bytes, length);
		return ZSTD_HEAD_BYTES + length;
	}
	while (length > 0) {
		uint16_t piece = (uint16_t)(length < PIECE_MAX ? length : PIECE_MAX);

		memcpy(at, gzip_head, sizeof gzip_head);
		put_u16(at + 10, (uint16_t)(piece + 4));
		memcpy(at + 12, "KN", 2);
		put_u16(at + 14, piece);
		memcpy(at + GZIP_HEAD_BYTES, bytes, piece);
		memcpy(at + GZIP_HEAD_BYTES + piece, gzip_end, sizeof gzip_end);
		at += GZIP_HEAD_BYTES + piece + GZIP_END_BYTES;
		bytes += piece;
		length -= piece;
	}
	return (size_t)(at - out);
}

bool index_is_piece(enum index_wrapping wrapping, const uint8_t *bytes, size_t length)
{
	if (wrapping == INDEX_ZSTD)
		return length >= ZSTD_HEAD_BYTES &&
		       memcmp(bytes, zstd_magic, sizeof zstd_magic) == 0;
	return length >= GZIP_HEAD_BYTES && memcmp(bytes, gzip_head, sizeof gzip_head) == 0 &&
	       memcmp(bytes + 12, "KN", 2) == 0 && get_u16(bytes + 10) == get_u16(bytes + 14) + 4u;
}

size_t index_piece_bytes(enum index_wrapping wrapping, const uint8_t *bytes, size_t length)
{
	if (!index_is_piece(wrapping, bytes, length))
		return 0;
	return wrapping == INDEX_ZSTD
		       ? ZSTD_HEAD_BYTES + (size_t)get_u32(bytes + ZSTD_MAGIC_BYTES)
		       : (size_t)GZIP_HEAD_BYTES + get_u16(bytes + 14) + GZIP_END_BYTES;
}

bool index_begins_piece(enum index_wrapping wrapping, const uint8_t *bytes, size_t length)
{
	const uint8_t *head = wrapping == INDEX_ZSTD ? zstd_magic : gzip_head;
	size_t known = wrapping == INDEX_ZSTD ? sizeof zstd_magic : sizeof gzip_head;

	return memcmp(bytes, head, length < known ? length : known) == 0;
}

ptrdiff_t unwrap_section(enum index_wrapping wrapping, uint8_t *bytes, size_t length)
{
	size_t out = 0;

	for (size_t at = 0; at < length;) {
		size_t head, piece, end;

		if (!index_is_piece(wrapping, bytes + at, length - at))
			return -1;
		head = wrapping == INDEX_ZSTD ? ZSTD_HEAD_BYTES : GZIP_HEAD_BYTES;
		end = wrapping == INDEX_ZSTD ? 0 : GZIP_END_BYTES;
		piece = wrapping == INDEX_ZSTD ? get_u32(bytes + at + ZSTD_MAGIC_BYTES)
					       : get_u16(bytes + at + 14);
		if (piece > length - at - head || end > length - at - head - piece ||
		    (end > 0 && memcmp(bytes + at + head + piece, gzip_end, end) != 0))
			return -1;
		memmove(bytes + out, bytes + at + head, piece);
		out += piece;
		at += head + piece + end;
	}
	return (ptrdiff_t)out;
}
