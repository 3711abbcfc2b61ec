/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by ISA-L: a fifth of zlib's CPU at the same ratio. */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "segment/codec.h"

/* RFC 1952: ten bytes before the deflate stream, eight after it; RFC 1951: stored blocks. */
enum {
	GZIP_HEADER_BYTES = 10,
	GZIP_TRAILER_BYTES = 8,
	STORED_BLOCK_MAX = 65535,
	STORED_BLOCK_HEADER = 5,
};

struct codec_state {
	struct isal_zstream stream;
	struct inflate_state inflate;
	uint8_t level_buffer[ISAL_DEF_LVL3_DEFAULT];
};

static const uint32_t level_buffer_bytes[] = { ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
					       ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT };

static size_t bound(size_t length)
{
	/* What does not compress is stored, at worst by us. */
	return GZIP_HEADER_BYTES + length + (length / STORED_BLOCK_MAX + 1) * STORED_BLOCK_HEADER +
	       GZIP_TRAILER_BYTES;
}

/* A member of stored blocks: no compression, next to no CPU. */
static size_t store_member(const uint8_t *bytes, size_t length, uint8_t *out)
{
	/* Magic, deflate, no flags, no time, no hints, Unix. */
	static const uint8_t header[GZIP_HEADER_BYTES] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	const uint32_t trailer[2] = { htole32(crc32_gzip_refl(0, bytes, length)),
				      htole32((uint32_t)length) };
	uint8_t *p = out;
	size_t rest = length;

	memcpy(p, header, sizeof header);
	p += sizeof header;
	do {
		uint16_t block = (uint16_t)(rest < STORED_BLOCK_MAX ? rest : STORED_BLOCK_MAX);

		rest -= block;
		*p++ = rest == 0; /* final? and type 0 */
		*p++ = (uint8_t)block;
		*p++ = (uint8_t)(block >> 8);
		*p++ = (uint8_t)~block;
		*p++ = (uint8_t)(~block >> 8);
		memcpy(p, bytes, block);
		p += block;
		bytes += block;
	} while (rest > 0);
	memcpy(p, trailer, sizeof trailer);
	return (size_t)(p + GZIP_TRAILER_BYTES - out);
}

static size_t compress_member(struct codec_state *state, int level, const uint8_t *bytes,
			      size_t length, uint8_t *out, size_t capacity)
{
	struct isal_zstream *stream = &state->stream;

	assert(length <= UINT32_MAX && capacity >= bound(length));
	if (level == CODEC_LEVEL_STORED)
		return store_member(bytes, length, out);
	isal_deflate_init(stream);
	stream->level = (uint32_t)level;
	stream->level_buf = state->level_buffer;
	stream->level_buf_size = level_buffer_bytes[level];
	stream->gzip_flag = IGZIP_GZIP;
	stream->end_of_stream = 1;
	stream->flush = NO_FLUSH;
	stream->next_in = (uint8_t *)(uintptr_t)bytes; /* the library only reads it */
	stream->avail_in = (uint32_t)length;
	stream->next_out = out;
	stream->avail_out = (uint32_t)capacity;
	if (isal_deflate(stream) != COMP_OK || stream->internal_state.state != ZSTATE_END)
		return store_member(bytes, length, out); /* it would have grown beyond the bound */
	return stream->total_out;
}

static size_t decompress_member(struct codec_state *state, const uint8_t *bytes, size_t length,
				uint8_t *out, size_t capacity, size_t *ret_length)
{
	struct inflate_state *inflate = &state->inflate;
	uint32_t available = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;

	isal_inflate_init(inflate);
	inflate->crc_flag = ISAL_GZIP; /* read header and trailer, compare the checksum */
	inflate->next_in = (uint8_t *)(uintptr_t)bytes;
	inflate->avail_in = available;
	inflate->next_out = out;
	inflate->avail_out = (uint32_t)capacity;
	if (isal_inflate(inflate) != ISAL_DECOMP_OK || inflate->block_state != ISAL_BLOCK_FINISH)
		return 0;
	*ret_length = inflate->total_out;
	/* It may have taken whole bytes beyond the end into its bit buffer. */
	return available - inflate->avail_in;
}

static enum codec_unpacked unpack(struct codec_state *state, struct codec_stream *stream)
{
	struct inflate_state *inflate = &state->inflate;
	uint32_t in = stream->in_length < UINT32_MAX ? (uint32_t)stream->in_length : UINT32_MAX;
	uint32_t out = stream->out_length < UINT32_MAX ? (uint32_t)stream->out_length : UINT32_MAX;
	int result;

	if (!stream->is_in_member) {
		isal_inflate_init(inflate);
		inflate->crc_flag = ISAL_GZIP;
		stream->is_in_member = true;
	}
	inflate->next_in = (uint8_t *)(uintptr_t)stream->in;
	inflate->avail_in = in;
	inflate->next_out = stream->out;
	inflate->avail_out = out;
	result = isal_inflate(inflate);
	/* At the end of a member it gives back what it had read ahead, perhaps of the part before. */
	stream->in_length =
		(size_t)((ptrdiff_t)stream->in_length - (inflate->next_in - stream->in));
	stream->in = inflate->next_in;
	stream->out_length -= (size_t)(inflate->next_out - stream->out);
	stream->out = inflate->next_out;
	if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT)
		return CODEC_DAMAGED;
	if (inflate->block_state != ISAL_BLOCK_FINISH)
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
	.bound = bound,
	.compress = compress_member,
	.magic = "\x1f\x8b\x08", /* RFC 1952: deflate is the only method there is */
	.magic_bytes = 3,
	.decompress = decompress_member,
	.unpack = unpack,
};
