/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock_sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/timex.h>

#define US_PER_TENTH_MS 100

void clock_sync_format(bool is_synchronised, uint64_t error_us, char out[CLOCK_SYNC_MAX])
{
	uint64_t tenths = error_us / US_PER_TENTH_MS + (error_us % US_PER_TENTH_MS > 0);

	(void)snprintf(out, CLOCK_SYNC_MAX, "%ssynchronised, error %" PRIu64 ".%u ms",
		       is_synchronised ? "" : "un", tenths / 10, (unsigned)(tenths % 10));
}

void clock_sync_describe(char out[CLOCK_SYNC_MAX])
{
	struct timex timex = { .modes = 0 }; /* read only */
	int state = adjtimex(&timex);

	if (state < 0)
		(void)snprintf(out, CLOCK_SYNC_MAX, "unknown");
	else
		clock_sync_format(state != TIME_ERROR && !(timex.status & STA_UNSYNC),
				  timex.maxerror > 0 ? (uint64_t)timex.maxerror : 0, out);
}
