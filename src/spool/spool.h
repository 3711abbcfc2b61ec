/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The folder between recorder and uploader, and the only queue of segments there is:
 *
 *     capturing/NAME -publish-> ready/NAME -claim-> sending/NAME -> removed      (the sink proved it)
 *                                          <-release-          `-> rejected/NAME (never to be accepted)
 *
 * facts/NAME holds what is known of the segment, written before it is published; attempts/NAME what an
 * attempt to send it left behind that may have succeeded, or can be gone on with. A name outside
 * capturing/ and sending/ is complete. The folders are the truth; the list in memory is a cache of them,
 * made by spool_open(). All functions may be called from any thread; they lock, and block on the disk:
 * all but spool_set_budget(), spool_wake(), spool_is_full() and spool_totals(), which main may call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/counters.h"
#include "base/error.h"
#include "spool/budget.h"
#include "spool/segment.h"

struct spool;

/* A name in the root folder that is not the spool's own but left alone: src/status listens there. */
#define SPOOL_CONTROL_SOCKET "control"

/*
 * Open (and create, where missing) the folders below `directory`, put what an earlier run was sending
 * back to ready, and list what waits. One process per spool: a second one is refused.
 */
int spool_open(const char *directory, struct counters *counters, struct spool **ret_spool,
	       struct error *err) __attribute__((warn_unused_result));
struct spool *spool_close(struct spool *spool);

/*
 * As root, before the privileges are dropped: make the folders and give them and their files away.
 * ERROR_CONFIG, with nothing changed, if there are other files than the spool's.
 */
int spool_give(const char *directory, uid_t uid, gid_t gid, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Could spool_open() work? Changes nothing. As there, ERROR_CONFIG is what the user must change, and what
 * may pass (no space, an I/O error) is ERROR_FATAL.
 */
int spool_check(const char *directory, struct error *err) __attribute__((warn_unused_result));

/* Recorder: the next sequence number, durable before it is returned; never the same one twice. */
int spool_next_sequence(struct spool *spool, uint64_t *ret_sequence, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Recorder: a new file capturing/NAME, opened for writing, and what is known of it so far, for a recovery.
 * Returns the fd.
 */
int spool_create(struct spool *spool, const char *name, const struct segment *segment,
		 struct error *err) __attribute__((warn_unused_result));
/* Recorder: more is known of capturing/NAME than at its creation; for a recovery. */
int spool_note_facts(struct spool *spool, const char *name, const struct segment *segment,
		     struct error *err) __attribute__((warn_unused_result));
/*
 * Recorder: the file (synced by the caller) is finished: write its facts, move it to ready/. Facts that
 * cannot be written are logged; the segment then goes with those that were written before.
 */
int spool_publish(struct spool *spool, const char *name, const struct segment *segment,
		  struct error *err) __attribute__((warn_unused_result));
/* Recorder: nothing worth keeping is in capturing/NAME. */
void spool_discard(struct spool *spool, const char *name);
/* Recovery: names in capturing/, with count in ret_count; the caller frees each and the array. */
int spool_list_unfinished(struct spool *spool, char ***ret_names, size_t *ret_count,
			  struct error *err) __attribute__((warn_unused_result));
/*
 * Recovery: capturing/NAME, opened for reading and writing, with what was known of it when it was begun
 * (or could be read from its name). Returns the fd.
 */
int spool_open_unfinished(struct spool *spool, const char *name, struct segment *ret_segment,
			  struct error *err) __attribute__((warn_unused_result));

enum spool_order {
	SPOOL_OLDEST_FIRST,
	SPOOL_NEWEST_FIRST
};

/* A segment being sent: the caller's until released, rejected or removed. */
struct spool_claim {
	char name[SEGMENT_NAME_MAX + 1];
	struct segment segment;
	int fd; /* read only; closed by whatever ends the claim */
};

/*
 * Uploader: claim a ready segment, waiting up to timeout_ms for one. Returns 1 with a claim, 0 if there
 * was none (or spool_wake() was called), -1 on errors. A segment without facts gets size and CRC32C by
 * reading it. After an error, a file that cannot be read lets others go first, as after spool_release().
 */
int spool_claim(struct spool *spool, enum spool_order order, unsigned timeout_ms,
		struct spool_claim *ret_claim, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Uploader: what the next attempt to send a claimed segment has to know; a secret, at most
 * SPOOL_ATTEMPT_MAX bytes. Durable, and gone with the segment. NULL: nothing.
 */
#define SPOOL_ATTEMPT_MAX 8192
int spool_keep_attempt(struct spool *spool, const struct spool_claim *claim, const char *text,
		       struct error *err) __attribute__((warn_unused_result));
/*
 * What the last attempt left behind, in any run; "" if it was broken off in the middle by the end of its
 * process; NULL if there is nothing. The caller frees.
 */
char *spool_last_attempt(struct spool *spool, const struct spool_claim *claim);
/* The sink proved that it holds the same bytes. */
int spool_remove(struct spool *spool, struct spool_claim *claim, struct error *err)
	__attribute__((warn_unused_result));
/*
 * It may work later: back to ready/. One that has failed (and was not broken off by ourselves) three
 * times or more lets others go first for a while.
 */
int spool_release(struct spool *spool, struct spool_claim *claim, bool has_failed,
		  struct error *err) __attribute__((warn_unused_result));
/* It never will: to rejected/, its packets counted as discarded and dropped. */
int spool_reject(struct spool *spool, struct spool_claim *claim, struct error *err)
	__attribute__((warn_unused_result));
/* Let everybody who waits in spool_claim() return. */
void spool_wake(struct spool *spool);

/* What is held back after failures may be claimed at once. */
void spool_hurry(struct spool *spool);

/* What the spool may take from now on. */
void spool_set_budget(struct spool *spool, const struct budget *budget);
/* Delete what is over the budget (rejected first, then the oldest ready); counted and logged. */
int spool_enforce(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* True after an enforcement that had nothing left to delete and still was below the free floor. */
bool spool_is_full(const struct spool *spool);

struct spool_totals {
	uint64_t ready, sending, rejected; /* segments */
	uint64_t bytes;                    /* of all of them */
	uint64_t disk_free, disk_total;    /* of its file system, at the last enforcement */
	uint64_t oldest_ns; /* when the oldest begins that is ready or sent; 0: there is none */
};
/* False, with ret_totals as it was, while another thread has the lock. */
bool spool_totals(struct spool *spool, struct spool_totals *ret_totals);

/* List the folders anew: an operator may have moved files. What is claimed stays claimed. */
int spool_rescan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
