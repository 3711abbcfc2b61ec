/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The folder between recorder and uploader, and the only queue of segments there is:
 *
 *     capturing/NAME -finish-> ready/NAME -claim-> sending/NAME -remove-> (the sink proved that it has it)
 *                                        <-release-          |       `-or-> kept/NAME (and stays for spool.keep)
 *                                                            `-reject-> rejected/NAME (it never will)
 *
 * metadata/NAME holds what is known of a segment (kept/metadata/NAME, of one in kept/), upload-state/NAME what an
 * attempt to send it left behind; lost/ holds losses that no segment has stated yet (ledger.c). A name outside capturing/ and sending/ is
 * complete. The folders are the truth; the list in memory is a cache of them, made by spool_open(). Files
 * with other names than ours are left alone, and not counted.
 *
 * Three handles: writer.h for the recorder and for recovery, claim.h for the uploader, and this header for
 * the daemon. Functions may be called from any thread; they lock, and block on the disk: all but
 * spool_set_budget(), spool_wake(), spool_hurry(), spool_is_full(), spool_is_removed() and spool_totals(), which the main
 * thread may call.
 *
 * A kill loses nothing that was written. Which sync is for which promise in a power failure: docs/packet-loss.md.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/counters.h"
#include "base/error.h"
#include "conf/conf.h"
#include "segment/segment.h"
#include "spool/claim.h"
#include "spool/writer.h"

/* Itself, and its metadata. */
#define SPOOL_FILES_PER_SEGMENT 2

/* A name in the root folder that is not the spool's own but left alone: src/status listens there. */
#define SPOOL_CONTROL_SOCKET "control"

/*
 * Open (and create, where missing) the folders below `directory`, put what an earlier run was sending
 * back to ready, and list what waits. One process per spool: a second one is refused.
 */
int spool_open(const char *directory, struct counters *counters, struct spool **ret_spool,
	       struct error *err) __attribute__((warn_unused_result));
struct spool *spool_close(struct spool *spool);

/* Has a process opened it? False also where that is not known. Takes nothing, and never blocks for long. */
bool spool_is_in_use(const char *directory);

/*
 * As root, before the privileges are dropped: make the folders and change the owner of them and of our files.
 * ERROR_CONFIG, with nothing changed, if there are other files than the spool's.
 */
int spool_chown(const char *directory, uid_t uid, gid_t gid, struct error *err)
	__attribute__((warn_unused_result));
/* Would spool_chown() refuse? Changes nothing, and the folder may be missing. */
int spool_may_chown(const char *directory, struct error *err) __attribute__((warn_unused_result));
/*
 * Could spool_open() work? Changes nothing. As there, ERROR_CONFIG is what the user must change, and what
 * may pass (no space, an I/O error) is ERROR_FATAL.
 */
int spool_check(const char *directory, struct error *err) __attribute__((warn_unused_result));

/*
 * The option whose limit has no room for a file of segment.size of each of so many interfaces, or on the disk for
 * anything at all (none); NULL: all have. With what they need, and what there is: bytes, or files. Looks at the
 * folder, or at the nearest one above it.
 */
const char *spool_too_small(const struct conf *conf, uint64_t interfaces, uint64_t *ret_needed,
			    uint64_t *ret_there);

/* What the spool may take from now on. */
void spool_set_budget(struct spool *spool, const struct conf *conf);
/*
 * Once a second: delete what the sink has and could not be deleted before, or was kept long enough; write down losses
 * that the disk did not take before, delete what is over the budget. Failures are logged.
 */
void spool_maintain(struct spool *spool);
/* spool_maintain() found that the folders were deleted, and has logged it: nothing can be written any more. */
bool spool_is_removed(const struct spool *spool);
/* True while there is no room for segments of this interface, or (NULL) of any, and nothing may be deleted for it. */
bool spool_is_full(struct spool *spool, const char *interface);
/*
 * List the folders again: an operator may have moved files, and mended what made others fail. What is
 * claimed stays claimed, what is held back may be claimed at once.
 */
int spool_rescan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* What is held back after failures may be claimed at once. */
void spool_retry_now(struct spool *spool);
/* So may what was recorded for a destination of another kind. */
void spool_send_kept_back(struct spool *spool);

/* One of the last segments that this run finished, for a person who looks for packets. */
struct spool_recent {
	char name[SEGMENT_NAME_MAX + 1]; /* "": none */
	uint64_t start_ns, end_ns;       /* what it covers */
	uint64_t packets, drops;
	const char *state; /* "waiting", "uploading", "uploaded", "rejected", "deleted" */
};
#define SPOOL_RECENT_MAX 8

struct spool_totals {
	uint64_t capturing, ready, sending,
		rejected;               /* segments; the first: open, or to be recovered */
	uint64_t bytes;                 /* that our files and folders take, as du counts them */
	uint64_t disk_free, disk_total; /* of its file system, when last looked at */
	/* Above spool.min_free and spool.min_free_inodes; UINT64_MAX: no limit, or not looked at yet. */
	uint64_t room_bytes, room_inodes;
	double use; /* of the nearest limit, 0 to 1: budget_use(); what is kept takes none of it */
	uint64_t fullest; /* finished segments of the interface that has the most */
	/* One that has spool.max_segments, and so alone is not recorded; "": none, or the whole spool is full. */
	char full_interface[SEGMENT_INTERFACE_MAX + 1];
	/* Segments since the start: rejected; gone before they were uploaded, mostly for room. */
	uint64_t refused, lost;
	/* When the oldest began that is not in ready/ yet: open, or to be recovered; 0: there is none. */
	uint64_t oldest_capturing_ns;
	uint64_t kept_back; /* of those in ready: for a destination of another kind */
	/* What is uploaded and still here, with its metadata (of bytes); when the oldest began, 0: there is none. */
	uint64_t kept, kept_bytes, oldest_kept_ns;
	uint64_t
		oldest_unsent_ns; /* when the oldest begins that is ready or sent; 0: there is none */
	/*
	 * Of those in ready: whose moment of upload.spread has not come. The oldest of all others, moved by as long as it
	 * waited for its own: that is no lag.
	 */
	uint64_t delayed, oldest_ns;
	struct spool_recent recent[SPOOL_RECENT_MAX]; /* the newest first */
};
/* False, with ret_totals as it was, while another thread has the lock. */
bool spool_totals(struct spool *spool, struct spool_totals *ret_totals);
