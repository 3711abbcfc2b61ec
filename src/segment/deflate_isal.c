/* SPDX-License-Identifier: Apache-2.0 */
#include <isa-l/igzip_lib.h>

#include "base/mem.h"
#include "segment/deflate.h"

/* What does not compress is stored in blocks of at most 65,535 bytes, with five bytes each. */
#define STORED_BLOCK_BYTES 65535
#define BLOCK_HEADER_BYTES 5
#define SPARE_BYTES        64

/* Its best: indexes are small, and are kept for long. */
#define LEVEL        3
#define LEVEL_BUFFER ISAL_DEF_LVL3_DEFAULT

size_t deflate_bound(size_t length)
{
	return length + (length / STORED_BLOCK_BYTES + 1) * BLOCK_HEADER_BYTES + SPARE_BYTES;
}

size_t deflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity)
{
	cleanup_free struct isal_zstream *stream = mem_calloc(1, sizeof *stream);
	cleanup_free uint8_t *buffer = mem_calloc(1, LEVEL_BUFFER);

	isal_deflate_init(stream);
	stream->level = LEVEL;
	stream->level_buf = buffer;
	stream->level_buf_size = LEVEL_BUFFER;
	stream->gzip_flag = IGZIP_DEFLATE;
	stream->end_of_stream = 1;
	stream->flush = NO_FLUSH;
	stream->next_in = (uint8_t *)(uintptr_t)bytes; /* the library only reads it */
	stream->avail_in = (uint32_t)length;
	stream->next_out = out;
	stream->avail_out = (uint32_t)capacity;
	if (isal_deflate(stream) != COMP_OK || stream->internal_state.state != ZSTATE_END)
		return 0;
	return stream->total_out;
}

bool inflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t out_bytes)
{
	cleanup_free struct inflate_state *inflate = mem_alloc(sizeof *inflate);
	uint8_t beyond;

	isal_inflate_init(inflate);
	inflate->crc_flag = ISAL_DEFLATE;
	inflate->next_in = (uint8_t *)(uintptr_t)bytes;
	inflate->avail_in = (uint32_t)length;
	/* Where nothing is to come out, the library still wants a place for it. */
	inflate->next_out = out_bytes > 0 ? out : &beyond;
	inflate->avail_out = (uint32_t)(out_bytes > 0 ? out_bytes : 1);
	return isal_inflate(inflate) == ISAL_DECOMP_OK &&
	       inflate->block_state == ISAL_BLOCK_FINISH && inflate->total_out == out_bytes &&
	       inflate->avail_in == 0;
}
