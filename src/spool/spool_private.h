/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the parts of the spool share: spool.c (the queue), spool_index.c (the list), spool_budget.c (its
 * sum and its limits), spool_unfinished.c (capturing/), and the disk: spool_attempts.c, spool_carry.c,
 * spool_facts.c, spool_folder.c, spool_scan.c, spool_tidy.c.
 */

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "spool/spool.h"

/*
 * A state is a folder. Whole segments are in READY to REJECTED; from FACTS on, folders hold files of the
 * segments' names with what is known of them.
 */
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
/* The files in the spool's own folder; ends with NULL. */
extern const char *const spool_file_names[];
#define SPOOL_CARRIED_FILE "carried"
#define SPOOL_LOCK_FILE    "lock"

struct spool_entry {
	char *name;
	enum spool_state state;
	uint64_t bytes;        /* allocated, or about to be */
	uint64_t beside_bytes; /* allocated for what is known of it */
	/*
	 * Somebody works on it: nobody else may. Else, in SENDING: it could not be moved back, and can be
	 * claimed again; in CAPTURING: it is to be recovered.
	 */
	bool is_claimed;
	bool is_proven; /* the sink has it, and its file could not be deleted yet: stays claimed */
	uint64_t packets; /* that this run wrote, once it has noted or published them; else 0 */
	unsigned failures;
	uint64_t not_before_ms; /* monotonic: so long others come first */
	char *attempt; /* what attempts/NAME should hold, and the disk did not take; a secret */
};

/* See spool_carry.c. */
struct spool_carried {
	uint64_t number;
	struct drops drops;
	bool is_unwritten; /* the file tells something else */
};

struct spool {
	char *directory;
	int root_fd, folder_fd[SPOOL_STATE_COUNT];
	int lock_fd; /* of the file `lock`: there is one process per spool */
	struct counters *counters;
	atomic_bool is_full;

	pthread_mutex_t sequence_lock;
	uint64_t sequence;

	pthread_mutex_t budget_lock;
	struct budget budget;

	pthread_mutex_t carry_lock; /* may be taken with `lock` held, not the other way round */
	struct spool_carried carried;

	/* An event count for those who wait for a segment: its lock is never held for longer than this. */
	pthread_mutex_t event_lock;
	pthread_cond_t changed;
	uint64_t events;
	unsigned wakes; /* of them, how often spool_wake() was called */

	pthread_mutex_t lock; /* for all that follows; held while a file is moved or deleted */
	uint64_t disk_free, disk_total; /* bytes, when last looked at */
	uint64_t inodes_free, inodes_total;
	struct spool_entry *entries; /* all segments, in name order */
	size_t count, capacity;
	size_t counts[SPOOL_STATE_COUNT];
	/* Allocated: for what is in the list; the folders and our files in them; everybody else's. */
	uint64_t entry_bytes, folder_bytes, foreign_bytes;
	uint64_t refused, lost;                     /* as in struct spool_totals */
	uint64_t deleted_segments, deleted_packets; /* for want of room, since there was enough */
	uint64_t drops_before;                      /* by budget, when there was enough */
	bool is_deleting, has_failed, is_broken;    /* said already */
};

/* Make and open the folders, and keep other processes out. */
int spool_folder_open(struct spool *spool, const char *directory, struct error *err)
	__attribute__((warn_unused_result));
void spool_folder_close(struct spool *spool);
/* Its steps. */
int spool_folder_open_root(struct spool *spool, const char *directory, struct error *err)
	__attribute__((warn_unused_result));
int spool_folder_lock(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
int spool_folder_open_all(struct spool *spool, struct error *err)
	__attribute__((warn_unused_result));
/* err of these, as an error of the start: ERROR_CONFIG is what the user must change. */
int spool_folder_start_error(struct error *err);
/* A stream over any folder. */
DIR *spool_folder_list_fd(int folder_fd, struct error *err) __attribute__((warn_unused_result));
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

/* The list; the caller holds the lock. */
struct spool_entry *spool_index_insert(struct spool *spool, const char *name,
				       enum spool_state state);
struct spool_entry *spool_index_find(struct spool *spool, const char *name);
/* Behind the others, wherever its place is; not counted. */
struct spool_entry *spool_index_append(struct spool *spool, const char *name,
				       enum spool_state state);
void spool_index_set_state(struct spool *spool, struct spool_entry *entry, enum spool_state state);
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
/* Free what an entry owns. */
void spool_entry_done(struct spool_entry *entry);
/* What is to be known of an attempt while the disk does not take it; NULL: nothing. Wipes what was. */
void spool_entry_set_attempt(struct spool_entry *entry, const char *text);

/* Facts, written durably as far as the folder can be synced. After an error those of before are there. */
int spool_facts_write(struct spool *spool, const char *name, const struct segment *segment,
		      struct error *err) __attribute__((warn_unused_result));
/* -1 with err if there are none, or none that can be used. */
int spool_facts_read(struct spool *spool, const char *name, struct segment *ret_segment,
		     struct error *err) __attribute__((warn_unused_result));
/* Remove all that is known of it. */
void spool_forget(struct spool *spool, const char *name);
/* So many packets as this run knows that it wrote, if the facts tell of fewer. Locks. */
void spool_recall_packets(struct spool *spool, const char *name, struct segment *segment);
/* What the name alone tells; the rest is 0. */
void spool_facts_guess(const char *name, struct segment *ret_segment);

/* The process ended while it sent this segment: nobody knows how that ended. */
void spool_attempts_note_unknown(struct spool *spool, const char *name);

/* Blocks, as du counts them; 0 for what is not there. */
uint64_t spool_allocated(int folder_fd, const char *name);
/* What is known of it has changed. Locks. */
void spool_account_beside(struct spool *spool, const char *name);
/* Account it; the caller holds the lock. */
void spool_set_bytes(struct spool *spool, struct spool_entry *entry, uint64_t bytes);
void spool_measure_beside(struct spool *spool, struct spool_entry *entry);
void spool_measure_folders(struct spool *spool);

/* The segment is in rejected/ now: its packets count as discarded and dropped. */
void spool_count_rejected(struct spool *spool, const struct segment *segment);
/* The segment's file is gone, not by us: its packets count as dropped. The caller holds the lock. */
void spool_lose(struct spool *spool, const struct spool_entry *entry);

/* The text of the file `carried`, which is cut up; ret_deleting points into it. Pure. */
int spool_carried_parse(char *text, struct spool_carried *ret_carried, const char **ret_deleting)
	__attribute__((warn_unused_result));
/* Read what an earlier run left, and finish what it had begun. */
int spool_carry_open(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Write the facts of a segment that is finished, with all that is carried, which is added to segment's. */
int spool_carry_tell(struct spool *spool, const char *name, struct segment *segment,
		     struct error *err) __attribute__((warn_unused_result));
/* The file is gone: it is written again by spool_carry_settle(), if not before. */
void spool_carry_was_lost(struct spool *spool);
/* Write what the disk did not take before. */
void spool_carry_settle(struct spool *spool);
/*
 * Delete a segment's file, whose drops (and packets, as drops) the next segment tells: both or, after an
 * error, neither, also if the process ends in between. The caller holds the lock.
 */
int spool_carry_deletion(struct spool *spool, enum spool_state state, const char *name,
			 const struct drops *drops, struct error *err)
	__attribute__((warn_unused_result));

/* Is it the temporary file, ".NAME.new", of a file_replace() of one of ours? */
bool spool_is_temporary(const char *name);
/* Is it a regular file with a segment's name? Fills st. */
bool spool_is_segment(int folder_fd, const char *name, struct stat *st);
/* What an earlier run left half done: back to ready/, or away. */
int spool_tidy(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Make the list anew; the caller holds the lock. */
int spool_scan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
