/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include <stdio.h>
#include <string.h>

#define ALL_WINDOW_MS (UINT64_MAX / 2)

const char *const status_phases[STATUS_PHASES] = { "starting", "recording", "stopping" };

struct visiting {
	const struct status_snapshot *snapshot;
	void (*visit)(void *context, const struct interface_counters *interface);
	void *context;
	bool is_visited[STATUS_MISSING_MAX]; /* of those that are missing */
};

/* Its place among those that are missing, or their number. */
static size_t find_missing(const struct status_snapshot *snapshot, const char *name)
{
	size_t place = 0;

	while (place < snapshot->missing_count && strcmp(snapshot->missing[place], name) != 0)
		place++;
	return place;
}

bool snapshot_is_missing(const struct status_snapshot *snapshot, const char *name)
{
	return find_missing(snapshot, name) < snapshot->missing_count;
}

static void visit_counted(void *context, const struct interface_counters *interface)
{
	struct visiting *visiting = context;
	size_t place = find_missing(visiting->snapshot, interface->name);
	bool is_missing = place < visiting->snapshot->missing_count;

	if (interface->users == 0 && !is_missing)
		return;
	if (is_missing)
		visiting->is_visited[place] = true;
	visiting->visit(visiting->context, interface);
}

void snapshot_each_interface(const struct status_snapshot *snapshot,
			     void (*visit)(void *context,
					   const struct interface_counters *interface),
			     void *context)
{
	struct visiting visiting = { .snapshot = snapshot, .visit = visit, .context = context };

	counters_each_interface(snapshot->counters, visit_counted, &visiting);
	for (size_t i = 0; i < snapshot->missing_count; i++) {
		struct interface_counters nothing = { .all = snapshot->counters };

		if (visiting.is_visited[i])
			continue;
		(void)snprintf(nothing.name, sizeof nothing.name, "%s", snapshot->missing[i]);
		visit(context, &nothing);
	}
}

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

struct forecast snapshot_forecast(const struct status_snapshot *snapshot)
{
	const struct conf *conf = snapshot->conf;
	struct forecast forecast = { .seconds = -1 };
	/* What is kept makes room for what is new. */
	uint64_t kept_bytes = snapshot->spool.kept_bytes;
	double bytes = (double)snapshot->spool.room_bytes + (double)kept_bytes, seconds,
	       segments = (double)snapshot->spool.room_inodes / SPOOL_FILES_PER_SEGMENT +
			  (double)snapshot->spool.kept,
	       left = 0, fastest = 0;
	struct series_sample all;

	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && *snapshot->series->interfaces[i].name;
	     i++) {
		double rate = segments_per_second(conf, &snapshot->series->interfaces[i]);

		forecast.segments += rate;
		fastest = rate > fastest ? rate : fastest;
	}
	if (!series_since(&snapshot->series->all, ALL_WINDOW_MS, &all))
		return forecast;
	forecast.ms = all.ms;
	if (all.packed == 0 || forecast.segments <= 0)
		return forecast;
	forecast.packed_bytes = series_rate(all.packed, all.ms);
	if (conf->spool_max_size > 0) {
		uint64_t taken = snapshot->spool.bytes - kept_bytes;
		double budget = conf->spool_max_size > taken
					? (double)(conf->spool_max_size - taken)
					: 0;

		bytes = budget < bytes ? budget : bytes;
	}
	seconds = bytes / forecast.packed_bytes;
	segments /= forecast.segments;
	seconds = segments < seconds ? segments : seconds;
	/* The limit is each interface's: the one that has the most may be the one that makes the most. */
	if (conf->spool_max_segments > snapshot->spool.fullest)
		left = (double)(conf->spool_max_segments - snapshot->spool.fullest) / fastest;
	forecast.seconds = left < seconds ? left : seconds;
	return forecast;
}
