/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How fast uploads may be, all workers together: whoever wants to send reserves the next free stretch of
 * time and waits for it, so that the limit is shared in turns. Short delays are caught up with, idle time is
 * not saved. Shared between the workers, locked inside; the limit may change at any time.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"

struct rate {
	atomic_uint_fast64_t bytes_a_second; /* 0: no limit */
	pthread_mutex_t lock;
	uint64_t free_ns; /* monotonic: what comes now may go then */
};

void rate_init(struct rate *rate, uint64_t bytes_a_second);
void rate_done(struct rate *rate);
void rate_set(struct rate *rate, uint64_t bytes_a_second);

/* How much of this should be sent at once, so that it flows: a twentieth of a second's worth. */
size_t rate_piece(const struct rate *rate, size_t bytes);
/* Reserve: when may these bytes go? Monotonic time, not after now_ns if at once. */
uint64_t rate_reserve(struct rate *rate, size_t bytes, uint64_t now_ns);
/* Reserve and wait. False if cancel became true meanwhile. */
bool rate_wait(struct rate *rate, size_t bytes, const atomic_bool *cancel)
	__attribute__((warn_unused_result));
