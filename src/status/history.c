/* SPDX-License-Identifier: Apache-2.0 */
#include "status/history.h"

#include "base/clock.h"
#include "base/mem.h"

struct history {
	struct history_sample samples[HISTORY_SAMPLES];
	size_t oldest, count;
};

struct history *history_new(void)
{
	return mem_calloc(1, sizeof(struct history));
}

struct history *history_free(struct history *history)
{
	free(history);
	return NULL;
}

struct history_sample history_look(const struct status_snapshot *facts)
{
	const struct counters *counters = facts->counters;
	struct drops drops = counters_drops(counters->drops);
	uint64_t oldest_ns = facts->spool.oldest_ns;
	struct history_sample sample = {
		.ms = facts->now_ms,
		.packets = counter_read(&counters->packets),
		.bytes = counter_read(&counters->bytes),
		.sent = counters_sent(counters),
		.drops = drops_sum(&drops),
		.uploaded_bytes = counter_read(&counters->bytes_uploaded),
	};

	if (oldest_ns > 0 && facts->real_ns > oldest_ns)
		sample.lag_ms = (facts->real_ns - oldest_ns) / CLOCK_NS_PER_MS;
	return sample;
}

size_t history_count(const struct history *history)
{
	return history->count;
}

const struct history_sample *history_at(const struct history *history, size_t place)
{
	return &history->samples[(history->oldest + place) % HISTORY_SAMPLES];
}

bool history_is_due(const struct history *history, uint64_t now_ms)
{
	return history->count == 0 ||
	       now_ms >= history_at(history, history->count - 1)->ms + HISTORY_STEP_MS;
}

void history_add(struct history *history, const struct history_sample *sample)
{
	if (history->count < HISTORY_SAMPLES)
		history->count++;
	else
		history->oldest = (history->oldest + 1) % HISTORY_SAMPLES;
	history->samples[(history->oldest + history->count - 1) % HISTORY_SAMPLES] = *sample;
}
