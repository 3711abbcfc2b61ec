/* SPDX-License-Identifier: Apache-2.0 */
#include "status/forecast.h"

#define ALL_WINDOW_MS   (UINT64_MAX / 2)
#define SECONDS_AN_HOUR 3600.0

/* By size or by age, whichever is sooner. */
static double segments_per_second(const struct conf *conf, const struct series *series)
{
	double by_age = conf->segment_age > 0 ? 1.0 / (double)conf->segment_age : 0, by_size;
	struct series_sample all;

	if (!series_since(series, ALL_WINDOW_MS, &all) || (all.bytes == 0 && !conf->segment_empty))
		return 0;
	by_size = series_rate(all.bytes, all.ms) / (double)conf->segment_size;
	return by_size > by_age ? by_size : by_age;
}

struct forecast forecast_make(const struct status_snapshot *snapshot)
{
	const struct conf *conf = snapshot->conf;
	struct forecast forecast = { .hours = -1 };
	double bytes = (double)snapshot->spool.room_bytes, seconds,
	       segments = (double)snapshot->spool.room_inodes / BUDGET_FILES_PER_SEGMENT, left = 0;
	uint64_t count = snapshot->spool.ready + snapshot->spool.sending + snapshot->spool.rejected;
	struct series_sample all;

	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && *snapshot->series->interfaces[i].name;
	     i++)
		forecast.segments += segments_per_second(conf, &snapshot->series->interfaces[i]);
	if (!series_since(&snapshot->series->all, ALL_WINDOW_MS, &all))
		return forecast;
	forecast.ms = all.ms;
	if (all.packed == 0 || forecast.segments <= 0)
		return forecast;
	forecast.packed_bytes = series_rate(all.packed, all.ms);
	if (conf->spool_max_size > 0) {
		double budget = conf->spool_max_size > snapshot->spool.bytes
					? (double)(conf->spool_max_size - snapshot->spool.bytes)
					: 0;

		bytes = budget < bytes ? budget : bytes;
	}
	seconds = bytes / forecast.packed_bytes;
	if (conf->spool_max_segments > count)
		left = (double)(conf->spool_max_segments - count);
	segments = (left < segments ? left : segments) / forecast.segments;
	forecast.hours = (segments < seconds ? segments : seconds) / SECONDS_AN_HOUR;
	return forecast;
}
