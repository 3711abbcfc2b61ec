/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the lines of the log go. Nobody who logs waits for whoever reads: a line is queued, and a thread of its own
 * writes it and waits. Of what nobody reads the queue keeps a bounded part; the rest is dropped and counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_target {
	LOG_TARGET_STDERR, /* a line with its end */
	LOG_TARGET_JOURNAL, /* the line for standard error, then fields KEY=value; a '\0' behind each */
};

/* Never blocks. Until the thread is there, lines that standard error takes at once are written at once. */
void log_output(enum log_target target, const char *entry, size_t length);

/* Called by the thread when there is room again, with the lines dropped until then; it may log. */
typedef void log_dropped_function(uint64_t lines);
/* Start the thread, which inherits blocked signals and rights. Without one (no memory), lines wait for the end. */
void log_output_start(log_dropped_function *state_dropped);
/* Wait until everything is written, but no longer than patience_ms. */
void log_output_end(unsigned patience_ms);
bool log_output_has_journal(void);
/* Lines dropped since the start. */
uint64_t log_output_dropped(void);
