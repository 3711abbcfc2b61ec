/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of segments: a cache of what is in the folders. The caller holds the lock, but for
 * spool_hurry().
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "segment/name.h"
#include "spool/spool_private.h"

#define FAILURES_BEFORE_HOLD 3
#define HOLD_EXPONENT_MAX    6 /* 64 seconds */

/* Where the name is, or would have to be. */
static size_t place_of(const struct spool *spool, const char *name)
{
	size_t low = 0, high = spool->count;

	/* New segments are the newest. */
	if (high > 0 && name_compare(spool->entries[high - 1].name, name) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (name_compare(spool->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct spool_entry *spool_index_append(struct spool *spool, const char *name,
				       enum spool_state state)
{
	if (spool->count == spool->capacity) {
		spool->capacity = spool->capacity ? spool->capacity * 2 : 64;
		spool->entries = mem_realloc(spool->entries, spool->capacity,
					     sizeof *spool->entries);
	}
	spool->entries[spool->count] = (struct spool_entry){ .name = mem_strdup(name),
							     .state = state };
	return &spool->entries[spool->count++];
}

struct spool_entry *spool_index_insert(struct spool *spool, const char *name,
				       enum spool_state state)
{
	size_t place = place_of(spool, name);
	struct spool_entry entry = *spool_index_append(spool, name, state);

	memmove(&spool->entries[place + 1], &spool->entries[place],
		(spool->count - 1 - place) * sizeof *spool->entries);
	spool->entries[place] = entry;
	spool->counts[state]++;
	return &spool->entries[place];
}

void spool_index_set_state(struct spool *spool, struct spool_entry *entry, enum spool_state state)
{
	spool->counts[entry->state]--;
	spool->counts[state]++;
	entry->state = state;
}

struct spool_entry *spool_index_next(struct spool *spool, enum spool_order order, uint64_t now_ms,
				     uint64_t *ret_due_ms)
{
	struct spool_entry *held = NULL;

	*ret_due_ms = UINT64_MAX;
	for (size_t i = 0; i < spool->count; i++) {
		size_t place = order == SPOOL_OLDEST_FIRST ? i : spool->count - 1 - i;
		struct spool_entry *entry = &spool->entries[place];

		if (entry->is_claimed || entry->state == SPOOL_CAPTURING ||
		    entry->state == SPOOL_REJECTED)
			continue;
		if (entry->not_before_ms <= now_ms)
			return entry;
		if (!held)
			held = entry;
		if (entry->not_before_ms < *ret_due_ms)
			*ret_due_ms = entry->not_before_ms;
	}
	return order == SPOOL_NEWEST_FIRST ? held : NULL;
}

void spool_index_failed(struct spool_entry *entry, uint64_t now_ms)
{
	unsigned exponent = ++entry->failures;

	if (entry->failures < FAILURES_BEFORE_HOLD)
		return;
	if (exponent > HOLD_EXPONENT_MAX)
		exponent = HOLD_EXPONENT_MAX;
	entry->not_before_ms = now_ms + (CLOCK_MS_PER_S << exponent);
}

struct spool_entry *spool_index_find(struct spool *spool, const char *name)
{
	size_t place = place_of(spool, name);

	if (place == spool->count || strcmp(spool->entries[place].name, name) != 0)
		return NULL;
	return &spool->entries[place];
}

void spool_entry_set_attempt(struct spool_entry *entry, const char *text)
{
	if (entry->attempt)
		explicit_bzero(entry->attempt, strlen(entry->attempt));
	free(entry->attempt);
	entry->attempt = text ? mem_strdup(text) : NULL;
}

void spool_entry_done(struct spool_entry *entry)
{
	spool_entry_set_attempt(entry, NULL);
	free(entry->name);
}

void spool_index_delete(struct spool *spool, struct spool_entry *entry)
{
	size_t place = (size_t)(entry - spool->entries);

	spool->entry_bytes -= entry->bytes + entry->beside_bytes;
	spool->counts[entry->state]--;
	spool_entry_done(entry);
	memmove(entry, entry + 1, (--spool->count - place) * sizeof *entry);
}

void spool_index_clear(struct spool *spool)
{
	while (spool->count > 0)
		spool_entry_done(&spool->entries[--spool->count]);
}

void spool_hurry(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count; i++)
		spool->entries[i].not_before_ms = 0;
	(void)pthread_mutex_unlock(&spool->lock);
	spool_tell(spool, false);
}
