/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The pause before the next attempt: exponential with full jitter, from 1 s to 64 s, on top of what the server
 * asked for (at most 10 minutes). Pure; the caller passes random bits.
 */

#include <stdint.h>

/* In milliseconds, after this many failures in a row before this one; random is any 32 random bits. */
uint64_t backoff_ms(unsigned failures, uint64_t retry_after_ms, uint32_t random);
