/* SPDX-License-Identifier: Apache-2.0 */
#include "base/counters.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

const uint64_t histogram_ms_bounds[HISTOGRAM_BOUNDS] = {
	50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000
};
const uint64_t histogram_bytes_bounds[HISTOGRAM_BOUNDS] = {
	1000,     10000,    100000,   1000000,   2500000,   5000000,
	10000000, 25000000, 50000000, 100000000, 250000000, 1000000000,
};

void histogram_add(struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS],
		   uint64_t value)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && value > bounds[i])
		i++;
	counter_add(&histogram->buckets[i], 1);
	counter_add(&histogram->sum, value);
}

struct drops counters_drops(const counter drops[DROP_REASON_COUNT])
{
	struct drops now;

	for (int i = 0; i < DROP_REASON_COUNT; i++)
		now.count[i] = counter_read(&drops[i]);
	return now;
}

uint64_t counters_sum_sent(const counter *packets, const counter *discarded,
			   const counter drops[DROP_REASON_COUNT])
{
	struct drops now = counters_drops(drops);
	uint64_t sent = counter_read(packets) - counter_read(discarded) + drops_sum(&now);

	/* Discarded and dropped packets are added one after the other, so the sum may briefly be negative. */
	return sent > INT64_MAX ? 0 : sent;
}

void counters_add_upload(struct counters *counters, uint64_t bytes, uint64_t ms)
{
	counter_add(&counters->segments_uploaded, 1);
	counter_add(&counters->bytes_uploaded, bytes);
	histogram_add(&counters->upload_ms, histogram_ms_bounds, ms);
	histogram_add(&counters->upload_bytes, histogram_bytes_bounds, bytes);
	atomic_store(&counters->uploaded_last_ns, clock_real_ns());
}

void counters_init(struct counters *counters)
{
	*counters = (struct counters){ 0 };
	(void)pthread_mutex_init(&counters->lock, NULL);
	(void)pthread_mutex_init(&counters->level_lock, NULL);
	counters->other_interfaces.all = counters;
	(void)snprintf(counters->other_interfaces.name, sizeof counters->other_interfaces.name,
		       "other");
}

void counters_done(struct counters *counters)
{
	(void)pthread_mutex_destroy(&counters->lock);
	(void)pthread_mutex_destroy(&counters->level_lock);
}

/*
 * The place of this name, or else a free one, or else that of the interface returned longest ago. Requires the
 * lock.
 */
static struct interface_counters *find_or_make(struct counters *counters, const char *name)
{
	struct interface_counters *other = &counters->other_interfaces, *place = NULL;
	/* A segment without metadata has no name, and an interface may be named like this. */
	bool is_other = !*name || strcmp(name, other->name) == 0;

	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX && !is_other; i++) {
		struct interface_counters *each = &counters->interfaces[i];

		if (strcmp(each->name, name) == 0)
			return each;
		if (!each->name[0]) {
			place = each; /* places are taken in order, so the name is not in the table */
			break;
		}
		if (each->users == 0 && (!place || each->returned_ms < place->returned_ms))
			place = each;
	}
	if (!place) {
		counters->has_other_interfaces = true;
		return other;
	}
	/* The totals keep what the previous interface counted. */
	*place = (struct interface_counters){ .all = counters };
	(void)snprintf(place->name, sizeof place->name, "%s", name);
	return place;
}

struct interface_counters *counters_take(struct counters *counters, const char *interface)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&counters->lock);
	struct interface_counters *place = find_or_make(counters, interface);

	place->users++;
	return place;
}

void counters_return(struct interface_counters *interface)
{
	(void)pthread_mutex_lock(&interface->all->lock);
	if (--interface->users == 0) {
		interface->returned_ms = clock_monotonic_ms();
		atomic_store(&interface->is_live, false);
		atomic_store(&interface->in_ring, 0);
		atomic_store(&interface->open_since_ns, 0);
	}
	(void)pthread_mutex_unlock(&interface->all->lock);
}

void counters_discard(struct counters *counters, const char *interface, enum drop_reason reason,
		      uint64_t packets)
{
	struct interface_counters *place = counters_take(counters, interface);

	interface_add(place, packets_discarded, packets);
	interface_add(place, drops[reason], packets);
	counters_return(place);
}

void counters_each_interface(struct counters *counters,
			     void (*visit)(void *context,
					   const struct interface_counters *interface),
			     void *context)
{
	(void)pthread_mutex_lock(&counters->lock);
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX && counters->interfaces[i].name[0]; i++)
		visit(context, &counters->interfaces[i]);
	if (counters->has_other_interfaces)
		visit(context, &counters->other_interfaces);
	(void)pthread_mutex_unlock(&counters->lock);
}

struct level_counters *counters_level(struct counters *counters, const char *codec,
				      const char *level)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&counters->level_lock);
	struct level_counters *place = counters->levels;

	while (place->codec && place < &counters->levels[COUNTERS_LEVELS_MAX - 1] &&
	       (strcmp(place->codec, codec) != 0 || strcmp(place->level, level) != 0))
		place++;
	if (!place->codec) {
		place->codec = codec;
		(void)snprintf(place->level, sizeof place->level, "%s", level);
	}
	return place;
}

size_t counters_levels(struct counters *counters)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&counters->level_lock);
	size_t count = 0;

	while (count < COUNTERS_LEVELS_MAX && counters->levels[count].codec)
		count++;
	return count;
}
