/* SPDX-License-Identifier: Apache-2.0 */
#include "status/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

const char *status_phase_name(enum status_phase phase)
{
	static const char *const names[] = {
		[STATUS_STARTING] = "starting",
		[STATUS_RECORDING] = "recording",
		[STATUS_STOPPING] = "stopping",
	};

	return names[phase];
}

uint64_t snapshot_waiting_ms(const struct status_snapshot *snapshot)
{
	uint64_t oldest_ns = snapshot->spool.oldest_ns;

	if (oldest_ns == 0 || snapshot->real_ns < oldest_ns)
		return 0;
	return (snapshot->real_ns - oldest_ns) / CLOCK_NS_PER_MS;
}

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
