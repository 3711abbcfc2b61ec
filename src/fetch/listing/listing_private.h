/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One listing in the making, shared by its threads. */

#include "base/clock.h"
#include "base/thread.h"
#include "fetch/bucket.h"
#include "fetch/listing/listing_order.h"
#include "fetch/listing/object.h"
#include "fetch/listing/patterns.h"
#include "fetch/listing/sources.h"

/* Of its successor an object may still have packets, which are not quite in order (up to 1 s). */
#define LISTING_SLACK_S 2

struct listing_work {
	struct bucket *bucket;
	const struct listing_order *order;
	void (*on_metadata)(void *context, const struct object *object,
			    const struct segment *segment);
	void *context;
	char *prefix; /* of the names: "" or "PREFIX/" */
	struct patterns nodes, interfaces;
	uint64_t
		settled_ns; /* a file that begins until here begins before the window, whatever it holds */
	uint64_t reach_ns; /* a file that begins from here on has nothing of the window */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	struct object *objects;
	size_t count, capacity;
	struct sources sources;
	uint32_t batches;
	size_t silent_nodes, foreign;
	uint64_t looked_back_s;
};

/* How far before the window the first question goes: two files of 300 s, as they are by default. */
#define LISTING_LOOKBACK_FIRST_S (2 * UINT64_C(300))

static inline uint64_t listing_first_lookback(const struct listing_work *work)
{
	return work->order->lookback_s > 0 ? work->order->lookback_s : LISTING_LOOKBACK_FIRST_S;
}

/* A time, moved by seconds, within what 64 bits hold. */
static inline uint64_t listing_before(uint64_t real_ns, uint64_t seconds)
{
	return real_ns / CLOCK_NS_PER_S < seconds ? 0 : real_ns - seconds * CLOCK_NS_PER_S;
}

static inline uint64_t listing_after(uint64_t real_ns, uint64_t seconds)
{
	uint64_t sum;

	return __builtin_add_overflow(real_ns, seconds * CLOCK_NS_PER_S, &sum) ? UINT64_MAX : sum;
}
