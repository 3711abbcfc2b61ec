/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The pause before the next attempt: exponential with full jitter, from 1 s to 64 s, on top of what the server
 * asked for (at most 10 minutes). Pure; the caller passes random bits.
 */

#include <stdint.h>

struct backoff {
	unsigned failures; /* in a row */
};

/* Count a failure and return the pause in milliseconds; random is any 32 random bits. */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t retry_after_ms, uint32_t random);
/* An attempt succeeded. */
void backoff_reset(struct backoff *backoff);
