/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the parts of the spool share: spool.c (the queue), spool_index.c (the list), spool_facts.c,
 * spool_attempts.c, spool_tidy.c and spool_folder.c (the disk). Nothing is synced with `lock` held: the main thread must not wait for a disk.
 */

#include <dirent.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "spool/spool.h"

/* A state is a folder. Whole segments are in READY to REJECTED; the others hold what goes with them. */
enum spool_state {
	SPOOL_CAPTURING,
	SPOOL_READY,
	SPOOL_SENDING,
	SPOOL_REJECTED,
	SPOOL_FACTS,
	SPOOL_ATTEMPTS,
	SPOOL_STATE_COUNT,
};

extern const char *const spool_folder_names[SPOOL_STATE_COUNT];

struct spool_entry {
	char *name;
	enum spool_state state;
	uint64_t bytes;
	bool is_claimed; /* else, in SENDING: it could not be moved back, and can be claimed again */
	unsigned failures;
	uint64_t not_before_ms; /* monotonic: so long others come first */
};

struct spool {
	int root_fd, folder_fd[SPOOL_STATE_COUNT];
	int lock_fd; /* of the file `lock`: there is one process per spool */
	struct counters *counters;
	atomic_bool is_full;

	pthread_mutex_t sequence_lock;
	uint64_t sequence;

	pthread_mutex_t budget_lock;
	struct budget budget;

	/* An event count for those who wait for a segment: its lock is never held for longer than this. */
	pthread_mutex_t event_lock;
	pthread_cond_t changed;
	uint64_t events;
	unsigned wakes; /* of them, how often spool_wake() was called */

	pthread_mutex_t lock; /* for all that follows; held while a file is moved or deleted */
	uint64_t disk_free, disk_total; /* bytes, at the last enforcement */
	struct spool_entry *entries;    /* whole segments, in name order */
	size_t count, capacity;
	/* What segments told that were deleted for want of room, and their packets: the next one tells it. */
	uint64_t carried_drops[DROP_REASON_COUNT];
};

/* Make and open the folders, and keep other processes out. */
int spool_folder_open(struct spool *spool, const char *directory, struct error *err)
	__attribute__((warn_unused_result));
void spool_folder_close(struct spool *spool);
/* A stream over one folder; the caller closes it. NULL on errors. */
DIR *spool_folder_list(const struct spool *spool, enum spool_state state, struct error *err)
	__attribute__((warn_unused_result));
/* Rename between folders; not synced. err->errnum is ENOENT if the file is in neither of them. */
int spool_folder_move(const struct spool *spool, enum spool_state from, enum spool_state to,
		      const char *name, struct error *err) __attribute__((warn_unused_result));
/* Is there such a file? */
bool spool_folder_has(const struct spool *spool, enum spool_state state, const char *name);
/* Make a folder's names durable; a failure is only logged. */
void spool_folder_sync(const struct spool *spool, enum spool_state state);
/* Find the number to go on from: the stored one, or a higher one that a file in the spool bears. */
int spool_folder_read_sequence(struct spool *spool, struct error *err)
	__attribute__((warn_unused_result));

/* Something has become ready, or may have. */
void spool_tell(struct spool *spool, bool is_wake);

/* What an earlier run was sending is to be sent; what is of no use any more goes. */
int spool_tidy_up(struct spool *spool, struct error *err) __attribute__((warn_unused_result));

/* The list; the caller holds the lock. */
void spool_index_insert(struct spool *spool, const char *name, enum spool_state state,
			uint64_t bytes);
struct spool_entry *spool_index_find(struct spool *spool, const char *name);
/*
 * The next one to send: the first in that order. What is held after failures waits for its time (the
 * nearest is put into ret_due_ms), and in a newest-first run comes last, but at once. NULL: none now.
 */
struct spool_entry *spool_index_next(struct spool *spool, enum spool_order order, uint64_t now_ms,
				     uint64_t *ret_due_ms);
/* Sending it failed for now. From the third time on it is held, for longer each time. */
void spool_index_failed(struct spool_entry *entry, uint64_t now_ms);
void spool_index_delete(struct spool *spool, struct spool_entry *entry);
void spool_index_clear(struct spool *spool);

/* Facts, written durably. */
int spool_facts_write(struct spool *spool, const char *name, const struct segment *segment,
		      struct error *err) __attribute__((warn_unused_result));
/* -1 with err if there are none, or none that can be used. */
int spool_facts_read(struct spool *spool, const char *name, struct segment *ret_segment,
		     struct error *err) __attribute__((warn_unused_result));
/* With what goes with them: the segment is gone. */
void spool_facts_remove(struct spool *spool, const char *name);
/* What the name alone tells; the rest is 0. */
void spool_facts_guess(const char *name, struct segment *ret_segment);

/* The process ended while it sent this segment: nobody knows how that ended. */
void spool_attempts_note_unknown(struct spool *spool, const char *name);
void spool_attempts_remove(struct spool *spool, const char *name);
