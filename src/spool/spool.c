/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "segment/name.h"
#include "spool/spool_private.h"

int spool_open(const char *directory, struct counters *counters, struct spool **ret_spool,
	       struct error *err)
{
	struct spool *spool = mem_calloc(1, sizeof *spool);

	spool->counters = counters;
	spool->directory = mem_strdup(directory);
	spool->budget.max_segments = UINT64_MAX;
	(void)pthread_mutex_init(&spool->sequence_lock, NULL);
	(void)pthread_mutex_init(&spool->budget_lock, NULL);
	(void)pthread_mutex_init(&spool->carry_lock, NULL);
	(void)pthread_mutex_init(&spool->event_lock, NULL);
	(void)pthread_mutex_init(&spool->lock, NULL);
	thread_cond_init(&spool->changed);
	if (spool_folder_open(spool, directory, err) < 0 ||
	    spool_folder_read_sequence(spool, err) < 0 || spool_carry_open(spool, err) < 0 ||
	    spool_tidy(spool, err) < 0 || spool_scan(spool, err) < 0) {
		spool_close(spool);
		return error_wrap(err, "spool %s", directory);
	}
	*ret_spool = spool;
	return 0;
}

struct spool *spool_close(struct spool *spool)
{
	if (!spool)
		return NULL;
	spool_folder_close(spool);
	spool_index_clear(spool);
	free(spool->entries);
	(void)pthread_cond_destroy(&spool->changed);
	(void)pthread_mutex_destroy(&spool->lock);
	(void)pthread_mutex_destroy(&spool->event_lock);
	(void)pthread_mutex_destroy(&spool->carry_lock);
	(void)pthread_mutex_destroy(&spool->budget_lock);
	(void)pthread_mutex_destroy(&spool->sequence_lock);
	free(spool->directory);
	free(spool);
	return NULL;
}

/* Size and checksum of a claimed file, from the file itself. */
static int measure(struct spool_claim *claim, struct error *err)
{
	struct stat st;

	if (fstat(claim->fd, &st) < 0)
		return error_errno(err, "stat %s", claim->name);
	if (file_checksum(claim->fd, &claim->segment.crc32c, err) < 0)
		return error_wrap(err, "%s", claim->name);
	claim->segment.bytes = (uint64_t)st.st_size;
	return 0;
}

/* Open a claimed file and find its facts. */
static int fill_claim(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	struct segment *segment = &claim->segment;
	struct error reading;

	claim->fd = openat(spool->folder_fd[SPOOL_SENDING], claim->name,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (claim->fd < 0)
		return error_errno(err, "open %s", claim->name);
	if (spool_facts_read(spool, claim->name, segment, &reading) < 0) {
		log_warning("segment has no facts, reading it instead",
			    log_text("name", claim->name), log_reason(&reading));
		spool_facts_guess(claim->name, segment);
	}
	spool_recall_packets(spool, claim->name, segment);
	if (segment->bytes > 0)
		return 0;
	if (!segment->reason[0])
		(void)snprintf(segment->reason, sizeof segment->reason, "unknown");
	return measure(claim, err);
}

/* Take the next one into sending/: 1, 0 if there is none now, -1 on errors. With the lock held. */
static int take_next(struct spool *spool, enum spool_order order, struct spool_claim *claim,
		     uint64_t *ret_due_ms, struct error *err)
{
	struct spool_entry *entry;
	uint64_t now_ms = clock_monotonic_ms();

	while ((entry = spool_index_next(spool, order, now_ms, ret_due_ms))) {
		if (entry->state == SPOOL_SENDING ||
		    spool_folder_move(spool, SPOOL_READY, SPOOL_SENDING, entry->name, err) == 0) {
			spool_index_set_state(spool, entry, SPOOL_SENDING);
			entry->is_claimed = true;
			(void)snprintf(claim->name, sizeof claim->name, "%s", entry->name);
			return 1;
		}
		if (err->errnum != ENOENT || spool_folder_has(spool, SPOOL_READY, entry->name)) {
			spool_index_failed(entry, now_ms);
			return -1;
		}
		/* An operator has taken it away. */
		spool_lose(spool, entry);
		spool_forget(spool, entry->name);
		spool_index_delete(spool, entry);
	}
	return 0;
}

void spool_tell(struct spool *spool, bool is_wake)
{
	(void)pthread_mutex_lock(&spool->event_lock);
	spool->events++;
	spool->wakes += is_wake;
	(void)pthread_cond_broadcast(&spool->changed);
	(void)pthread_mutex_unlock(&spool->event_lock);
}

struct watch {
	uint64_t events;
	unsigned wakes;
};

static struct watch watch(struct spool *spool)
{
	struct watch now;

	(void)pthread_mutex_lock(&spool->event_lock);
	now = (struct watch){ spool->events, spool->wakes };
	(void)pthread_mutex_unlock(&spool->event_lock);
	return now;
}

/* Wait for something newer than `seen`, or for what is held until due_ms. False once it is no use. */
static bool wait_for_more(struct spool *spool, uint64_t deadline_ns, uint64_t due_ms,
			  struct watch *seen, unsigned wakes)
{
	uint64_t until_ns = deadline_ns;
	bool is_of_use;

	if (due_ms < deadline_ns / CLOCK_NS_PER_MS)
		until_ns = due_ms * CLOCK_NS_PER_MS;
	(void)pthread_mutex_lock(&spool->event_lock);
	while (spool->events == seen->events)
		if (!thread_cond_wait_until(&spool->changed, &spool->event_lock, until_ns))
			break;
	*seen = (struct watch){ spool->events, spool->wakes };
	is_of_use = seen->wakes == wakes && clock_monotonic_ns() < deadline_ns;
	(void)pthread_mutex_unlock(&spool->event_lock);
	return is_of_use;
}

int spool_claim(struct spool *spool, enum spool_order order, unsigned timeout_ms,
		struct spool_claim *ret_claim, struct error *err)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct spool_claim claim = { .fd = -1 };
	struct error releasing;
	struct watch seen = watch(spool);
	const unsigned wakes = seen.wakes;
	uint64_t due_ms;
	int result;

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

/* Where a claim ends: the file goes to another folder, or (to SPOOL_STATE_COUNT) is deleted. */
static int leave_sending(const struct spool *spool, const char *name, enum spool_state to,
			 struct error *err)
{
	if (to != SPOOL_STATE_COUNT)
		return spool_folder_move(spool, SPOOL_SENDING, to, name, err);
	if (unlinkat(spool->folder_fd[SPOOL_SENDING], name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", name);
	return 0;
}

static int end_claim(struct spool *spool, struct spool_claim *claim, enum spool_state to,
		     bool has_failed, struct error *err)
{
	struct spool_entry *entry;
	bool is_gone;
	int result;

	if (claim->fd >= 0)
		(void)close(claim->fd);
	claim->fd = -1;
	(void)pthread_mutex_lock(&spool->lock);
	result = leave_sending(spool, claim->name, to, err);
	is_gone = result == 0 ? to == SPOOL_STATE_COUNT
			      : err->errnum == ENOENT &&
					!spool_folder_has(spool, SPOOL_SENDING, claim->name);
	entry = spool_index_find(spool, claim->name);
	if (entry && is_gone) {
		if (to != SPOOL_STATE_COUNT)
			spool_lose(spool, entry);
		spool_index_delete(spool, entry);
	} else if (entry && to == SPOOL_STATE_COUNT) {
		entry->is_proven = true; /* and claimed: nobody sends it again */
	} else if (entry) {
		/* What could not be moved stays in sending/, to be claimed there again. */
		entry->is_claimed = false;
		if (result == 0)
			spool_index_set_state(spool, entry, to);
		spool->refused += result == 0 && to == SPOOL_REJECTED;
		if (has_failed || result < 0)
			spool_index_failed(entry, clock_monotonic_ms());
	}
	(void)pthread_mutex_unlock(&spool->lock);
	spool_tell(spool, false);
	if (is_gone)
		spool_forget(spool, claim->name);
	return result;
}

int spool_remove(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	return end_claim(spool, claim, SPOOL_STATE_COUNT, false, err);
}

void spool_finish_removals(struct spool *spool)
{
	struct error err;

	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count && spool->counts[SPOOL_SENDING] > 0;) {
		struct spool_entry *entry = &spool->entries[i];

		if (!entry->is_proven ||
		    leave_sending(spool, entry->name, SPOOL_STATE_COUNT, &err) < 0) {
			i++;
			continue;
		}
		log_notice("uploaded segment is removed at last", log_text("name", entry->name));
		spool_forget(spool, entry->name);
		spool_index_delete(spool, entry);
	}
	(void)pthread_mutex_unlock(&spool->lock);
}

int spool_release(struct spool *spool, struct spool_claim *claim, bool has_failed,
		  struct error *err)
{
	return end_claim(spool, claim, SPOOL_READY, has_failed, err);
}

void spool_count_rejected(struct spool *spool, const struct segment *segment)
{
	counter_add(&spool->counters->segments_rejected, 1);
	counters_discard(spool->counters, segment->interface, DROP_REJECTED, segment->packets);
}

int spool_reject(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	if (end_claim(spool, claim, SPOOL_REJECTED, false, err) < 0)
		return -1;
	spool_count_rejected(spool, &claim->segment);
	return spool_keep_attempt(spool, claim, NULL, err);
}

void spool_wake(struct spool *spool)
{
	spool_tell(spool, true);
}
