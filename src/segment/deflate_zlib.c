/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <zlib.h>

#include "segment/deflate.h"

#define RAW_WINDOW (-15) /* the largest window, and no header (zlib.h) */
#define LEVEL      6

size_t deflate_bound(size_t length)
{
	return compressBound((uLong)length) + 32;
}

size_t deflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity)
{
	z_stream stream = { 0 };
	int result;

	if (deflateInit2(&stream, LEVEL, Z_DEFLATED, RAW_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* no memory, as mem_alloc() does */
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)capacity;
	result = deflate(&stream, Z_FINISH);
	(void)deflateEnd(&stream);
	return result == Z_STREAM_END ? stream.total_out : 0;
}

bool inflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t out_bytes)
{
	z_stream stream = { 0 };
	int result;

	if (inflateInit2(&stream, RAW_WINDOW) != Z_OK)
		abort();
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)out_bytes;
	result = inflate(&stream, Z_FINISH);
	(void)inflateEnd(&stream);
	return result == Z_STREAM_END && stream.total_out == out_bytes && stream.avail_in == 0;
}
