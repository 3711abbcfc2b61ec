/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <zstd.h>

#include "segment/codec.h"

/* The fastest level does next to nothing: what "stored" is in zstd. */
#define LEVEL_STORED (-131072)

/*
 * Level 1's own tables find matches of 7 bytes or more, by a hash of 14 bits. Packets are made of shorter
 * ones (addresses, fields of headers): from 4 bytes on, in a table twice as large, still well within the L2
 * cache, costs little more and makes files 8 % smaller at snaplen 96 (1 % at full length); smaller than level 2
 * makes them, for less. Without entropy coding of literals it would cost 10 % less and be 2 % larger.
 * Measured with tests/bench/compress.
 */
#define LEVEL_TUNED     1
#define TUNED_HASH_LOG  15
#define TUNED_MATCH_MIN 4

/* Of a foreign frame that is unpacked, 8 MiB: what a reader has to accept (RFC 8878, 3.1.1.1.2). */
#define WINDOW_LOG_MAX 23

struct codec_state {
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor; /* made when it is needed: recovery only */
};

static void init_state(struct codec_state *state)
{
	state->compressor = ZSTD_createCCtx();
	if (!state->compressor)
		abort(); /* no memory, as mem_alloc() does */
	(void)ZSTD_CCtx_setParameter(state->compressor, ZSTD_c_checksumFlag, 1);
}

static void end_state(struct codec_state *state)
{
	(void)ZSTD_freeCCtx(state->compressor);
	(void)ZSTD_freeDCtx(state->decompressor);
}

static size_t library_bytes(const struct codec_state *state)
{
	return ZSTD_sizeof_CCtx(state->compressor) + ZSTD_sizeof_DCtx(state->decompressor);
}

static size_t compress_frame(struct codec_state *state, int level, const uint8_t *bytes,
			     size_t length, uint8_t *out, size_t capacity)
{
	size_t result;

	(void)ZSTD_CCtx_setParameter(state->compressor, ZSTD_c_compressionLevel,
				     level == CODEC_LEVEL_STORED ? LEVEL_STORED : level);
	/* 0: what the level has */
	(void)ZSTD_CCtx_setParameter(state->compressor, ZSTD_c_hashLog,
				     level == LEVEL_TUNED ? TUNED_HASH_LOG : 0);
	(void)ZSTD_CCtx_setParameter(state->compressor, ZSTD_c_minMatch,
				     level == LEVEL_TUNED ? TUNED_MATCH_MIN : 0);
	result = ZSTD_compress2(state->compressor, out, capacity, bytes, length);
	if (ZSTD_isError(result))
		abort(); /* with room for the bound, only memory can be missing */
	return result;
}

static ZSTD_DCtx *get_decompressor(struct codec_state *state)
{
	if (!state->decompressor)
		state->decompressor = ZSTD_createDCtx();
	if (!state->decompressor)
		abort();
	return state->decompressor;
}

static size_t decompress_frame(struct codec_state *state, const uint8_t *bytes, size_t length,
			       uint8_t *out, size_t capacity, size_t *ret_length)
{
	size_t frame = ZSTD_findFrameCompressedSize(bytes, length), result;

	if (ZSTD_isError(frame))
		return 0;
	result = ZSTD_decompressDCtx(get_decompressor(state), out, capacity, bytes, frame);
	if (ZSTD_isError(result))
		return 0;
	*ret_length = result;
	return frame;
}

static enum codec_unpacked unpack(struct codec_state *state, struct codec_stream *stream)
{
	ZSTD_DCtx *decompressor = get_decompressor(state);
	ZSTD_inBuffer in = { stream->in, stream->in_length, 0 };
	ZSTD_outBuffer out = { stream->out, stream->out_length, 0 };
	size_t result;

	if (!stream->is_in_member) {
		(void)ZSTD_DCtx_reset(decompressor, ZSTD_reset_session_only);
		(void)ZSTD_DCtx_setParameter(
			decompressor, ZSTD_d_windowLogMax,
			(int)(stream->window_log_max ? stream->window_log_max : WINDOW_LOG_MAX));
	}
	stream->is_in_member = true;
	result = ZSTD_decompressStream(decompressor, &out, &in);
	stream->in += in.pos;
	stream->in_length -= in.pos;
	stream->out += out.pos;
	stream->out_length -= out.pos;
	if (ZSTD_isError(result))
		return CODEC_DAMAGED;
	if (result > 0)
		return CODEC_GOES_ON;
	stream->is_in_member = false;
	return CODEC_MEMBER_ENDS;
}

const struct codec codec_zstd = {
	.name = "zstd",
	.extension = ".zst",
	.level_min = 1,
	.level_max = 19,
	.level_default = 1,
	.state_bytes = sizeof(struct codec_state),
	.state_init = init_state,
	.state_done = end_state,
	.library_bytes = library_bytes,
	.bound = ZSTD_compressBound,
	.compress = compress_frame,
	.magic = "\x28\xb5\x2f\xfd", /* RFC 8878 */
	.magic_bytes = 4,
	.decompress = decompress_frame,
	.unpack = unpack,
};
