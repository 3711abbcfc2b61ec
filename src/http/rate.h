/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The upload rate limit of all workers together. A worker reserves the next free stretch of time and
 * waits for it, so they take turns. Short delays are made up for; idle time earns no credit. Locked
 * inside; the limit may change at any time.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"

struct rate {
	atomic_uint_fast64_t bytes_a_second; /* 0: no limit */
	pthread_mutex_t lock;
	uint64_t free_ns; /* monotonic: when the next reservation begins */
};

void rate_init(struct rate *rate, uint64_t bytes_a_second);
void rate_done(struct rate *rate);
void rate_set(struct rate *rate, uint64_t bytes_a_second);

/* How many of these bytes to send at once, for a steady flow: a twentieth of a second's worth. */
size_t rate_piece(const struct rate *rate, size_t bytes);
/* Reserve time for these bytes. Returns when they may go (monotonic); not after now_ns: at once. */
uint64_t rate_reserve(struct rate *rate, size_t bytes, uint64_t now_ns);
/* Reserve and wait. False: cancelled. */
bool rate_wait(struct rate *rate, size_t bytes, const atomic_bool *cancel)
	__attribute__((warn_unused_result));
