/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last minutes: samples of the counters every few seconds, for rates and for rules about what moves
 * and what does not. Main thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"

#define TREND_STEP_MS 5000
#define TREND_SAMPLES 40

struct trend_sample {
	uint64_t ms;             /* monotonic; of a difference, its length */
	uint64_t packets, bytes; /* recorded */
	uint64_t sent;           /* recorded or dropped, each packet once */
	uint64_t drops;          /* of them; those of refused segments, which are kept, are none */
	uint64_t seen;           /* all packets that reached us: sent, or our own */
	uint64_t system; /* packets that the system counted on the interface; 0 of all together */
	uint64_t packed; /* bytes after compression; of all together only */
};

struct trend_series {
	char name[64];
	struct trend_sample samples[TREND_SAMPLES];
	size_t count, newest;
};

struct trend {
	struct trend_series all, *interfaces[COUNTERS_INTERFACES_MAX + 1];
};

struct trend *trend_new(void);
struct trend *trend_free(struct trend *trend);

/* Is it time for the next sample? */
bool trend_is_due(const struct trend *trend, uint64_t now_ms);
/*
 * Take a sample. system_table is the text of /proc/net/dev, or "" where there is none; what of its packets
 * is of interest: those that come in, go out, or both.
 */
struct trend_interest {
	bool in, out;
};
void trend_sample(struct trend *trend, struct counters *counters, const char *system_table,
		  struct trend_interest interest, uint64_t now_ms);
/* NULL: there is no such interface (any more). */
const struct trend_series *trend_of(const struct trend *trend, const char *interface);
/*
 * What was added in the last window_ms, or in as much of it as there are samples for; false if there are
 * not two of them.
 */
bool trend_since(const struct trend_series *series, uint64_t window_ms,
		 struct trend_sample *ret_difference);
/*
 * What all together added until now, in the last window_ms and up to a step more; since the start where that is
 * not so long ago.
 */
void trend_until_now(const struct trend *trend, const struct counters *counters, uint64_t window_ms,
		     uint64_t now_ms, struct trend_sample *ret_difference);
