/* SPDX-License-Identifier: Apache-2.0 */
#include "record/compressor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "packet/chunk.h"

/*
 * Less of the pool free: a level down with each chunk, to stored if need be; more: a level up. In between
 * nothing changes, so that it takes half of the pool to swing: a second or more, not a chunk.
 */
#define POOL_LOW_PERCENT  25
#define POOL_HIGH_PERCENT 75

void packer_init(struct packer *packer, struct counters *counters)
{
	*packer = (struct packer){ .counters = counters };
}

void packer_done(struct packer *packer)
{
	if (packer->codec)
		packer->codec->state_free(packer->state);
	packer->codec = NULL;
	free(take_ptr(packer->out));
}

static void set_level(struct packer *packer, int level)
{
	char word[sizeof packer->counts->level] = "stored";

	if (level != CODEC_LEVEL_STORED)
		(void)snprintf(word, sizeof word, "%d", level);
	packer->level = level;
	packer->counts = counters_level(packer->counters, packer->codec->name, word);
}

void packer_choose(struct packer *packer, const struct codec *codec, int level)
{
	bool is_other = codec != packer->codec || level != packer->level_configured;

	if (codec != packer->codec) {
		packer_done(packer);
		packer->codec = codec;
		packer->state = codec->state_new();
		packer->out_bytes = codec->compress ? codec->bound(CHUNK_BYTES) : 0;
		packer->out = packer->out_bytes ? mem_alloc(packer->out_bytes) : NULL;
	}
	packer->level_configured = level;
	if (is_other)
		set_level(packer, level);
}

bool packer_adapt(struct packer *packer, unsigned free_percent)
{
	const struct codec *codec = packer->codec;
	int before = packer->level;

	if (codec->level_min == codec->level_max)
		return false; /* it has no levels */
	if (free_percent < POOL_LOW_PERCENT && before != CODEC_LEVEL_STORED)
		set_level(packer, codec_level_down(codec, before));
	else if (free_percent > POOL_HIGH_PERCENT && before != packer->level_configured)
		set_level(packer, codec_level_up(codec, before, packer->level_configured));
	return before == packer->level_configured && packer->level != before;
}

const uint8_t *packer_pack(struct packer *packer, const uint8_t *bytes, size_t length,
			   size_t *ret_length)
{
	uint64_t begin_ns = clock_monotonic_ns();
	const uint8_t *member = bytes;

	counter_add(&packer->counts->bytes_before, length);
	if (packer->codec->compress) {
		member = packer->out;
		length = packer->codec->compress(packer->state, packer->level, bytes, length,
						 packer->out, packer->out_bytes);
	}
	counter_add(&packer->counts->ns, clock_monotonic_ns() - begin_ns);
	counter_add(&packer->counts->bytes_after, length);
	*ret_length = length;
	return member;
}
