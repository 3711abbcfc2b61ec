/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Times as people type them, and the window of a search. Pure but for the C library's time zone, which "local" and the
 * words in brackets are about; any thread.
 *
 *   2026-11-23T14:02:10.5Z  2026-11-23 15:02:10+01:00  2026-11-23T14:02  2026-11-23 (where the day begins)
 *   14:02  14:02:10.5  14:02Z  15:02+01:00  15:02 local      20261123T140210.123Z (as in the names of files)
 *   10m ago  1h30m ago  -10m  2 hours ago  now               @1795429330 (seconds since 1970)
 *
 * Without a zone a time is UTC, as in the names of files. A time without its day is the last such time; as the end of
 * a window, the first such time from its beginning on. More than 12 hours away from now it is refused, because what
 * was meant is then another zone, or another day.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* [from, to), in real time. */
struct window {
	uint64_t from_ns, to_ns;
	bool is_cut; /* its end was in the future, and is now */
};

/*
 * From what was typed behind --from, --to, --around and --window; NULL: it was not. Either from, and to if it is not
 * now; or around, and the window before and after it, if it is not "2m". ERROR_USAGE, with one line that says what to
 * type.
 */
int window_parse(const char *from, const char *to, const char *around, const char *window,
		 uint64_t now_ns, struct window *ret_window, struct error *err)
	__attribute__((warn_unused_result));

/* "window 2026-11-23T14:02:00Z to 14:05:00Z (15:02:00 to 15:05:00 here)" */
void window_describe(const struct window *window, struct text *out);

/*
 * "14:03:10.2" (UTC), to the millisecond, behind its day where that is not the one of beside_ns; out has
 * TEXT_TIME_MAX bytes.
 */
void when_format(uint64_t real_ns, uint64_t beside_ns, char *out);
