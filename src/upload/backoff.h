/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How long to wait before the next attempt: exponential with full jitter, from 1 s to 64 s, never less
 * than what the server asked for (at most 10 minutes are honoured). Pure but for the caller's random bits.
 */

#include <stdint.h>

struct backoff {
	unsigned failures; /* in a row */
};

/* Count a failure and return the pause in milliseconds; random is any 32 random bits. */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t retry_after_ms, uint32_t random);
/* Something went through. */
void backoff_reset(struct backoff *backoff);
