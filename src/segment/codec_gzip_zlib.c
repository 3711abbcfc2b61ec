/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by zlib, where ISA-L is missing. The levels are ISA-L's: 0 to 3 are zlib's 1 to 4. */
#include <assert.h>
#include <stdlib.h>

#include <zlib.h>

#include "segment/codec.h"

#define GZIP_WINDOW (15 + 16) /* the largest window, with a gzip header (zlib.h) */

/* What deflate() allocates with the usual window and memory level (zconf.h). */
#define ZLIB_BYTES ((size_t)(1 << 17) + (1 << 17) + 8192)

struct codec_state {
	z_stream inflate;
	bool has_inflate;
};

static void end_state(struct codec_state *state)
{
	if (state->has_inflate)
		(void)inflateEnd(&state->inflate);
}

static size_t library_bytes(const struct codec_state *state)
{
	(void)state;
	return ZLIB_BYTES;
}

static size_t bound(size_t length)
{
	return compressBound((uLong)length) + 32; /* compressBound() counts zlib's shorter header */
}

static size_t compress_member(struct codec_state *state, int level, const uint8_t *bytes,
			      size_t length, uint8_t *out, size_t capacity)
{
	int zlib_level = level == CODEC_LEVEL_STORED ? Z_NO_COMPRESSION : level + 1;
	z_stream stream = { 0 };
	int result;

	(void)state;
	assert(capacity >= bound(length));
	if (deflateInit2(&stream, zlib_level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		abort(); /* no memory, as mem_alloc() does */
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)capacity;
	result = deflate(&stream, Z_FINISH);
	assert(result == Z_STREAM_END);
	(void)result;
	(void)deflateEnd(&stream);
	return stream.total_out;
}

static size_t decompress_member(struct codec_state *state, const uint8_t *bytes, size_t length,
				uint8_t *out, size_t capacity, size_t *ret_length)
{
	z_stream *stream = &state->inflate;

	if (!state->has_inflate && inflateInit2(stream, GZIP_WINDOW) != Z_OK)
		abort();
	state->has_inflate = true;
	(void)inflateReset(stream);
	stream->next_in = (Bytef *)(uintptr_t)bytes;
	stream->avail_in = length < UINT32_MAX ? (uInt)length : UINT32_MAX;
	stream->next_out = out;
	stream->avail_out = (uInt)capacity;
	if (inflate(stream, Z_FINISH) != Z_STREAM_END)
		return 0;
	*ret_length = stream->total_out;
	return stream->total_in;
}

static enum codec_unpacked unpack(struct codec_state *state, struct codec_stream *stream)
{
	z_stream *zlib = &state->inflate;
	int result;

	if (!state->has_inflate && inflateInit2(zlib, GZIP_WINDOW) != Z_OK)
		abort();
	state->has_inflate = true;
	if (!stream->is_in_member)
		(void)inflateReset(zlib);
	stream->is_in_member = true;
	zlib->next_in = (Bytef *)(uintptr_t)stream->in;
	zlib->avail_in = stream->in_length < UINT32_MAX ? (uInt)stream->in_length : UINT32_MAX;
	zlib->next_out = stream->out;
	zlib->avail_out = stream->out_length < UINT32_MAX ? (uInt)stream->out_length : UINT32_MAX;
	result = inflate(zlib, Z_NO_FLUSH);
	stream->in_length -= (size_t)(zlib->next_in - stream->in);
	stream->in = zlib->next_in;
	stream->out_length -= (size_t)(zlib->next_out - stream->out);
	stream->out = zlib->next_out;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return CODEC_DAMAGED;
	if (result != Z_STREAM_END)
		return CODEC_GOES_ON;
	stream->is_in_member = false;
	return CODEC_MEMBER_ENDS;
}

const struct codec codec_gzip = {
	.name = "gzip",
	.extension = ".gz",
	.level_min = 0,
	.level_max = 3,
	.level_default = 2,
	.state_bytes = sizeof(struct codec_state),
	.state_done = end_state,
	.library_bytes = library_bytes,
	.bound = bound,
	.compress = compress_member,
	.magic = "\x1f\x8b\x08", /* RFC 1952: deflate is the only method there is */
	.magic_bytes = 3,
	.decompress = decompress_member,
	.unpack = unpack,
};
