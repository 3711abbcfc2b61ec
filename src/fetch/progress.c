/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define WIDTH       32
#define INTERVAL_MS UINT64_C(200)
#define TIME_OF_DAY 11

struct progress progress_begin(bool is_quiet, uint64_t total_bytes)
{
	return (struct progress){ .is_shown = !is_quiet && isatty(STDERR_FILENO),
				  .total_bytes = total_bytes,
				  .began_ms = clock_monotonic_ms() };
}

void progress_show(void *context, uint64_t bytes, uint64_t time_ns)
{
	struct progress *progress = context;
	uint64_t now_ms = clock_monotonic_ms(), took_ms = now_ms - progress->began_ms;
	char read[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX], rate[TEXT_SIZE_MAX], time[TEXT_TIME_MAX];
	char bar[WIDTH + 1] = "";
	uint64_t part = progress->total_bytes > 0 ? bytes * WIDTH / progress->total_bytes : WIDTH;

	if (!progress->is_shown || now_ms - progress->shown_ms < INTERVAL_MS)
		return;
	progress->shown_ms = now_ms;
	for (unsigned i = 0; i < WIDTH; i++)
		bar[i] = i < part ? '#' : '.';
	text_format_size(bytes, read);
	text_format_size(progress->total_bytes, total);
	text_format_size(took_ms > 0 ? bytes * CLOCK_MS_PER_S / took_ms : 0, rate);
	text_format_rfc3339(time_ns, time);
	(void)fprintf(stderr, "\r\033[K[%s] %s of %s, %s/s, %.8s", bar, read, total, rate,
		      time + TIME_OF_DAY);
	(void)fflush(stderr);
}

void progress_end(const struct progress *progress)
{
	if (progress->is_shown)
		(void)fputs("\r\033[K", stderr);
}
