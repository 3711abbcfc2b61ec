/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spool takes, to the block, and how room is made. The sum is that of `du`: every file in the
 * folder with its allocated blocks, finished or not, with the folders themselves. A recorder asks before
 * it writes, so that the sum never exceeds the limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "segment/name.h"
#include "spool/spool_private.h"

/*
 * Kept free below spool.max_size, for what comes with a segment: its facts and those that replace them, a
 * folder that grows, a file system's own blocks in a file; and so much more for each open segment. For
 * each worker, also while nobody writes segments: what it notes, and the file that replaces it.
 */
#define MARGIN_BYTES        UINT64_C(65536)
#define MARGIN_OPEN_BYTES   UINT64_C(16384)
#define MARGIN_WORKER_BYTES (2 * SPOOL_ATTEMPT_MAX)
#define BLOCK_BYTES         UINT64_C(4096) /* what is written is rounded up to this, or the file system's */
/* An open segment ends when it takes this part of spool.max_size: the oldest has to be a small part. */
#define SEGMENT_PART 8

uint64_t spool_allocated(int folder_fd, const char *name)
{
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

void spool_measure_beside(struct spool *spool, struct spool_entry *entry)
{
	uint64_t bytes = 0;

	for (int state = SPOOL_FACTS; state < SPOOL_STATE_COUNT; state++)
		bytes += spool_allocated(spool->folder_fd[state], entry->name);
	spool->entry_bytes += bytes - entry->beside_bytes;
	entry->beside_bytes = bytes;
}

void spool_set_bytes(struct spool *spool, struct spool_entry *entry, uint64_t bytes)
{
	spool->entry_bytes += bytes - entry->bytes;
	entry->bytes = bytes;
}

void spool_measure_folders(struct spool *spool)
{
	spool->folder_bytes = spool_allocated(spool->root_fd, ".");
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		spool->folder_bytes += spool_allocated(spool->folder_fd[state], ".");
	for (size_t i = 0; spool_file_names[i]; i++)
		spool->folder_bytes += spool_allocated(spool->root_fd, spool_file_names[i]);
}

static uint64_t bytes_taken(const struct spool *spool)
{
	return spool->entry_bytes + spool->folder_bytes + spool->foreign_bytes;
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

/* As it would be with so many bytes and segments more. */
static struct budget_state measure(struct spool *spool, const struct budget *budget,
				   uint64_t more_bytes, uint64_t more_segments)
{
	struct budget_state state = {
		.segments = spool->counts[SPOOL_READY] + spool->counts[SPOOL_SENDING] +
			    spool->counts[SPOOL_REJECTED] + more_segments,
		.bytes = bytes_taken(spool) + budget->workers * MARGIN_WORKER_BYTES,
	};
	struct statvfs fs;

	if (fstatvfs(spool->root_fd, &fs) == 0) {
		uint64_t block = fs.f_frsize > BLOCK_BYTES ? fs.f_frsize : BLOCK_BYTES;

		more_bytes = (more_bytes + block - 1) / block * block;
		state.disk_total = (uint64_t)fs.f_blocks * fs.f_frsize;
		state.disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
		spool->disk_free = state.disk_free;
		spool->disk_total = state.disk_total;
		state.inodes_total = fs.f_files;
		state.inodes_free = fs.f_favail;
		spool->inodes_free = state.inodes_free;
		spool->inodes_total = state.inodes_total;
	}
	if (more_bytes > 0)
		state.bytes += more_bytes + MARGIN_BYTES +
			       spool->counts[SPOOL_CAPTURING] * MARGIN_OPEN_BYTES;
	state.disk_free -= more_bytes < state.disk_free ? more_bytes : state.disk_free;
	return state;
}

/* Delete one segment for want of room. Those in rejected/ were counted when they came there. */
static int delete_for_room(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	struct segment segment = { 0 };
	struct drops drops = { 0 };
	struct error reading;

	if (spool_facts_read(spool, entry->name, &segment, &reading) < 0)
		log_debug("segment has no facts", log_reason(&reading));
	/* A full disk may not have taken the facts of its end. */
	if (segment.packets < entry->packets)
		segment.packets = entry->packets;
	if (entry->state == SPOOL_READY) {
		drops = segment.drops;
		drops.count[DROP_BUDGET] += segment.packets;
	}
	if (spool_carry_deletion(spool, entry->state, entry->name, &drops, err) < 0)
		return -1;
	if (entry->state == SPOOL_READY) {
		counters_discard(spool->counters, segment.interface, DROP_BUDGET, segment.packets);
		spool->deleted_packets += segment.packets;
		spool->lost++;
	}
	log_event(EVENT_SEGMENT_EVICTED, log_text("name", entry->name),
		  log_text("folder", spool_folder_names[entry->state]),
		  log_number("packets", segment.packets), log_number("bytes", entry->bytes));
	spool->deleted_segments++;
	spool_forget(spool, entry->name);
	spool_index_delete(spool, entry);
	spool_measure_folders(spool);
	return 0;
}

/* What has to go first: the oldest in rejected/, whoever has asked for it; then, by policy, in ready/. */
static struct spool_entry *find_victim(struct spool *spool, enum budget_policy policy)
{
	enum spool_state state = spool->counts[SPOOL_REJECTED] > 0 ? SPOOL_REJECTED : SPOOL_READY;

	if (state == SPOOL_READY && policy != BUDGET_DROP_OLDEST)
		return NULL;
	for (size_t i = 0; i < spool->count; i++)
		if (spool->entries[i].state == state && !spool->entries[i].is_claimed)
			return &spool->entries[i];
	return NULL;
}

/* Said when it begins and when it is over, however many segments or packets it costs. */
static void note_trouble(struct spool *spool, const char *option, bool is_full)
{
	if (is_full && !atomic_load(&spool->is_full))
		log_event(EVENT_SPOOL_FULL, log_text("limit", option),
			  log_number("bytes", bytes_taken(spool)));
	else if (!is_full && !spool->is_deleting && spool->deleted_segments > 0)
		log_event(EVENT_SPOOL_EVICTING, log_text("limit", option),
			  log_number("bytes", bytes_taken(spool)));
	spool->is_deleting |= spool->deleted_segments > 0;
	atomic_store(&spool->is_full, is_full);
}

/* There is room to spare: what was said is over. */
static void note_well(struct spool *spool)
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

/*
 * Delete until so much more fits. False if it does not, or nothing may be deleted that helps. With the
 * lock held. What was freed is counted here: some file systems tell later.
 */
static bool make_room(struct spool *spool, uint64_t bytes, uint64_t segments, struct error *err)
{
	const struct budget budget = get_budget(spool);
	struct budget_state state = measure(spool, &budget, bytes, segments);
	const char *option, *first = NULL;

	while ((option = budget_exceeded(&budget, &state))) {
		struct spool_entry *victim = find_victim(spool, budget.policy);
		uint64_t freed = victim ? victim->bytes + victim->beside_bytes : 0;

		if (!first)
			first = option;
		if (!victim || delete_for_room(spool, victim, err) < 0) {
			if (!victim)
				error_set(err, ERROR_TRANSIENT, "%s is reached", option);
			note_trouble(spool, option, true);
			return false;
		}
		state.segments--;
		state.bytes -= freed < state.bytes ? freed : state.bytes;
		state.disk_free += freed;
		state.inodes_free += BUDGET_FILES_PER_SEGMENT;
	}
	if (first) {
		note_trouble(spool, first, false);
	} else if (budget_has_slack(&budget, &state)) {
		note_well(spool);
	} else if (atomic_load(&spool->is_full) && budget.policy != BUDGET_DROP_OLDEST) {
		error_set(err, ERROR_TRANSIENT, "the spool is still nearly full");
		return false;
	}
	return true;
}

int spool_make_room(struct spool *spool, const char *name, uint64_t bytes, struct error *err)
{
	struct spool_entry *entry;
	uint64_t segments = 0;
	bool has_room;

	(void)pthread_mutex_lock(&spool->lock);
	/* Where nothing is deleted for it, there has to be a place for the segment when it is finished. */
	if (!name && get_budget(spool).policy != BUDGET_DROP_OLDEST)
		segments = spool->counts[SPOOL_CAPTURING] + 1;
	has_room = make_room(spool, bytes, segments, err);
	entry = has_room && name ? spool_index_find(spool, name) : NULL;
	if (entry)
		spool_set_bytes(spool, entry, entry->bytes + bytes);
	(void)pthread_mutex_unlock(&spool->lock);
	return has_room ? 0 : -1;
}

int spool_settle(struct spool *spool, const char *name, int fd, struct error *err)
{
	struct spool_entry *entry;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat %s", name);
	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry)
		spool_set_bytes(spool, entry, (uint64_t)st.st_blocks * 512);
	(void)pthread_mutex_unlock(&spool->lock);
	if (st.st_nlink == 0) {
		errno = ENOENT;
		return error_errno(err, "%s was deleted by somebody else", name);
	}
	return 0;
}

uint64_t spool_segment_bytes_max(struct spool *spool)
{
	struct budget budget = get_budget(spool);

	return budget.max_bytes > 0 && budget.policy == BUDGET_DROP_OLDEST
		       ? budget.max_bytes / SEGMENT_PART
		       : UINT64_MAX;
}

bool spool_give_way(struct spool *spool)
{
	struct spool_entry *victim;
	struct error err;
	bool has_deleted;

	(void)pthread_mutex_lock(&spool->lock);
	victim = find_victim(spool, get_budget(spool).policy);
	has_deleted = victim && delete_for_room(spool, victim, &err) == 0;
	if (has_deleted)
		note_trouble(spool, "the disk", false);
	(void)pthread_mutex_unlock(&spool->lock);
	return has_deleted;
}

void spool_enforce(struct spool *spool)
{
	struct error err;

	spool_carry_settle(spool);
	(void)pthread_mutex_lock(&spool->lock);
	spool_measure_folders(spool);
	if (!make_room(spool, 0, 0, &err) && err.kind != ERROR_TRANSIENT && !spool->has_failed) {
		log_error("cannot make room in the spool", log_reason(&err));
		spool->has_failed = true;
	} else if (!atomic_load(&spool->is_full)) {
		spool->has_failed = false;
	}
	(void)pthread_mutex_unlock(&spool->lock);
}

bool spool_is_full(const struct spool *spool)
{
	return atomic_load_explicit(&spool->is_full, memory_order_relaxed);
}

/* In name order, so by time. */
static uint64_t oldest_ns(const struct spool *spool)
{
	for (size_t i = 0; i < spool->count; i++)
		if (spool->entries[i].state == SPOOL_READY ||
		    (spool->entries[i].state == SPOOL_SENDING && !spool->entries[i].is_proven))
			return name_start_ns(spool->entries[i].name);
	return 0;
}

static uint64_t oldest_capturing_ns(const struct spool *spool)
{
	for (size_t i = 0; i < spool->count && spool->counts[SPOOL_CAPTURING] > 0; i++)
		if (spool->entries[i].state == SPOOL_CAPTURING)
			return name_start_ns(spool->entries[i].name);
	return 0;
}

bool spool_totals(struct spool *spool, struct spool_totals *ret_totals)
{
	struct budget_state state;
	struct budget budget;

	if (pthread_mutex_trylock(&spool->lock) != 0)
		return false;
	budget = get_budget(spool);
	state = (struct budget_state){
		.segments = spool->counts[SPOOL_READY] + spool->counts[SPOOL_SENDING] +
			    spool->counts[SPOOL_REJECTED],
		.bytes = bytes_taken(spool),
		.disk_total = spool->disk_total,
		.disk_free = spool->disk_free,
		.inodes_total = spool->inodes_total,
		.inodes_free = spool->inodes_free,
	};
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
		.disk_free = spool->disk_free,
		.disk_total = spool->disk_total,
		.oldest_capturing_ns = oldest_capturing_ns(spool),
		.oldest_ns = oldest_ns(spool),
	};
	(void)pthread_mutex_unlock(&spool->lock);
	return true;
}
