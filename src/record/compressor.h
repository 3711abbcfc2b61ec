/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A codec at work: chunks into members, at the level that is configured, or below it while the pool of chunks
 * runs low. Its buffers are as large as it ever needs. Used by one recorder's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "segment/codec.h"

struct compressor {
	struct counters *counters;
	const struct codec *codec; /* NULL: compressor_choose() was never called */
	struct codec_state *state;
	int level_configured, level;
	struct level_counters *counts; /* of the codec and the level in use */
	uint8_t *out;
	size_t out_bytes;
};

void compressor_init(struct compressor *compressor, struct counters *counters);
void compressor_done(struct compressor *compressor);

/* From now on this codec, at this level or below. Allocates when it is another one than before. */
void compressor_choose(struct compressor *compressor, const struct codec *codec, int level);
/*
 * Before a chunk, given how much of the pool is free: one step down or up, or none. True if this was the step
 * below what is configured.
 */
bool compressor_adapt(struct compressor *compressor, unsigned free_percent);
/* One member of these bytes, at most CHUNK_BYTES of them; it is the compressor's until the next call. */
const uint8_t *compressor_compress(struct compressor *compressor, const uint8_t *bytes,
				   size_t length, size_t *ret_length);
