/* SPDX-License-Identifier: Apache-2.0 */
#include "record/compressor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "packet/packet.h"

/*
 * Below the low mark, each chunk lowers the level, down to stored; above the high mark, each raises it. Between
 * them it stays, so that the level changes direction only after half of the pool was filled or freed.
 */
#define POOL_LOW_PERCENT  25
#define POOL_HIGH_PERCENT 75

void compressor_init(struct compressor *compressor, struct counters *counters)
{
	*compressor = (struct compressor){ .counters = counters };
	(void)pthread_mutex_init(&compressor->lock, NULL);
}

static void free_state(struct compressor *compressor)
{
	if (compressor->codec)
		codec_state_free(compressor->codec, compressor->state);
	free(compressor->out);
}

void compressor_done(struct compressor *compressor)
{
	free_state(compressor);
	(void)pthread_mutex_destroy(&compressor->lock);
}

void compressor_choose(struct compressor *compressor, const struct codec *codec, int level)
{
	(void)pthread_mutex_lock(&compressor->lock);
	compressor->next_codec = codec;
	compressor->next_level = level;
	(void)pthread_mutex_unlock(&compressor->lock);
}

static void set_level(struct compressor *compressor, int level)
{
	char word[sizeof compressor->counts->level] = "stored";

	if (level != CODEC_LEVEL_STORED)
		(void)snprintf(word, sizeof word, "%d", level);
	compressor->level = level;
	compressor->counts = counters_level(compressor->counters, compressor->codec->name, word);
}

void compressor_begin(struct compressor *compressor)
{
	const struct codec *codec, *before = compressor->codec;
	int level;

	(void)pthread_mutex_lock(&compressor->lock);
	codec = compressor->next_codec;
	level = compressor->next_level;
	(void)pthread_mutex_unlock(&compressor->lock);
	if (codec != before) {
		free_state(compressor);
		compressor->codec = codec;
		compressor->state = codec_state_new(codec);
		compressor->out_bytes = codec->compress ? codec->bound(CHUNK_BYTES) : 0;
		compressor->out = mem_alloc(compressor->out_bytes);
	}
	if (codec != before || level != compressor->level_configured)
		set_level(compressor, level);
	compressor->level_configured = level;
}

bool compressor_adapt(struct compressor *compressor, unsigned free_percent)
{
	const struct codec *codec = compressor->codec;
	int before = compressor->level;

	if (codec->level_min == codec->level_max)
		return false; /* the codec has no levels */
	if (free_percent < POOL_LOW_PERCENT && before != CODEC_LEVEL_STORED)
		set_level(compressor, codec_level_down(codec, before));
	else if (free_percent > POOL_HIGH_PERCENT && before != compressor->level_configured)
		set_level(compressor, codec_level_up(codec, before, compressor->level_configured));
	return before == compressor->level_configured && compressor->level != before;
}

const uint8_t *compressor_compress(struct compressor *compressor, const uint8_t *bytes,
				   size_t length, size_t *ret_length)
{
	uint64_t begin_ns = clock_monotonic_ns();
	const uint8_t *member = bytes;

	counter_add(&compressor->counts->bytes_before, length);
	if (compressor->codec->compress) {
		member = compressor->out;
		length = compressor->codec->compress(compressor->state, compressor->level, bytes,
						     length, compressor->out,
						     compressor->out_bytes);
	}
	counter_add(&compressor->counts->ns, clock_monotonic_ns() - begin_ns);
	counter_add(&compressor->counts->bytes_after, length);
	*ret_length = length;
	return member;
}
