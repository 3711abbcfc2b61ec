/* SPDX-License-Identifier: Apache-2.0 */
#include "status/series.h"

#include <string.h>

#include "base/mem.h"
#include "netif/netif.h"
#include "status/status.h"

#define RATE_WINDOW_MS UINT64_C(10000)

struct series_set *series_new(void)
{
	struct series_set *set = mem_calloc(1, sizeof *set);
	size_t count = COUNTERS_INTERFACES_MAX + 1;

	set->hour = (struct series){ .samples = set->hour_samples,
				     .capacity = SERIES_HOUR_SAMPLES };
	set->all = (struct series){ .samples = set->minutes[count],
				    .capacity = SERIES_MINUTES_SAMPLES };
	for (size_t i = 0; i < count; i++)
		set->interfaces[i] = (struct series){ .samples = set->minutes[i],
						      .capacity = SERIES_MINUTES_SAMPLES };
	return set;
}

static void add_sample(struct series *series, const struct series_sample *sample)
{
	series->newest = (series->newest + 1) % series->capacity;
	series->samples[series->newest] = *sample;
	if (series->count < series->capacity)
		series->count++;
}

const struct series_sample *series_back(const struct series *series, size_t back)
{
	if (back >= series->count)
		return NULL;
	return &series->samples[(series->newest + series->capacity - back) % series->capacity];
}

static bool is_due(const struct series *series, uint64_t step_ms, uint64_t now_ms)
{
	const struct series_sample *newest = series_back(series, 0);

	return !newest || now_ms >= newest->ms + step_ms;
}

bool series_are_due(const struct series_set *set, uint64_t now_ms)
{
	return is_due(&set->all, SERIES_MINUTES_STEP_MS, now_ms) ||
	       is_due(&set->hour, SERIES_HOUR_STEP_MS, now_ms);
}

/* Rejected segments are kept: their packets are not lost yet. */
static uint64_t count_lost(const counter drops[DROP_REASON_COUNT])
{
	struct drops lost = counters_drops(drops);

	lost.count[DROP_REJECTED] = 0;
	return drops_sum(&lost);
}

struct series_sample series_look(const struct status_snapshot *snapshot)
{
	const struct counters *counters = snapshot->counters;
	struct series_sample sample = {
		.ms = snapshot->now_ms,
		.packets = counter_read(&counters->packets),
		.bytes = counter_read(&counters->bytes),
		.sent = counters_sent(counters),
		.drops = count_lost(counters->drops),
		.reasons = counters_drops(counters->drops),
		.uploaded = counter_read(&counters->bytes_uploaded),
		.lag_ms = snapshot_waiting_ms(snapshot),
	};

	sample.seen = sample.sent + counter_read(&counters->packets_own);
	for (size_t i = 0; i < COUNTERS_LEVELS_MAX; i++)
		sample.packed += counter_read(&counters->levels[i].bytes_after);
	return sample;
}

struct sampling {
	struct series *next;
	const char *system_table;
	const struct status_snapshot *snapshot;
};

/* The visits come in the order of the series, which belong to other interfaces now and then. */
static void sample_interface(void *context, const struct interface_counters *interface)
{
	struct sampling *sampling = context;
	struct series *series = sampling->next++;
	uint64_t direction = sampling->snapshot->conf->capture_direction, in, out;
	struct series_sample sample = {
		.ms = sampling->snapshot->now_ms,
		.packets = counter_read(&interface->packets),
		.bytes = counter_read(&interface->bytes),
		.sent = counters_sent(interface),
		.drops = count_lost(interface->drops),
	};

	sample.seen = sample.sent + counter_read(&interface->packets_own);
	if (netdev_packets(sampling->system_table, interface->name, &in, &out))
		sample.system = (direction != CONF_DIRECTION_OUT ? in : 0) +
				(direction != CONF_DIRECTION_IN ? out : 0);
	/* One that is not recorded any more, and maybe again later, has no past. */
	if (interface->users == 0 || strcmp(series->name, interface->name) != 0) {
		series->count = 0;
		memcpy(series->name, interface->name, sizeof series->name);
	}
	add_sample(series, &sample);
}

void series_take(struct series_set *set, const struct status_snapshot *snapshot,
		 const char *system_table)
{
	struct sampling sampling = { set->interfaces, system_table, snapshot };
	struct series_sample sample = series_look(snapshot);

	if (is_due(&set->hour, SERIES_HOUR_STEP_MS, snapshot->now_ms))
		add_sample(&set->hour, &sample);
	if (!is_due(&set->all, SERIES_MINUTES_STEP_MS, snapshot->now_ms))
		return;
	add_sample(&set->all, &sample);
	counters_each_interface(snapshot->counters, sample_interface, &sampling);
}

const struct series *series_of(const struct series_set *set, const char *interface)
{
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && *set->interfaces[i].name; i++)
		if (strcmp(set->interfaces[i].name, interface) == 0)
			return &set->interfaces[i];
	return NULL;
}

static uint64_t subtract(uint64_t new, uint64_t old)
{
	return new > old ? new - old : 0;
}

static struct series_sample difference(const struct series_sample *new,
				       const struct series_sample *old)
{
	struct series_sample result = {
		.ms = new->ms - old->ms,
		.packets = new->packets - old->packets,
		.bytes = new->bytes - old->bytes,
		.drops = new->drops - old->drops,
		.sent = subtract(new->sent, old->sent),
		.seen = subtract(new->seen, old->seen),
		/* An interface that was made again counts from 0. */
		.system = subtract(new->system, old->system),
		.packed = new->packed - old->packed,
		.uploaded = new->uploaded - old->uploaded,
		.lag_ms = new->lag_ms,
	};
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		result.reasons.count[i] = new->reasons.count[i] - old->reasons.count[i];
	/* What is deleted may be older than the window. */
	if (result.sent < result.drops)
		result.sent = result.drops;
	return result;
}

bool series_since(const struct series *series, uint64_t window_ms,
		  struct series_sample *ret_difference)
{
	const struct series_sample *new = series_back(series, 0), *old = NULL, *each;

	for (size_t back = 1; (each = series_back(series, back)); back++) {
		/* Samples come a little late: that must not halve what is seen of the window. */
		if (new->ms - each->ms > window_ms + SERIES_MINUTES_STEP_MS / 2)
			break;
		old = each;
	}
	if (!old)
		return false;
	*ret_difference = difference(new, old);
	return true;
}

struct series_sample series_last_minute(const struct status_snapshot *snapshot)
{
	const struct series_sample start = { .ms = snapshot->started_ms },
				   now = series_look(snapshot), *old = &start, *each;

	for (size_t back = 0; (each = series_back(&snapshot->series->all, back)) && old == &start;
	     back++)
		if (now.ms - each->ms >= STATUS_LOSS_MS)
			old = each;
	return difference(&now, old);
}

bool series_now(const struct series_set *set, const char *interface,
		struct series_sample *ret_difference)
{
	const struct series *series = series_of(set, interface);

	return series && series_since(series, RATE_WINDOW_MS, ret_difference);
}

double series_rate(uint64_t amount, uint64_t ms)
{
	return ms > 0 ? (double)amount * CLOCK_MS_PER_S / (double)ms : 0;
}
