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
 * capturing/ and sending/ is complete. Files with other names than ours are never touched, only counted.
 * The folders are the truth; the list in memory is a cache of them,
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
#include "segment/segment.h"

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

/* Has a process opened it? False also where that cannot be told. Takes nothing, and never blocks for long. */
bool spool_is_in_use(const char *directory);

/*
 * As root, before the privileges are dropped: make the folders and give them and our files in them away.
 * ERROR_CONFIG, with nothing changed, if there are other files than the spool's.
 */
int spool_give(const char *directory, uid_t uid, gid_t gid, struct error *err)
	__attribute__((warn_unused_result));
/* Could it be given away? As spool_give(), but nothing is changed, and the folder may be missing. */
int spool_check_give(const char *directory, struct error *err) __attribute__((warn_unused_result));
/*
 * The option by which the file system has no room for even an empty spool; NULL: it has. The folder, or the
 * nearest one above it, is looked at.
 */
const char *spool_exceeded(const char *directory, const struct budget *budget);
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
 * Recorder: the file (synced by the caller) is finished: write its facts, with the drops that were carried
 * until now, which are added to segment's. Facts that cannot be written are logged; the segment then goes
 * with those that were written before. spool_make_ready() follows.
 */
void spool_tell_facts(struct spool *spool, const char *name, struct segment *segment);
/* Recorder: its facts are told: move it to ready/. */
int spool_make_ready(struct spool *spool, const char *name, uint64_t packets, struct error *err)
	__attribute__((warn_unused_result));
/* Both in one. */
int spool_publish(struct spool *spool, const char *name, const struct segment *segment,
		  struct error *err) __attribute__((warn_unused_result));
/* Recorder: nothing worth keeping is in capturing/NAME. */
void spool_discard(struct spool *spool, const char *name);
/* Recorder: capturing/NAME cannot be finished; its drops are told by recovery, or by the next segment. */
void spool_leave_facts(struct spool *spool, const char *name, const struct segment *segment);
/*
 * It cannot be published now: recovery takes care of it. False: somebody has taken it away, and it is counted
 * as lost.
 */
bool spool_abandon(struct spool *spool, const char *name);
/*
 * Recovery: take one of the files in capturing/ that nobody writes; false: there is none now. It is to be
 * published, deleted, set aside or abandoned; ret_failures: how often that was the end.
 */
bool spool_take_unfinished(struct spool *spool, char ret_name[SEGMENT_NAME_MAX + 1],
			   unsigned *ret_failures);
/*
 * Recovery: capturing/NAME, opened for reading and writing, with what is known of it (the packets are
 * those that were written), or can be read from its name. Returns the fd.
 */
int spool_open_unfinished(struct spool *spool, const char *name, struct segment *ret_segment,
			  struct error *err) __attribute__((warn_unused_result));
/* Recovery: no packet is in capturing/NAME: delete it. The next segment tells these drops. */
int spool_delete_unfinished(struct spool *spool, const char *name, const struct drops *drops,
			    struct error *err) __attribute__((warn_unused_result));
/*
 * Recovery: nothing of capturing/NAME can be read: to rejected/, for a person to look at. What its facts
 * tell of packets is counted as by spool_reject().
 */
int spool_set_aside(struct spool *spool, const char *name, struct error *err)
	__attribute__((warn_unused_result));

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
 * SPOOL_ATTEMPT_MAX bytes. Durable, and gone with the segment. NULL: nothing. After an error the attempts
 * of this run know it all the same, and the next run (if the disk takes that) that there was one.
 */
#define SPOOL_ATTEMPT_MAX 8192
int spool_keep_attempt(struct spool *spool, const struct spool_claim *claim, const char *text,
		       struct error *err) __attribute__((warn_unused_result));
/*
 * What the last attempt left behind, in any run; "" if it was broken off in the middle by the end of its
 * process; NULL if there is nothing. The caller frees.
 */
char *spool_last_attempt(struct spool *spool, const struct spool_claim *claim);
/*
 * The sink proved that it holds the same bytes. After an error the file is left to
 * spool_finish_removals(), and never claimed again in this run.
 */
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

/* Delete what spool_remove() could not; tried again when called again. */
void spool_finish_removals(struct spool *spool);

/* What is held back after failures may be claimed at once. */
void spool_hurry(struct spool *spool);

/* What the spool may take from now on. */
void spool_set_budget(struct spool *spool, const struct budget *budget);
/*
 * Recorder: is there room to write so many bytes more to capturing/NAME, or (NULL) to begin a segment with
 * so many? Deletes what the policy has deleted (rejected first, then the oldest ready), counted and logged.
 * ERROR_TRANSIENT: there is none; others: the disk. spool_settle() follows the writing.
 */
int spool_make_room(struct spool *spool, const char *name, uint64_t bytes, struct error *err)
	__attribute__((warn_unused_result));
/* Recorder: account what capturing/NAME takes now. ERROR_FATAL if somebody has deleted the file. */
int spool_settle(struct spool *spool, const char *name, int fd, struct error *err);
/* Recorder: so large a file may become, for the budget's sake. */
uint64_t spool_segment_bytes_max(struct spool *spool);
/* Recorder: the disk has no room, whatever the budget says. True if a segment was deleted. */
bool spool_give_way(struct spool *spool);
/*
 * Delete what is over the budget, though nobody wants to write: others fill the file system, or the limits
 * have changed. Failures are logged. Drops that could not be noted before are.
 */
void spool_enforce(struct spool *spool);
/* If the spool's folders were taken away, make them anew. Logged; tried again when called again. */
void spool_repair(struct spool *spool);
/* True while there is no room and nothing that may be deleted for it. */
bool spool_is_full(const struct spool *spool);
/* Drops that the next segment tells, noted durably. */
void spool_carry(struct spool *spool, const struct drops *drops);

struct spool_totals {
	uint64_t capturing, ready, sending,
		rejected;               /* segments; the first: open, or to be recovered */
	uint64_t bytes;                 /* that the folder takes, with all that is in it */
	uint64_t disk_free, disk_total; /* of its file system, when last looked at */
	/* Above spool.min_free and spool.min_free_inodes; UINT64_MAX: no limit, or not looked at yet. */
	uint64_t room_bytes, room_inodes;
	double use; /* of the nearest limit, 0 to 1: budget_use() */
	/* Segments since the start: set aside for good; gone before they were uploaded, mostly for room. */
	uint64_t refused, lost;
	/* When the oldest began that is not in ready/ yet: open, or to be recovered; 0: there is none. */
	uint64_t oldest_capturing_ns;
	uint64_t oldest_ns; /* when the oldest begins that is ready or sent; 0: there is none */
};
/* False, with ret_totals as it was, while another thread has the lock. */
bool spool_totals(struct spool *spool, struct spool_totals *ret_totals);

/*
 * List the folders anew: an operator may have moved files, and mended what made others fail. What is
 * claimed stays claimed, what is held back may be claimed at once.
 */
int spool_rescan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
