/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How room is made within the budget. A recorder asks before it writes, so that what the spool takes never
 * exceeds the limit. Deletions come in batches: the lock is held for a few of them at a time.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
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
#define BATCH               8              /* deletions while the lock is held */

/* With more of a limit taken, what waits for its moment could be deleted before that comes. */
#define SPREAD_USE_MAX 0.5

void spool_set_budget(struct spool *spool, const struct conf *conf)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	spool->budget = budget_from_conf(conf);
}

struct budget spool_budget(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	return spool->budget;
}

/* The interface with the most files; NULL: there is none. */
static struct spool_interface *find_fullest(const struct spool *spool)
{
	struct spool_interface *fullest = spool->interfaces, *interface;

	for (interface = fullest; interface; interface = interface->next)
		if (interface->finished > fullest->finished)
			fullest = interface;
	return fullest;
}

/* What is ours, on a disk that is as it says; of the interface with the most files. */
static struct budget_state current_state(const struct spool *spool, struct budget_state disk)
{
	const struct spool_interface *fullest = find_fullest(spool);

	disk.segments = fullest ? fullest->finished : 0;
	disk.all_segments = spool->counts[SPOOL_READY] + spool->counts[SPOOL_SENDING] +
			    spool->counts[SPOOL_REJECTED];
	disk.bytes = spool_bytes_taken(spool);
	return disk;
}

struct budget_state spool_state(const struct spool *spool)
{
	return current_state(spool, spool->disk);
}

struct budget_state spool_without_kept(const struct spool *spool, struct budget_state state)
{
	state.bytes -= spool->kept_bytes < state.bytes ? spool->kept_bytes : state.bytes;
	if (state.disk_total > 0)
		state.disk_free += spool->kept_bytes;
	if (state.inodes_total > 0)
		state.inodes_free += spool->counts[SPOOL_KEPT] * SPOOL_FILES_PER_SEGMENT;
	return state;
}

/* As it would be with so many bytes more. */
static struct budget_state measure_state(struct spool *spool, const struct budget *budget,
					 uint64_t more_bytes)
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
	state.bytes += budget->workers * MARGIN_WORKER_BYTES;
	if (more_bytes > 0)
		state.bytes += more_bytes + MARGIN_BYTES +
			       spool->counts[SPOOL_CAPTURING] * MARGIN_OPEN_BYTES;
	state.disk_free -= more_bytes < state.disk_free ? more_bytes : state.disk_free;
	return state;
}

/* Delete one segment for want of room. Those in rejected/ were counted when they came there, those in kept/ uploaded. */
static int delete_for_room(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	bool is_rejected = entry->folder == SPOOL_REJECTED;
	struct segment segment;

	if (entry->folder == SPOOL_KEPT) {
		spool_kept_note_short(spool, entry);
		return spool_kept_delete(spool, entry, err);
	}
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

/*
 * What has to go first: the oldest in kept/, which does not count as waiting; then in rejected/, whoever has asked for
 * it; then, by policy, in ready/.
 */
static struct spool_entry *find_victim(struct spool *spool, enum conf_spool_when_full policy,
				       const struct spool_interface *interface)
{
	struct spool_entry *victim = NULL;

	if (spool->counts[SPOOL_KEPT] > 0 && !interface)
		victim = spool_entries_first(spool, SPOOL_KEPT, NULL, clock_monotonic_ms());
	if (!victim && spool->counts[SPOOL_REJECTED] > 0)
		victim = spool_entries_first(spool, SPOOL_REJECTED, interface, UINT64_MAX);
	if (!victim && policy == CONF_WHEN_FULL_DROP_OLDEST)
		victim = spool_entries_first(spool, SPOOL_READY, interface, UINT64_MAX);
	return victim;
}

/* The limit that the state is over, and whose files are to go for it: of one interface, or (NULL) of any. */
static const char *find_excess(struct spool *spool, const struct budget *budget,
			       struct budget_state *state, struct spool_interface **interface)
{
	/* Not if there are just as many: while one is written, others are uploaded, and no packet needs to be dropped. */
	bool is_over = *interface && (*interface)->finished > budget->max_segments;

	/* What is being sent goes by itself, and takes no more room for being more. */
	if (is_over && budget->policy == CONF_WHEN_FULL_DROP_OLDEST &&
	    !find_victim(spool, budget->policy, *interface))
		is_over = false;
	if (!is_over)
		*interface = NULL;
	state->segments = is_over ? (*interface)->finished : 0;
	return budget_exceeded(budget, state);
}

/* Who asks for room. */
struct request {
	const char *interface; /* to begin a segment of it; NULL: it is not about one */
	bool is_for_all;       /* keep the limits, whoever exceeds them */
	bool is_spare;         /* not worth a waiting segment, nor a shortage */
	bool is_extra;         /* of no worth: nothing but kept/ is to be deleted for it */
	uint64_t bytes;
};

/* There is room now, and it took `first` to make it, or nothing. */
static int note_room(struct spool *spool, const struct budget *budget,
		     const struct budget_state *state, const struct request *request,
		     const struct spool_shortage *first, struct error *err)
{
	const struct spool_interface *interface =
		request->interface ? spool_interface_find(spool, request->interface) : NULL;
	struct budget_state fullest = current_state(spool, *state);

	if (first->option) {
		spool_note_shortage(spool, first, false);
		return 1;
	}
	fullest.bytes = state->bytes;
	fullest = spool_without_kept(spool, fullest);
	if (budget_has_slack(budget, &fullest))
		spool_note_slack(spool);
	else if (budget->policy != CONF_WHEN_FULL_DROP_OLDEST &&
		 (atomic_load(&spool->is_full) || (interface && interface->is_full)))
		return error_set(err, ERROR_TRANSIENT, "the spool is still nearly full");
	return 1;
}

/*
 * Delete until so much more fits: 1; or as many as a batch has: 0. -1 if it does not fit, and nothing may be
 * deleted that helps. What was freed is counted here: some file systems report it later. Locked.
 */
static int make_some_room(struct spool *spool, const struct request *request,
			  struct spool_shortage *first, struct error *err)
{
	const struct budget budget = spool_budget(spool);
	struct budget_state state = measure_state(spool, &budget, request->bytes);
	const enum conf_spool_when_full policy = request->is_spare ? CONF_WHEN_FULL_DROP_NEWEST
								   : budget.policy;

	spool_end_shortages(spool, &budget, spool_without_kept(spool, state));
	for (int deleted = 0;; deleted++) {
		struct spool_interface *interface =
			request->is_for_all  ? find_fullest(spool)
			: request->interface ? spool_interface_find(spool, request->interface)
					     : NULL;
		struct spool_shortage now = { find_excess(spool, &budget, &state, &interface), "" };
		struct spool_entry *victim;
		uint64_t freed = spool_bytes_taken(spool);
		bool is_kept;

		if (!now.option)
			return note_room(spool, &budget, &state, request, first, err);
		victim = find_victim(spool, policy, interface);
		is_kept = victim && victim->folder == SPOOL_KEPT;
		if (request->is_extra && !is_kept)
			return error_set(err, ERROR_TRANSIENT, "%s is reached", now.option);
		if (deleted == BATCH)
			return 0;
		if (interface)
			memcpy(now.interface, interface->name, sizeof now.interface);
		if (!first->option && !is_kept) /* those in kept/ are no shortage */
			*first = now;
		if (!victim || delete_for_room(spool, victim, err) < 0) {
			if (is_kept)
				continue; /* others go in its place */
			if (!victim)
				error_set(err, ERROR_TRANSIENT, "%s is reached", now.option);
			if (!request->is_spare)
				spool_note_shortage(spool, &now, true);
			return -1;
		}
		freed -= spool_bytes_taken(spool) < freed ? spool_bytes_taken(spool) : freed;
		state.bytes -= freed < state.bytes ? freed : state.bytes;
		state.disk_free += freed;
		state.inodes_free += SPOOL_FILES_PER_SEGMENT;
	}
}

/* With the entry's lock in between, so that others have their turn: in batches. */
static int make_room(struct spool *spool, const struct request *request, struct spool_entry *entry,
		     struct error *err)
{
	struct spool_shortage first = { .option = NULL };
	int result;

	do {
		(void)pthread_mutex_lock(&spool->lock);
		result = make_some_room(spool, request, &first, err);
		if (result > 0 && entry)
			spool_set_bytes(spool, entry, entry->bytes + request->bytes);
		(void)pthread_mutex_unlock(&spool->lock);
		if (result == 0)
			spool_ledger_save(spool);
		if (result == 0 && request->is_for_all)
			thread_give_way();
	} while (result == 0);
	return result > 0 ? 0 : -1;
}

int spool_make_room(struct spool *spool, const char *interface, uint64_t bytes, struct error *err)
{
	char name[SEGMENT_INTERFACE_MAX + 1];
	const struct request request = { .interface = name, .bytes = bytes };

	name_format_interface(interface, name);
	return make_room(spool, &request, NULL, err);
}

int spool_reserve_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
		       struct error *err)
{
	const struct request request = { .bytes = bytes };

	return make_room(spool, &request, entry, err);
}

int spool_reserve_spare_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
			     struct error *err)
{
	const struct request request = { .bytes = bytes, .is_spare = true };

	return make_room(spool, &request, entry, err);
}

int spool_reserve_extra(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
			struct error *err)
{
	const struct request request = { .bytes = bytes, .is_extra = true };

	return make_room(spool, &request, entry, err);
}

uint64_t spool_segment_bytes_max(struct spool *spool)
{
	const struct budget budget = spool_budget(spool);

	return budget_segment_bytes_max(&budget);
}

bool spool_evict_one(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	static const struct spool_shortage disk = { "the disk", "" };
	struct spool_entry *victim;
	struct error err;

	while ((victim = find_victim(spool, spool_budget(spool).policy, NULL))) {
		bool is_kept = victim->folder == SPOOL_KEPT;

		if (delete_for_room(spool, victim, &err) == 0) {
			if (!is_kept)
				spool_note_shortage(spool, &disk, false);
			return true;
		}
		if (!is_kept)
			return false;
	}
	return false;
}

void spool_enforce(struct spool *spool)
{
	const struct request request = { .is_for_all = true };
	struct error err;

	(void)pthread_mutex_lock(&spool->lock);
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
	if (make_room(spool, &request, NULL, &err) == 0) {
		spool->has_failed = false;
	} else if (err.kind != ERROR_TRANSIENT && !spool->has_failed) {
		log_error("cannot make room in the spool", log_reason(&err));
		spool->has_failed = true;
	}
}

struct spread spool_spread(struct spool *spool)
{
	const struct budget_state state = spool_without_kept(spool, spool_state(spool));
	const struct budget budget = spool_budget(spool);
	bool may_wait = budget_use(&budget, &state) <= SPREAD_USE_MAX;

	return (struct spread){
		.span_ms = may_wait ? atomic_load(&spool->spread_ms) : 0,
		.hurried_ns = atomic_load(&spool->hurried_ns),
	};
}
