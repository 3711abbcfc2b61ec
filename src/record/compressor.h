/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compresses chunks into members with a codec, at the configured level, or below it while the pool of chunks
 * runs low. Buffers are allocated once, at their maximum size. Used by the thread of one recorder; only
 * compressor_choose() may be called by others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/thread.h"
#include "segment/codec.h"

struct compressor {
	struct counters *counters;
	pthread_mutex_t lock; /* for the next two: what was chosen */
	const struct codec *next_codec;
	int next_level;

	const struct codec *codec; /* NULL: compressor_begin() was never called */
	struct codec_state *state;
	int level_configured, level;
	struct level_counters *counts; /* of the codec and the level in use */
	uint8_t *out;
	size_t out_bytes;
};

void compressor_init(struct compressor *compressor, struct counters *counters);
void compressor_done(struct compressor *compressor);

/* Use this codec from the next segment on, at this level or below. */
void compressor_choose(struct compressor *compressor, const struct codec *codec, int level);
/* A segment begins, with what was chosen last. Allocates if the codec changes. */
void compressor_begin(struct compressor *compressor);
/*
 * Before each chunk: lower or raise the level by one step, or leave it, depending on the free share of the
 * pool. True if this was the first step below the configured level.
 */
bool compressor_adapt(struct compressor *compressor, unsigned free_percent);
/* Compress at most CHUNK_BYTES into one member, which is valid until the next call. */
const uint8_t *compressor_compress(struct compressor *compressor, const uint8_t *bytes,
				   size_t length, size_t *ret_length);
