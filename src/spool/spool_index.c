/* SPDX-License-Identifier: Apache-2.0 */
/* The list of whole segments: a cache of what is in the folders, and what has to go when it is too much. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/name.h"
#include "spool/spool_private.h"

#define FAILURES_BEFORE_HOLD 3
#define HOLD_EXPONENT_MAX    6 /* 64 seconds */

static void append(struct spool *spool, const char *name, enum spool_state state, uint64_t bytes)
{
	if (spool->count == spool->capacity) {
		spool->capacity = spool->capacity ? spool->capacity * 2 : 64;
		spool->entries = mem_realloc(spool->entries, spool->capacity,
					     sizeof *spool->entries);
	}
	spool->entries[spool->count++] =
		(struct spool_entry){ .name = mem_strdup(name), .state = state, .bytes = bytes };
}

/* Insert in name order; new segments are the newest, so this nearly always appends. */
void spool_index_insert(struct spool *spool, const char *name, enum spool_state state,
			uint64_t bytes)
{
	size_t place = spool->count;
	struct spool_entry entry;

	while (place > 0 && name_compare(spool->entries[place - 1].name, name) > 0)
		place--;
	append(spool, name, state, bytes);
	entry = spool->entries[spool->count - 1];
	memmove(&spool->entries[place + 1], &spool->entries[place],
		(spool->count - 1 - place) * sizeof *spool->entries);
	spool->entries[place] = entry;
}

struct spool_entry *spool_index_next(struct spool *spool, enum spool_order order, uint64_t now_ms,
				     uint64_t *ret_due_ms)
{
	struct spool_entry *held = NULL;

	*ret_due_ms = UINT64_MAX;
	for (size_t i = 0; i < spool->count; i++) {
		size_t place = order == SPOOL_OLDEST_FIRST ? i : spool->count - 1 - i;
		struct spool_entry *entry = &spool->entries[place];

		if (entry->is_claimed || entry->state == SPOOL_REJECTED)
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
	for (size_t i = 0; i < spool->count; i++)
		if (strcmp(spool->entries[i].name, name) == 0)
			return &spool->entries[i];
	return NULL;
}

void spool_index_delete(struct spool *spool, struct spool_entry *entry)
{
	size_t place = (size_t)(entry - spool->entries);

	free(entry->name);
	memmove(entry, entry + 1, (--spool->count - place) * sizeof *entry);
}

void spool_index_clear(struct spool *spool)
{
	while (spool->count > 0)
		free(spool->entries[--spool->count].name);
}

/* List one of the folders of whole segments, behind what is in the list. */
static int list_folder(struct spool *spool, enum spool_state state, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, state, err);
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir))) {
		struct stat st;

		if (item->d_name[0] == '.' ||
		    fstatat(spool->folder_fd[state], item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		append(spool, item->d_name, state, (uint64_t)st.st_size);
	}
	return 0;
}

/* By name; of one that is there twice, the claimed one first, then the one that is nearer to be sent. */
static int compare_entries(const void *a, const void *b)
{
	const struct spool_entry *left = a, *right = b;
	int order = name_compare(left->name, right->name);

	if (order == 0)
		order = right->is_claimed - left->is_claimed;
	return order != 0 ? order : (int)left->state - (int)right->state;
}

/* Of the first `known` entries those that are claimed stay; the rest was listed just now. */
static void replace_known(struct spool *spool, size_t known)
{
	size_t kept = 0;

	for (size_t i = 0; i < spool->count; i++)
		if (i < known && !spool->entries[i].is_claimed)
			free(spool->entries[i].name);
		else
			spool->entries[kept++] = spool->entries[i];
	spool->count = kept;
	if (kept == 0)
		return;
	qsort(spool->entries, spool->count, sizeof *spool->entries, compare_entries);
	kept = 1;
	for (size_t i = 1; i < spool->count; i++)
		if (strcmp(spool->entries[i].name, spool->entries[kept - 1].name) == 0)
			free(spool->entries[i].name);
		else
			spool->entries[kept++] = spool->entries[i];
	spool->count = kept;
}

int spool_rescan(struct spool *spool, struct error *err)
{
	size_t known;
	int result = 0;

	(void)pthread_mutex_lock(&spool->lock);
	known = spool->count;
	for (enum spool_state state = SPOOL_READY; state <= SPOOL_REJECTED && result == 0; state++)
		result = list_folder(spool, state, err);
	if (result == 0)
		replace_known(spool, known);
	while (result < 0 && spool->count > known)
		free(spool->entries[--spool->count].name);
	(void)pthread_mutex_unlock(&spool->lock);
	spool_tell(spool, false);
	return result;
}

/* Delete one segment for want of room. Those in rejected/ were counted when they came there. */
static int delete_for_room(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	struct segment segment = { 0 };
	struct error reading;

	if (spool_facts_read(spool, entry->name, &segment, &reading) < 0)
		log_debug("segment has no facts", log_reason(&reading));
	if (unlinkat(spool->folder_fd[entry->state], entry->name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", entry->name);
	if (entry->state == SPOOL_READY) {
		counters_discard(spool->counters, segment.interface, DROP_BUDGET, segment.packets);
		spool->carried_drops[DROP_BUDGET] += segment.packets;
		for (int i = 0; i < DROP_REASON_COUNT; i++)
			spool->carried_drops[i] += segment.drops[i];
	}
	log_warning("segment deleted, the spool is over its limits", log_text("name", entry->name),
		    log_text("folder", spool_folder_names[entry->state]),
		    log_number("packets", segment.packets), log_number("bytes", entry->bytes));
	spool_facts_remove(spool, entry->name);
	spool_index_delete(spool, entry);
	return 0;
}

void spool_set_budget(struct spool *spool, const struct budget *budget)
{
	(void)pthread_mutex_lock(&spool->budget_lock);
	spool->budget = *budget;
	(void)pthread_mutex_unlock(&spool->budget_lock);
}

static struct budget get_budget(struct spool *spool)
{
	struct budget budget;

	(void)pthread_mutex_lock(&spool->budget_lock);
	budget = spool->budget;
	(void)pthread_mutex_unlock(&spool->budget_lock);
	return budget;
}

int spool_enforce(struct spool *spool, struct error *err)
{
	static const enum spool_state deletion_order[] = { SPOOL_REJECTED, SPOOL_READY };
	const struct budget budget = get_budget(spool);
	struct budget_state state = { 0 };
	cleanup_free uint64_t *sizes = NULL;
	size_t candidates = 0, excess;
	struct statvfs fs;
	bool is_short;
	int result = 0;

	(void)pthread_mutex_lock(&spool->lock);
	if (fstatvfs(spool->root_fd, &fs) == 0) {
		state.disk_total = (uint64_t)fs.f_blocks * fs.f_frsize;
		state.disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
		spool->disk_free = state.disk_free;
		spool->disk_total = state.disk_total;
	}
	sizes = mem_calloc(spool->count, sizeof *sizes);
	for (size_t i = 0; i < spool->count; i++) {
		state.segments++;
		state.bytes += spool->entries[i].bytes;
	}
	for (size_t step = 0; step < 2; step++)
		for (size_t i = 0; i < spool->count; i++)
			if (spool->entries[i].state == deletion_order[step])
				sizes[candidates++] = spool->entries[i].bytes;
	excess = budget_excess(&budget, state, sizes, candidates, &is_short);
	for (size_t step = 0; step < 2; step++)
		for (size_t i = 0; i < spool->count && excess > 0 && result == 0;) {
			if (spool->entries[i].state != deletion_order[step]) {
				i++;
				continue;
			}
			excess--;
			result = delete_for_room(spool, &spool->entries[i], err);
		}
	atomic_store(&spool->is_full, is_short);
	(void)pthread_mutex_unlock(&spool->lock);
	return result;
}

void spool_hurry(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count; i++)
		spool->entries[i].not_before_ms = 0;
	(void)pthread_mutex_unlock(&spool->lock);
	spool_tell(spool, false);
}

bool spool_is_full(const struct spool *spool)
{
	return atomic_load_explicit(&spool->is_full, memory_order_relaxed);
}

bool spool_totals(struct spool *spool, struct spool_totals *ret_totals)
{
	struct spool_totals totals = { 0 };

	if (pthread_mutex_trylock(&spool->lock) != 0)
		return false;
	totals.disk_free = spool->disk_free;
	totals.disk_total = spool->disk_total;
	for (size_t i = 0; i < spool->count; i++) {
		const struct spool_entry *entry = &spool->entries[i];

		totals.ready += entry->state == SPOOL_READY;
		totals.sending += entry->state == SPOOL_SENDING;
		totals.rejected += entry->state == SPOOL_REJECTED;
		totals.bytes += entry->bytes;
		/* In name order, so by time. */
		if (totals.oldest_ns == 0 && entry->state != SPOOL_REJECTED)
			totals.oldest_ns = name_start_ns(entry->name);
	}
	(void)pthread_mutex_unlock(&spool->lock);
	*ret_totals = totals;
	return true;
}
