/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A bar on a terminal, for whoever waits. Used by one thread at a time. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_shown;
	uint64_t total_bytes, began_ms, shown_ms;
};

/* Shown on standard error, if that is a terminal. */
struct progress progress_begin(bool is_quiet, uint64_t total_bytes);
/* So much was read, up to packets of this time. */
void progress_show(void *progress, uint64_t bytes, uint64_t time_ns);
void progress_end(const struct progress *progress);
