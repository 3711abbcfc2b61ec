/* SPDX-License-Identifier: Apache-2.0 */
/* The list of segments, a cache of what is in the folders; and what they take. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "spool/spool_private.h"

#define FAILURES_BEFORE_HOLD 3
#define HOLD_EXPONENT_MAX    6 /* 64 seconds */

/* Where the name is, or would have to be. */
static size_t find_place(const struct spool *spool, const char *name)
{
	size_t low = 0, high = spool->count;

	/* New segments are the newest. */
	if (high > 0 && name_compare(spool->entries[high - 1]->name, name) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (name_compare(spool->entries[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct spool_interface *spool_interface_find(const struct spool *spool, const char *name)
{
	struct spool_interface *interface = spool->interfaces;

	while (interface && strcmp(interface->name, name) != 0)
		interface = interface->next;
	return interface;
}

/* That of a segment's name, which has another entry now. */
static struct spool_interface *take_interface(struct spool *spool, const char *segment_name)
{
	struct spool_interface *interface;
	char name[SEGMENT_INTERFACE_MAX + 1] = "";
	struct name_parts parts;

	if (name_parse(segment_name, &parts))
		(void)snprintf(name, sizeof name, "%.*s", (int)parts.interface_length,
			       parts.interface);
	interface = spool_interface_find(spool, name);
	if (!interface) {
		interface = mem_calloc(1, sizeof *interface);
		memcpy(interface->name, name, sizeof name);
		(void)pthread_mutex_lock(&spool->budget_lock);
		interface->next = spool->interfaces;
		spool->interfaces = interface;
		(void)pthread_mutex_unlock(&spool->budget_lock);
	}
	interface->entries++;
	return interface;
}

static void return_interface(struct spool *spool, struct spool_interface *interface)
{
	struct spool_interface **place = &spool->interfaces;

	if (--interface->entries > 0)
		return;
	while (*place != interface)
		place = &(*place)->next;
	(void)pthread_mutex_lock(&spool->budget_lock);
	*place = interface->next;
	(void)pthread_mutex_unlock(&spool->budget_lock);
	free(interface);
}

static void count_in(struct spool *spool, struct spool_entry *entry)
{
	spool->counts[entry->folder]++;
	if (entry->folder == SPOOL_KEPT)
		spool->kept_bytes += entry->bytes + entry->sidecar_bytes;
	else
		entry->interface->finished += entry->folder != SPOOL_CAPTURING;
}

static void count_out(struct spool *spool, struct spool_entry *entry)
{
	spool->counts[entry->folder]--;
	if (entry->folder == SPOOL_KEPT)
		spool->kept_bytes -= entry->bytes + entry->sidecar_bytes;
	else
		entry->interface->finished -= entry->folder != SPOOL_CAPTURING;
}

void spool_entries_count(struct spool *spool)
{
	struct spool_interface *interface;

	memset(spool->counts, 0, sizeof spool->counts);
	spool->kept_bytes = 0;
	for (interface = spool->interfaces; interface; interface = interface->next)
		interface->finished = 0;
	for (size_t i = 0; i < spool->count; i++)
		count_in(spool, spool->entries[i]);
}

struct spool_entry *spool_entries_append(struct spool *spool, const char *name,
					 enum spool_folder folder)
{
	struct spool_entry *entry = mem_calloc(1, sizeof *entry);

	if (spool->count == spool->capacity) {
		spool->capacity *= 2;
		spool->entries = mem_realloc(spool->entries, spool->capacity,
					     sizeof(struct spool_entry *));
	}
	entry->name = mem_strdup(name);
	entry->folder = folder;
	entry->interface = take_interface(spool, name);
	spool->entries[spool->count++] = entry;
	return entry;
}

struct spool_entry *spool_entries_insert(struct spool *spool, const char *name,
					 enum spool_folder folder)
{
	size_t place = find_place(spool, name);
	struct spool_entry *entry = spool_entries_append(spool, name, folder);

	memmove(&spool->entries[place + 1], &spool->entries[place],
		(spool->count - 1 - place) * sizeof(struct spool_entry *));
	spool->entries[place] = entry;
	count_in(spool, entry);
	return entry;
}

struct spool_entry *spool_entries_first(struct spool *spool, enum spool_folder folder,
					const struct spool_interface *interface, uint64_t now_ms)
{
	for (size_t i = 0; i < spool->count && spool->counts[folder] > 0; i++)
		if (spool->entries[i]->folder == folder &&
		    (!interface || spool->entries[i]->interface == interface) &&
		    !spool->entries[i]->is_claimed && spool->entries[i]->not_before_ms <= now_ms)
			return spool->entries[i];
	return NULL;
}

void spool_entry_set_folder(struct spool *spool, struct spool_entry *entry,
			    enum spool_folder folder)
{
	count_out(spool, entry);
	entry->folder = folder;
	count_in(spool, entry);
}

struct spool_entry *spool_entries_next(struct spool *spool, enum spool_order order,
				       const struct spread *spread, uint64_t now_ms,
				       uint64_t *ret_due_ms)
{
	struct spool_entry *held = NULL;

	*ret_due_ms = UINT64_MAX;
	for (size_t i = 0; i < spool->count; i++) {
		size_t place = order == SPOOL_OLDEST_FIRST ? i : spool->count - 1 - i;
		struct spool_entry *entry = spool->entries[place];
		uint64_t due_ms;

		if (entry->is_claimed || entry->is_kept_back ||
		    (entry->folder != SPOOL_READY && entry->folder != SPOOL_SENDING))
			continue;
		due_ms = spread_due_ms(spread, entry);
		if (due_ms <= now_ms) {
			due_ms = entry->not_before_ms;
			if (due_ms <= now_ms)
				return entry;
			if (!held)
				held = entry;
		}
		if (due_ms < *ret_due_ms)
			*ret_due_ms = due_ms;
	}
	return order == SPOOL_NEWEST_FIRST ? held : NULL;
}

void spool_entry_learn(struct spool_entry *entry, const struct segment *segment)
{
	entry->is_known = true;
	entry->packets = segment->packets;
	entry->drops = segment->drops;
	free(entry->attachments);
	entry->attachments = segment->attachments[0] ? mem_strdup(segment->attachments) : NULL;
}

void spool_entry_failed(struct spool_entry *entry, uint64_t now_ms)
{
	unsigned exponent = ++entry->failures;

	if (entry->failures < FAILURES_BEFORE_HOLD)
		return;
	if (exponent > HOLD_EXPONENT_MAX)
		exponent = HOLD_EXPONENT_MAX;
	entry->not_before_ms = now_ms + (CLOCK_MS_PER_S << exponent);
}

struct spool_entry *spool_entries_find(struct spool *spool, const char *name)
{
	size_t place = find_place(spool, name);

	if (place == spool->count || strcmp(spool->entries[place]->name, name) != 0)
		return NULL;
	return spool->entries[place];
}

void spool_entry_set_upload_state(struct spool_entry *entry, const char *text)
{
	if (entry->upload_state)
		explicit_bzero(entry->upload_state, strlen(entry->upload_state));
	free(entry->upload_state);
	entry->upload_state = text ? mem_strdup(text) : NULL;
}

void spool_entry_free(struct spool *spool, struct spool_entry *entry)
{
	return_interface(spool, entry->interface);
	spool_entry_set_upload_state(entry, NULL);
	free(entry->attachments);
	free(entry->name);
	free(entry);
}

char *spool_temporary_name(const char *name)
{
	return mem_printf(".%s.new", name);
}

bool spool_is_damaged(const char *name)
{
	size_t length = strlen(name), end = strlen(SPOOL_DAMAGED);

	return length > end && strcmp(name + length - end, SPOOL_DAMAGED) == 0;
}

void spool_sidecars_delete(const struct spool *spool, const char *name)
{
	(void)unlinkat(spool->folder_fd[SPOOL_METADATA], name, 0);
	(void)unlinkat(spool->folder_fd[SPOOL_UPLOAD_STATE], name, 0);
	if (spool->folder_fd[SPOOL_KEPT_METADATA] >= 0)
		(void)unlinkat(spool->folder_fd[SPOOL_KEPT_METADATA], name, 0);
}

void spool_entries_delete(struct spool *spool, struct spool_entry *entry)
{
	size_t place = find_place(spool, entry->name);

	spool_sidecars_delete(spool, entry->name);
	spool->entry_bytes -= entry->bytes + entry->sidecar_bytes;
	count_out(spool, entry);
	spool_entry_free(spool, entry);
	memmove(&spool->entries[place], &spool->entries[place + 1],
		(--spool->count - place) * sizeof(struct spool_entry *));
	spool_measure_folders(spool);
}

void spool_entries_clear(struct spool *spool)
{
	while (spool->count > 0)
		spool_entry_free(spool, spool->entries[--spool->count]);
	free(take_ptr(spool->entries));
}

/*
 * What our files and folders take, in blocks as `du` counts them. Each change is accounted where it is made, so
 * that the sum costs nothing; other people's files in the folder are spool.min_free's business.
 */
uint64_t spool_allocated(int folder_fd, const char *name)
{
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

void spool_set_bytes(struct spool *spool, struct spool_entry *entry, uint64_t bytes)
{
	spool->entry_bytes += bytes - entry->bytes;
	if (entry->folder == SPOOL_KEPT)
		spool->kept_bytes += bytes - entry->bytes;
	entry->bytes = bytes;
}

void spool_measure_sidecars(struct spool *spool, struct spool_entry *entry)
{
	bool is_kept = entry->folder == SPOOL_KEPT;
	enum spool_folder metadata = is_kept ? SPOOL_KEPT_METADATA : SPOOL_METADATA;
	uint64_t bytes = spool_allocated(spool->folder_fd[metadata], entry->name) +
			 spool_allocated(spool->folder_fd[SPOOL_UPLOAD_STATE], entry->name);

	spool->entry_bytes += bytes - entry->sidecar_bytes;
	if (is_kept)
		spool->kept_bytes += bytes - entry->sidecar_bytes;
	entry->sidecar_bytes = bytes;
}

void spool_measure_folders(struct spool *spool)
{
	static const char *const names[] = { ".",
					     SPOOL_SEQUENCE_FILE,
					     SPOOL_LOCK_FILE,
					     SPOOL_PROBE_FILE,
					     SPOOL_CONTROL_SOCKET,
					     SPOOL_DESTINATION_FILE };

	spool->folder_bytes = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		spool->folder_bytes += spool_allocated(spool->root_fd, names[i]);
	for (int folder = 0; folder < SPOOL_FOLDERS && spool->folder_fd[folder] >= 0; folder++)
		spool->folder_bytes += spool_allocated(spool->folder_fd[folder], ".");
}

uint64_t spool_bytes_taken(const struct spool *spool)
{
	return spool->entry_bytes + spool->folder_bytes + atomic_load(&spool->loss_bytes);
}

void spool_account_sidecars(struct spool *spool, struct spool_entry *entry)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	spool_measure_sidecars(spool, entry);
	spool_measure_folders(spool);
}
