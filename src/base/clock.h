/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The monotonic clock for durations, and real time (UTC) for timestamps. Never blocks, never fails. */

#include <stdint.h>

#define CLOCK_NS_PER_S  UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_MS_PER_S  UINT64_C(1000)

uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_ms(void);
/* Nanoseconds since 1970-01-01 UTC; jumps when the clock is set. */
uint64_t clock_real_ns(void);
