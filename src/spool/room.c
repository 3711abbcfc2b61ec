/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How room is made within the budget. A recorder asks before it writes, so that what the spool takes never
 * exceeds the limit. Deletions come in batches: the lock is held for a few of them at a time.
 */
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "spool/spool_private.h"

/*
 * Kept free below spool.max_size, for what comes with a segment: its metadata and those that replace them, a
 * folder that grows, a file system's own blocks in a file; and as much as below for each open segment. For
 * each worker, also while nobody writes segments: its upload state, and the file that replaces it.
 */
#define MARGIN_BYTES        UINT64_C(65536)
#define MARGIN_OPEN_BYTES   UINT64_C(16384)
#define MARGIN_WORKER_BYTES (2 * SPOOL_UPLOAD_STATE_MAX)
#define BLOCK_BYTES         UINT64_C(4096) /* what is written is rounded up to this, or the file system's */
/* An open segment ends when it takes this part of spool.max_size: the oldest has to be a small part. */
#define SEGMENT_PART 8
#define BATCH        8 /* deletions while the lock is held */

void spool_set_budget(struct spool *spool, const struct conf *conf)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	spool->budget = budget_from_conf(conf);
}

static struct budget get_budget(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	return spool->budget;
}

/* What is ours, on a disk that is as it says. */
static struct budget_state current_state(const struct spool *spool, struct budget_state disk)
{
	disk.segments = spool->counts[SPOOL_READY] + spool->counts[SPOOL_SENDING] +
			spool->counts[SPOOL_REJECTED];
	disk.bytes = spool_bytes_taken(spool);
	return disk;
}

/* As it would be with so many bytes and segments more. */
static struct budget_state measure_state(struct spool *spool, const struct budget *budget,
					 uint64_t more_bytes, uint64_t more_segments)
{
	static const struct budget_state unknown;
	struct budget_state state;
	struct statvfs fs;

	if (fstatvfs(spool->root_fd, &fs) == 0) {
		uint64_t block = fs.f_frsize > BLOCK_BYTES ? fs.f_frsize : BLOCK_BYTES;

		more_bytes = (more_bytes + block - 1) / block * block;
		spool->disk = budget_state_of_disk(&fs);
		state = current_state(spool, spool->disk);
	} else {
		state = current_state(spool, unknown);
	}
	state.segments += more_segments;
	state.bytes += budget->workers * MARGIN_WORKER_BYTES;
	if (more_bytes > 0)
		state.bytes += more_bytes + MARGIN_BYTES +
			       spool->counts[SPOOL_CAPTURING] * MARGIN_OPEN_BYTES;
	state.disk_free -= more_bytes < state.disk_free ? more_bytes : state.disk_free;
	return state;
}

/* Delete one segment for want of room. Those in rejected/ were counted when they came there. */
static int delete_for_room(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	bool is_rejected = entry->folder == SPOOL_REJECTED;
	struct segment segment;

	spool_metadata_recall(spool, entry, &segment);
	if (spool_ledger_delete(spool, entry, &segment, is_rejected ? DROP_REJECTED : DROP_BUDGET,
				err) < 0)
		return -1;
	if (!is_rejected) {
		counters_discard(spool->counters, segment.interface, DROP_BUDGET, segment.packets);
		spool->deleted_packets += segment.packets;
		spool->lost++;
	}
	log_event(EVENT_SEGMENT_EVICTED, log_text("name", entry->name),
		  log_text("folder", spool_folder_names[entry->folder]),
		  log_number("packets", segment.packets), log_number("bytes", entry->bytes));
	spool->deleted_segments++;
	spool_entries_delete(spool, entry);
	return 0;
}

/* What has to go first: the oldest in rejected/, whoever has asked for it; then, by policy, in ready/. */
static struct spool_entry *find_victim(struct spool *spool, enum conf_spool_when_full policy)
{
	if (spool->counts[SPOOL_REJECTED] > 0)
		return spool_entries_first(spool, SPOOL_REJECTED, UINT64_MAX);
	return policy == CONF_WHEN_FULL_DROP_OLDEST
		       ? spool_entries_first(spool, SPOOL_READY, UINT64_MAX)
		       : NULL;
}

/* Logged when it begins and when it is over, however many segments or packets it costs. */
static void note_shortage(struct spool *spool, const char *option, bool is_full)
{
	if (is_full && !atomic_load(&spool->is_full))
		log_event(EVENT_SPOOL_FULL, log_text("limit", option),
			  log_number("bytes", spool_bytes_taken(spool)));
	else if (!is_full && !spool->is_deleting && spool->deleted_segments > 0)
		log_event(EVENT_SPOOL_EVICTING, log_text("limit", option),
			  log_number("bytes", spool_bytes_taken(spool)));
	spool->is_deleting |= spool->deleted_segments > 0;
	atomic_store(&spool->is_full, is_full);
}

/* There is room to spare: the shortage is over. */
static void note_slack(struct spool *spool)
{
	/* Those of deleted packets are among them. */
	uint64_t drops = counter_read(&spool->counters->drops[DROP_BUDGET]);

	if (atomic_load(&spool->is_full) || spool->is_deleting)
		log_event(EVENT_SPOOL_HAS_ROOM, log_number("deleted", spool->deleted_segments),
			  log_number("packets", spool->deleted_packets),
			  log_number("dropped",
				     drops - spool->drops_before - spool->deleted_packets));
	spool->drops_before = drops;
	spool->deleted_segments = spool->deleted_packets = 0;
	spool->is_deleting = false;
	atomic_store(&spool->is_full, false);
}

/* There is room now, and it took `first` (an option's name) to make it, or nothing. */
static int note_room(struct spool *spool, const struct budget *budget,
		     const struct budget_state *state, const char *first, struct error *err)
{
	if (first)
		note_shortage(spool, first, false);
	else if (budget_has_slack(budget, state))
		note_slack(spool);
	else if (atomic_load(&spool->is_full) && budget->policy != CONF_WHEN_FULL_DROP_OLDEST)
		return error_set(err, ERROR_TRANSIENT, "the spool is still nearly full");
	return 1;
}

/*
 * Delete until so much more fits: 1; or as many as a batch has: 0. -1 if it does not fit, and nothing may be
 * deleted that helps. What was freed is counted here: some file systems report it later. Locked.
 */
static int make_some_room(struct spool *spool, uint64_t bytes, uint64_t segments,
			  const char **first, struct error *err)
{
	const struct budget budget = get_budget(spool);
	struct budget_state state = measure_state(spool, &budget, bytes, segments);

	for (int deleted = 0;; deleted++) {
		const char *option = budget_exceeded(&budget, &state);
		struct spool_entry *victim;
		uint64_t freed = spool_bytes_taken(spool);

		if (!option)
			return note_room(spool, &budget, &state, *first, err);
		if (deleted == BATCH)
			return 0;
		if (!*first)
			*first = option;
		victim = find_victim(spool, budget.policy);
		if (!victim || delete_for_room(spool, victim, err) < 0) {
			if (!victim)
				error_set(err, ERROR_TRANSIENT, "%s is reached", option);
			note_shortage(spool, option, true);
			return -1;
		}
		freed -= spool_bytes_taken(spool) < freed ? spool_bytes_taken(spool) : freed;
		state.segments--;
		state.bytes -= freed < state.bytes ? freed : state.bytes;
		state.disk_free += freed;
		state.inodes_free += SPOOL_FILES_PER_SEGMENT;
	}
}

int spool_make_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
		    struct error *err)
{
	const char *first = NULL;
	int result;

	do {
		uint64_t segments = 0;

		(void)pthread_mutex_lock(&spool->lock);
		/* Where nothing is deleted for it, there has to be a place for the finished segment. */
		if (!entry && get_budget(spool).policy != CONF_WHEN_FULL_DROP_OLDEST)
			segments = spool->counts[SPOOL_CAPTURING] + 1;
		result = make_some_room(spool, bytes, segments, &first, err);
		if (result > 0 && entry)
			spool_set_bytes(spool, entry, entry->bytes + bytes);
		(void)pthread_mutex_unlock(&spool->lock);
		if (result == 0)
			spool_ledger_save(spool);
	} while (result == 0);
	return result > 0 ? 0 : -1;
}

uint64_t spool_segment_bytes_max(struct spool *spool)
{
	struct budget budget = get_budget(spool);

	return budget.max_bytes > 0 && budget.policy == CONF_WHEN_FULL_DROP_OLDEST
		       ? budget.max_bytes / SEGMENT_PART
		       : UINT64_MAX;
}

bool spool_evict_one(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	struct spool_entry *victim;
	struct error err;

	victim = find_victim(spool, get_budget(spool).policy);
	if (!victim || delete_for_room(spool, victim, &err) < 0)
		return false;
	note_shortage(spool, "the disk", false);
	return true;
}

void spool_enforce(struct spool *spool)
{
	const char *first = NULL;
	struct error err;
	int result;

	do {
		(void)pthread_mutex_lock(&spool->lock);
		spool_measure_folders(spool);
		result = make_some_room(spool, 0, 0, &first, &err);
		if (result < 0 && err.kind != ERROR_TRANSIENT && !spool->has_failed) {
			log_error("cannot make room in the spool", log_reason(&err));
			spool->has_failed = true;
		} else if (!atomic_load(&spool->is_full)) {
			spool->has_failed = false;
		}
		(void)pthread_mutex_unlock(&spool->lock);
		if (result == 0)
			spool_ledger_save(spool);
	} while (result == 0);
}

bool spool_is_full(const struct spool *spool)
{
	return atomic_load_explicit(&spool->is_full, memory_order_relaxed);
}

/* When the oldest begins in these folders, in name order, so by time; 0: there is none. */
static uint64_t find_oldest_ns(const struct spool *spool, enum spool_folder from,
			       enum spool_folder to)
{
	for (size_t i = 0; i < spool->count; i++)
		if (spool->entries[i]->folder >= from && spool->entries[i]->folder <= to &&
		    !spool->entries[i]->is_proven)
			return name_start_ns(spool->entries[i]->name);
	return 0;
}

bool spool_totals(struct spool *spool, struct spool_totals *ret_totals)
{
	struct budget_state state;
	struct budget budget;

	if (pthread_mutex_trylock(&spool->lock) != 0)
		return false;
	budget = get_budget(spool);
	state = current_state(spool, spool->disk);
	*ret_totals = (struct spool_totals){
		.capturing = spool->counts[SPOOL_CAPTURING],
		.ready = spool->counts[SPOOL_READY],
		.sending = spool->counts[SPOOL_SENDING],
		.rejected = spool->counts[SPOOL_REJECTED],
		.bytes = state.bytes,
		.room_bytes = budget_room_bytes(&budget, &state),
		.room_inodes = budget_room_inodes(&budget, &state),
		.use = budget_use(&budget, &state),
		.refused = spool->refused,
		.lost = spool->lost,
		.disk_free = state.disk_free,
		.disk_total = state.disk_total,
		.oldest_capturing_ns = spool->counts[SPOOL_CAPTURING] > 0
					       ? find_oldest_ns(spool, SPOOL_CAPTURING,
								SPOOL_CAPTURING)
					       : 0,
		.oldest_ns = find_oldest_ns(spool, SPOOL_READY, SPOOL_SENDING),
	};
	for (size_t i = 0; i < spool->count; i++)
		ret_totals->kept += spool->entries[i]->is_kept &&
				    spool->entries[i]->folder == SPOOL_READY;
	spool_recent_fill(spool, ret_totals->recent);
	(void)pthread_mutex_unlock(&spool->lock);
	return true;
}
