/* SPDX-License-Identifier: Apache-2.0 */
#include "status/trend.h"

#include <string.h>

#include "base/mem.h"
#include "netif/netdev.h"

struct trend *trend_new(void)
{
	return mem_calloc(1, sizeof(struct trend));
}

struct trend *trend_free(struct trend *trend)
{
	if (!trend)
		return NULL;
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1; i++)
		free(trend->interfaces[i]);
	free(trend);
	return NULL;
}

bool trend_is_due(const struct trend *trend, uint64_t now_ms)
{
	const struct trend_series *all = &trend->all;

	return all->count == 0 || now_ms >= all->samples[all->newest].ms + TREND_STEP_MS;
}

static void add_sample(struct trend_series *series, const struct trend_sample *sample)
{
	series->newest = (series->newest + 1) % TREND_SAMPLES;
	series->samples[series->newest] = *sample;
	if (series->count < TREND_SAMPLES)
		series->count++;
}

struct sampling {
	struct trend *trend;
	const char *system_table;
	struct trend_interest interest;
	uint64_t now_ms;
	size_t place;
};

/* The visits come in the order of the places, which belong to other interfaces now and then. */
static void sample_interface(void *context, const struct interface_counters *interface)
{
	struct sampling *sampling = context;
	struct trend_series **place = &sampling->trend->interfaces[sampling->place++];
	struct trend_sample sample = {
		.ms = sampling->now_ms,
		.packets = counter_read(&interface->packets),
		.bytes = counter_read(&interface->bytes),
		.sent = counters_sent(interface),
	};
	uint64_t in, out;

	for (int i = 0; i < DROP_REJECTED; i++)
		sample.drops += counter_read(&interface->drops[i]);
	sample.seen = sample.sent + counter_read(&interface->packets_own);
	if (netdev_packets(sampling->system_table, interface->name, &in, &out))
		sample.system = (sampling->interest.in ? in : 0) +
				(sampling->interest.out ? out : 0);
	if (!*place)
		*place = mem_calloc(1, sizeof **place);
	/* One that is not recorded any more, and maybe again later, has no past. */
	if (interface->users == 0 || strcmp((*place)->name, interface->name) != 0) {
		**place = (struct trend_series){ 0 };
		memcpy((*place)->name, interface->name, sizeof(*place)->name);
	}
	add_sample(*place, &sample);
}

static struct trend_sample sample_all(const struct counters *counters, uint64_t now_ms)
{
	struct trend_sample sample = {
		.ms = now_ms,
		.packets = counter_read(&counters->packets),
		.bytes = counter_read(&counters->bytes),
		.sent = counters_sent(counters),
	};

	for (int i = 0; i < DROP_REJECTED; i++)
		sample.drops += counter_read(&counters->drops[i]);
	sample.seen = sample.sent + counter_read(&counters->packets_own);
	for (size_t i = 0; i < COUNTERS_LEVELS_MAX; i++)
		sample.packed += counter_read(&counters->levels[i].bytes_after);
	return sample;
}

void trend_sample(struct trend *trend, struct counters *counters, const char *system_table,
		  struct trend_interest interest, uint64_t now_ms)
{
	struct sampling sampling = {
		.trend = trend,
		.system_table = system_table,
		.interest = interest,
		.now_ms = now_ms,
	};
	struct trend_sample sample = sample_all(counters, now_ms);

	add_sample(&trend->all, &sample);
	counters_each_interface(counters, sample_interface, &sampling);
}

const struct trend_series *trend_of(const struct trend *trend, const char *interface)
{
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && trend->interfaces[i]; i++)
		if (strcmp(trend->interfaces[i]->name, interface) == 0)
			return trend->interfaces[i];
	return NULL;
}

static uint64_t subtract(uint64_t new, uint64_t old)
{
	return new > old ? new - old : 0;
}

static struct trend_sample difference(const struct trend_sample *new,
				      const struct trend_sample *old)
{
	struct trend_sample result = {
		.ms = new->ms - old->ms,
		.packets = new->packets - old->packets,
		.bytes = new->bytes - old->bytes,
		.drops = new->drops - old->drops,
		.sent = subtract(new->sent, old->sent),
		.seen = subtract(new->seen, old->seen),
		/* An interface that was made anew counts from 0. */
		.system = subtract(new->system, old->system),
		.packed = new->packed - old->packed,
	};
	/* What is deleted may be of before the window. */
	if (result.sent < result.drops)
		result.sent = result.drops;
	return result;
}

bool trend_since(const struct trend_series *series, uint64_t window_ms,
		 struct trend_sample *ret_difference)
{
	const struct trend_sample *new = &series->samples[series->newest], *old = NULL;

	for (size_t back = 1; back < series->count; back++) {
		const struct trend_sample *each =
			&series->samples[(series->newest + TREND_SAMPLES - back) % TREND_SAMPLES];

		/* Samples come a little late: that must not halve what is seen of the window. */
		if (new->ms - each->ms > window_ms + TREND_STEP_MS / 2)
			break;
		old = each;
	}
	if (!old)
		return false;
	*ret_difference = difference(new, old);
	return true;
}

void trend_until_now(const struct trend *trend, const struct counters *counters, uint64_t window_ms,
		     uint64_t now_ms, struct trend_sample *ret_difference)
{
	const struct trend_series *all = &trend->all;
	struct trend_sample now = sample_all(counters, now_ms), start = { 0 };
	const struct trend_sample *old = &start;

	for (size_t back = 0; back < all->count && old == &start; back++) {
		const struct trend_sample *each =
			&all->samples[(all->newest + TREND_SAMPLES - back) % TREND_SAMPLES];

		if (now_ms - each->ms >= window_ms)
			old = each;
	}
	*ret_difference = difference(&now, old);
}
