/* SPDX-License-Identifier: Apache-2.0 */
/* Claims: a finished segment on its way to the sink, and where that ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

void spool_notify(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->event_lock);

	spool->events++;
	(void)pthread_cond_broadcast(&spool->changed);
}

void spool_wake(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->event_lock);
	spool->wakes++;
	(void)pthread_mutex_unlock(&spool->event_lock);
	spool_notify(spool);
}

void spool_set_spread(struct spool *spool, uint64_t seconds)
{
	atomic_store(&spool->spread_ms, seconds * CLOCK_MS_PER_S);
	spool_notify(spool);
}

void spool_hurry(struct spool *spool)
{
	atomic_store(&spool->hurried_ns, clock_real_ns());
	spool_notify(spool);
}

/*
 * Wait for something newer than the events that were seen, or until due_ms. False once it is no use: the deadline
 * has come, or spool_wake() was called since there were `wakes` of them.
 */
static bool wait_for_more(struct spool *spool, uint64_t deadline_ns, uint64_t due_ms,
			  uint64_t *seen, unsigned wakes)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->event_lock);
	uint64_t until_ns = deadline_ns;

	if (due_ms < deadline_ns / CLOCK_NS_PER_MS)
		until_ns = due_ms * CLOCK_NS_PER_MS;
	while (spool->events == *seen)
		if (!thread_cond_wait_until(&spool->changed, &spool->event_lock, until_ns))
			break;
	*seen = spool->events;
	return spool->wakes == wakes && clock_monotonic_ns() < deadline_ns;
}

/* Open a claimed file and find its metadata. */
static int fill_claim(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	struct segment *segment = &claim->segment;
	struct stat st;

	spool_metadata_recall(spool, claim->entry, segment);
	if (segment->is_rejected) { /* an operator has moved it back */
		spool_note_rejected(spool, claim->name, segment, false);
		segment->is_rejected = 0;
	}
	claim->fd = openat(spool->folder_fd[SPOOL_SENDING], claim->name,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (claim->fd < 0)
		return error_errno(err, "open %s", claim->name);
	if (segment->bytes > 0)
		return 0;
	if (claim->entry->failures == 0) /* not at each retry */
		log_warning("metadata do not describe the whole segment; reading the file instead",
			    log_text("name", claim->name));
	if (!segment->reason[0])
		(void)snprintf(segment->reason, sizeof segment->reason, "unknown");
	if (fstat(claim->fd, &st) < 0)
		return error_errno(err, "stat %s", claim->name);
	if (file_checksum(claim->fd, &segment->crc32c, err) < 0)
		return error_wrap(err, "%s", claim->name);
	segment->bytes = (uint64_t)st.st_size;
	return 0;
}

/* Take the next one into sending/: 1, 0 if there is none now, -1 on errors. Locked. */
static int take_next(struct spool *spool, enum spool_order order, struct spool_claim *claim,
		     uint64_t *ret_due_ms, struct error *err)
{
	struct spool_entry *entry;
	const struct spread spread = spool_spread(spool);
	uint64_t now_ms = clock_monotonic_ms();

	while ((entry = spool_entries_next(spool, order, &spread, now_ms, ret_due_ms))) {
		if (entry->folder == SPOOL_SENDING ||
		    spool_folder_move(spool, SPOOL_READY, SPOOL_SENDING, entry->name, err) == 0) {
			spool_entry_set_folder(spool, entry, SPOOL_SENDING);
			entry->is_claimed = true;
			claim->entry = entry;
			(void)snprintf(claim->name, sizeof claim->name, "%s", entry->name);
			return 1;
		}
		if (err->errnum != ENOENT || spool_folder_has(spool, SPOOL_READY, entry->name)) {
			spool_entry_failed(entry, now_ms);
			return -1;
		}
		spool_count_lost(spool, entry, NULL); /* an operator has taken it away */
	}
	return 0;
}

int spool_claim(struct spool *spool, enum spool_order order, unsigned timeout_ms,
		struct spool_claim *ret_claim, struct error *err)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct spool_claim claim = { .fd = -1 };
	struct error releasing;
	uint64_t due_ms, seen;
	unsigned wakes;
	int result;

	(void)pthread_mutex_lock(&spool->event_lock);
	seen = spool->events;
	wakes = spool->wakes;
	(void)pthread_mutex_unlock(&spool->event_lock);
	do {
		(void)pthread_mutex_lock(&spool->lock);
		result = take_next(spool, order, &claim, &due_ms, err);
		(void)pthread_mutex_unlock(&spool->lock);
	} while (result == 0 && wait_for_more(spool, deadline_ns, due_ms, &seen, wakes));
	if (result <= 0)
		return result;
	/* After a power failure it must not lie in ready/, as if nothing of it had been sent. */
	spool_folder_sync(spool, SPOOL_SENDING);
	if (fill_claim(spool, &claim, err) < 0) {
		if (spool_release(spool, &claim, true, &releasing) < 0)
			return error_wrap(err, "%s", releasing.message);
		return -1;
	}
	*ret_claim = claim;
	return 1;
}

/* It is in KEPT: nobody's claim. */
static void list_kept(struct spool *spool, struct spool_entry *entry)
{
	spool_entry_set_upload_state(entry, NULL);
	entry->is_claimed = entry->is_proven = entry->is_known = false;
	entry->end_ns = entry->not_before_ms = 0;
	entry->failures = 0;
	spool_entry_set_folder(spool, entry, SPOOL_KEPT);
	spool_measure_sidecars(spool, entry);
	spool_measure_folders(spool);
}

/*
 * Keep a file that the sink has, or delete it: the entry goes with it. Metadata without a file would be a loss: by its
 * temporary name a start after a crash knows what was sent. Locked.
 */
static int end_proven(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	int folder_fd = spool->folder_fd[SPOOL_SENDING];
	cleanup_free char *sent = spool_temporary_name(entry->name);

	if (renameat(folder_fd, entry->name, folder_fd, sent) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", entry->name);
	if (spool_keep_ns(spool) > 0 && spool_kept_add(spool, entry->name, sent)) {
		list_kept(spool, entry);
		return 0;
	}
	spool_sidecars_delete(spool, entry->name);
	if (unlinkat(folder_fd, sent, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", sent);
	spool_entries_delete(spool, entry);
	return 0;
}

int spool_remove(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	int result;

	close_fd(&claim->fd);
	(void)pthread_mutex_lock(&spool->lock);
	spool_recent_uploaded(spool, claim->name);
	result = end_proven(spool, claim->entry, err);
	if (result < 0)
		claim->entry->is_proven = true; /* and claimed: nobody sends it again */
	(void)pthread_mutex_unlock(&spool->lock);
	spool_notify(spool);
	return result;
}

void spool_finish_removals(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	struct error err;

	for (size_t i = spool->count; i-- > 0 && spool->counts[SPOOL_SENDING] > 0;) {
		struct spool_entry *entry = spool->entries[i];
		char name[SEGMENT_NAME_MAX + 1];

		(void)snprintf(name, sizeof name, "%s", entry->name);
		if (entry->is_proven && end_proven(spool, entry, &err) == 0)
			log_notice("deleted or kept uploaded segment (earlier attempts failed)",
				   log_text("name", name));
	}
}

/* A claim ends, and the file goes to another folder. */
static int end_claim(struct spool *spool, struct spool_claim *claim, enum spool_folder to,
		     bool has_failed, struct error *err)
{
	struct spool_entry *entry = claim->entry;
	int result;

	close_fd(&claim->fd);
	(void)pthread_mutex_lock(&spool->lock);
	result = spool_folder_move(spool, SPOOL_SENDING, to, claim->name, err);
	if (result < 0 && to == SPOOL_REJECTED) { /* while the claim holds its entry still */
		(void)pthread_mutex_unlock(&spool->lock);
		spool_note_rejected(spool, claim->name, &claim->segment, false);
		(void)pthread_mutex_lock(&spool->lock);
	}
	if (result < 0 && err->errnum == ENOENT &&
	    !spool_folder_has(spool, SPOOL_SENDING, claim->name)) {
		spool_count_lost(spool, entry, &claim->segment);
	} else {
		/* What could not be moved stays in sending/, to be claimed there again. */
		entry->is_claimed = false;
		if (result == 0)
			spool_entry_set_folder(spool, entry, to);
		spool->refused += result == 0 && to == SPOOL_REJECTED;
		if (has_failed || result < 0)
			spool_entry_failed(entry, clock_monotonic_ms());
	}
	(void)pthread_mutex_unlock(&spool->lock);
	spool_notify(spool);
	return result;
}

int spool_release(struct spool *spool, struct spool_claim *claim, bool has_failed,
		  struct error *err)
{
	return end_claim(spool, claim, SPOOL_READY, has_failed, err);
}

int spool_reject(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	/* While the claim holds its entry; what comes after a move that fails writes it again. */
	int result = spool_save_upload_state(spool, claim, NULL, err);

	spool_note_rejected(spool, claim->name, &claim->segment, true);
	if (end_claim(spool, claim, SPOOL_REJECTED, false, err) < 0)
		return -1;
	spool_count_rejected(spool, &claim->segment);
	return result;
}

void spool_retry_now(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count; i++)
		spool->entries[i]->not_before_ms = 0;
	(void)pthread_mutex_unlock(&spool->lock);
	spool_notify(spool);
}
