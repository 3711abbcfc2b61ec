/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in capturing/: begun by a recorder, finished by it or by the recovery. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

/* In the list before there is a file: what is in no list has no owner. */
static void account_new(struct spool *spool, const char *name)
{
	(void)pthread_mutex_lock(&spool->lock);
	spool_index_insert(spool, name, SPOOL_CAPTURING)->is_claimed = true;
	(void)pthread_mutex_unlock(&spool->lock);
}

void spool_account_beside(struct spool *spool, const char *name)
{
	struct spool_entry *entry;

	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry)
		spool_measure_beside(spool, entry);
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
}

int spool_create(struct spool *spool, const char *name, const struct segment *segment,
		 struct error *err)
{
	cleanup_close int fd = -1;

	account_new(spool, name);
	if (spool_facts_write(spool, name, segment, err) == 0) {
		fd = openat(spool->folder_fd[SPOOL_CAPTURING], name,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd < 0)
			error_errno(err, "create segment %s", name);
	}
	if (fd < 0)
		spool_discard(spool, name);
	else
		spool_account_beside(spool, name);
	return take_fd(&fd);
}

/* Whatever the disk takes: so many packets were written. */
static void know_packets(struct spool *spool, const char *name, uint64_t packets)
{
	struct spool_entry *entry;

	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry)
		entry->packets = packets;
	(void)pthread_mutex_unlock(&spool->lock);
}

/* What there is to know: from the facts, or the name; and what only the list knows. */
static void recall(struct spool *spool, const char *name, struct segment *ret_segment)
{
	struct error reading;

	if (spool_facts_read(spool, name, ret_segment, &reading) < 0)
		spool_facts_guess(name, ret_segment);
	spool_recall_packets(spool, name, ret_segment);
}

int spool_note_facts(struct spool *spool, const char *name, const struct segment *segment,
		     struct error *err)
{
	struct segment unfinished = *segment;

	/* Of a file that still grows, they would be taken for the whole one's. */
	unfinished.bytes = 0;
	unfinished.crc32c = 0;
	if (spool_facts_write(spool, name, &unfinished, err) < 0)
		return -1;
	know_packets(spool, name, segment->packets);
	return 0;
}

/* The facts that are there stay: what is newer of the drops is told by the next segment. */
static void carry_over(struct spool *spool, const char *name, const struct segment *segment)
{
	struct drops drops = { 0 };
	struct segment told = { 0 };
	struct error reading;

	if (spool_facts_read(spool, name, &told, &reading) < 0)
		log_debug("segment has no facts", log_reason(&reading));
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (segment->drops.count[i] > told.drops.count[i])
			drops.count[i] = segment->drops.count[i] - told.drops.count[i];
	spool_carry(spool, &drops);
}

void spool_leave_facts(struct spool *spool, const char *name, const struct segment *segment)
{
	struct error err;

	if (spool_note_facts(spool, name, segment, &err) < 0) {
		carry_over(spool, name, segment);
		know_packets(spool, name, segment->packets);
	}
}

/* Rename and list as one: a rescan sees both or none. */
static int move_unfinished(struct spool *spool, const char *name, enum spool_state to,
			   uint64_t packets, struct error *err)
{
	struct spool_entry *entry;
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	result = spool_folder_move(spool, SPOOL_CAPTURING, to, name, err);
	entry = spool_index_find(spool, name);
	spool->refused += result == 0 && to == SPOOL_REJECTED;
	if (result == 0 && entry) {
		spool_index_set_state(spool, entry, to);
		spool_set_bytes(spool, entry, spool_allocated(spool->folder_fd[to], name));
		spool_measure_beside(spool, entry);
		entry->packets = packets;
		entry->is_claimed = false;
		entry->failures = 0;
		entry->not_before_ms = 0;
	}
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
	return result;
}

/* Whoever sees the segment finds its facts; for want of new ones, those of its beginning. */
void spool_tell_facts(struct spool *spool, const char *name, struct segment *segment)
{
	struct error err;

	if (spool_carry_tell(spool, name, segment, &err) == 0)
		return;
	log_warning("facts of a segment cannot be written, it goes with those of its beginning",
		    log_text("name", name), log_reason(&err));
	carry_over(spool, name, segment);
}

int spool_make_ready(struct spool *spool, const char *name, uint64_t packets, struct error *err)
{
	if (move_unfinished(spool, name, SPOOL_READY, packets, err) < 0)
		return -1;
	spool_tell(spool, false);
	/* The new name first: after a power failure the file may be in both places, never in neither. */
	spool_folder_sync(spool, SPOOL_READY);
	spool_folder_sync(spool, SPOOL_CAPTURING);
	return 0;
}

int spool_publish(struct spool *spool, const char *name, const struct segment *segment,
		  struct error *err)
{
	struct segment told = *segment;

	spool_tell_facts(spool, name, &told);
	return spool_make_ready(spool, name, told.packets, err);
}

int spool_set_aside(struct spool *spool, const char *name, struct error *err)
{
	struct segment segment;

	recall(spool, name, &segment);
	if (move_unfinished(spool, name, SPOOL_REJECTED, 0, err) < 0)
		return -1;
	spool_count_rejected(spool, &segment);
	return 0;
}

int spool_delete_unfinished(struct spool *spool, const char *name, const struct drops *drops,
			    struct error *err)
{
	struct spool_entry *entry;
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	result = spool_carry_deletion(spool, SPOOL_CAPTURING, name, drops, err);
	entry = spool_index_find(spool, name);
	if (result == 0) {
		spool_forget(spool, name);
		if (entry)
			spool_index_delete(spool, entry);
	}
	(void)pthread_mutex_unlock(&spool->lock);
	return result;
}

void spool_discard(struct spool *spool, const char *name)
{
	struct spool_entry *entry;

	(void)pthread_mutex_lock(&spool->lock);
	(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], name, 0);
	spool_forget(spool, name);
	entry = spool_index_find(spool, name);
	if (entry)
		spool_index_delete(spool, entry);
	(void)pthread_mutex_unlock(&spool->lock);
}

bool spool_abandon(struct spool *spool, const char *name)
{
	int folder_fd = spool->folder_fd[SPOOL_CAPTURING];
	struct spool_entry *entry;
	bool is_gone = false;
	struct stat st;

	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry)
		is_gone = fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	if (is_gone) {
		spool_lose(spool, entry);
		spool_forget(spool, name);
		spool_index_delete(spool, entry);
	} else if (entry) {
		spool_set_bytes(spool, entry, spool_allocated(folder_fd, name));
		entry->is_claimed = false;
		spool_index_failed(entry, clock_monotonic_ms());
	}
	(void)pthread_mutex_unlock(&spool->lock);
	return !is_gone;
}

bool spool_take_unfinished(struct spool *spool, char ret_name[SEGMENT_NAME_MAX + 1],
			   unsigned *ret_failures)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct spool_entry *found = NULL;

	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count && spool->counts[SPOOL_CAPTURING] > 0 && !found; i++)
		if (spool->entries[i].state == SPOOL_CAPTURING && !spool->entries[i].is_claimed &&
		    spool->entries[i].not_before_ms <= now_ms)
			found = &spool->entries[i];
	if (found) {
		found->is_claimed = true;
		*ret_failures = found->failures;
		(void)snprintf(ret_name, SEGMENT_NAME_MAX + 1, "%s", found->name);
	}
	(void)pthread_mutex_unlock(&spool->lock);
	return found;
}

int spool_open_unfinished(struct spool *spool, const char *name, struct segment *ret_segment,
			  struct error *err)
{
	int fd = openat(spool->folder_fd[SPOOL_CAPTURING], name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_errno(err, "open %s", name);
	recall(spool, name, ret_segment);
	return fd;
}
