/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How far real time can be trusted, as the kernel knows it from the program that sets the clock (chrony, systemd-timesyncd,
 * ntpd). Needs no rights; never blocks, never fails.
 */

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_SYNC_MAX 48

/*
 * "synchronised, error 1.2 ms", "unsynchronised, error 16000.0 ms": the error is the largest that is possible. "unknown"
 * where a sandbox refuses adjtimex(2).
 */
void clock_sync_describe(char out[CLOCK_SYNC_MAX]);

/* The text for these; the error in microseconds is rounded up, so that it is never understated. */
void clock_sync_format(bool is_synchronised, uint64_t error_us, char out[CLOCK_SYNC_MAX]);
