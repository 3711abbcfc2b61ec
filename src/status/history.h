/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last hour for the page at "/": samples of the totals, a bounded number of them, in memory only.
 * What it shows are differences, so that a restart is a new beginning. Main thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status/snapshot.h"

#define HISTORY_STEP_MS 10000
#define HISTORY_SAMPLES 361 /* an hour, and the point that it begins with */

struct history_sample {
	uint64_t ms; /* monotonic */
	uint64_t packets, bytes, drops, uploaded_bytes;
	uint64_t sent;   /* recorded or dropped, each packet once */
	uint64_t lag_ms; /* age of the oldest segment that waited then */
};

struct history;

struct history *history_new(void);
struct history *history_free(struct history *history);

/* How it is now; not kept. */
struct history_sample history_look(const struct status_snapshot *facts);
bool history_is_due(const struct history *history, uint64_t now_ms);
/* Keep one, in place of the oldest when there is no more room. */
void history_add(struct history *history, const struct history_sample *sample);

size_t history_count(const struct history *history);
/* 0 is the oldest. */
const struct history_sample *history_at(const struct history *history, size_t place);
