/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Samples of the counters over time, in memory only: minutes of each interface and of the whole for rates and
 * rules, the last hour of the whole for the page's charts. What is shown are differences, so a restart is a
 * new beginning. Main thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"

#define SERIES_MINUTES_STEP_MS 5000
#define SERIES_MINUTES_SAMPLES 40
#define SERIES_HOUR_STEP_MS    10000
#define SERIES_HOUR_SAMPLES    361 /* an hour, and the point that it begins with */

/* Totals at a time, or their difference over a time. */
struct series_sample {
	uint64_t ms;             /* monotonic; of a difference, its length */
	uint64_t packets, bytes; /* recorded */
	uint64_t sent;           /* recorded or dropped, each packet once */
	uint64_t drops;          /* of them; rejected segments are kept, so theirs are none */
	struct drops reasons;    /* of all drops, rejected ones as well; for the whole only */
	uint64_t seen;           /* all packets that reached us: sent, or our own */
	uint64_t system;         /* counted by the system on the interface; 0 for the whole */
	/* For the whole only: bytes after compression, bytes uploaded, age of the oldest segment that waits. */
	uint64_t packed, uploaded, lag_ms;
};

struct series {
	char name[64]; /* of the interface; "" for the whole */
	struct series_sample *samples;
	size_t capacity, count, newest;
};

struct series_set {
	struct series all, hour;
	struct series
		interfaces[COUNTERS_INTERFACES_MAX + 1]; /* in use as far as they have a name */
	/* Those of an interface that is not in use take no memory: nobody touches them. */
	struct series_sample minutes[COUNTERS_INTERFACES_MAX + 2][SERIES_MINUTES_SAMPLES];
	struct series_sample hour_samples[SERIES_HOUR_SAMPLES];
};

/* The caller frees. */
struct series_set *series_new(void);

struct status_snapshot;
/* The whole, now. */
struct series_sample series_look(const struct status_snapshot *snapshot);
/* Is it time for the next sample? */
bool series_are_due(const struct series_set *set, uint64_t now_ms);
/*
 * Take it. system_table is the text of /proc/net/dev, or "" where there is none; of its packets count those of
 * the directions that are captured.
 */
void series_take(struct series_set *set, const struct status_snapshot *snapshot,
		 const char *system_table);

/* NULL: there is no such interface (any more). */
const struct series *series_of(const struct series_set *set, const char *interface);
/* 0 is the newest; NULL: there are not so many. */
const struct series_sample *series_back(const struct series *series, size_t back);
/*
 * What was added in the last window_ms, or in as much of it as there are samples for; false if there are
 * not two of them.
 */
bool series_since(const struct series *series, uint64_t window_ms,
		  struct series_sample *ret_difference);
/* That of an interface over the last seconds. */
bool series_now(const struct series_set *set, const char *interface,
		struct series_sample *ret_difference);
/*
 * What the whole added in the last minute until now, or since the start where that is not so long ago: by this are
 * losses judged and shown, everywhere.
 */
struct series_sample series_last_minute(const struct status_snapshot *snapshot);
/* Per second. */
double series_rate(uint64_t amount, uint64_t ms);
