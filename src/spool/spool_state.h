/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The spool as its parts see it: plain data, and which lock guards what. For src/spool and its tests. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/thread.h"
#include "segment/losses.h"
#include "spool/budget.h"

/* Segments are in CAPTURING to REJECTED; METADATA and UPLOAD_STATE hold files of their names. */
enum spool_folder {
	SPOOL_CAPTURING,
	SPOOL_READY,
	SPOOL_SENDING,
	SPOOL_REJECTED,
	SPOOL_METADATA,
	SPOOL_UPLOAD_STATE,
	SPOOL_LOST, /* see ledger.c */
	SPOOL_FOLDERS,
};

struct spool_entry {
	char *name;
	enum spool_folder folder;
	uint64_t bytes;         /* allocated, or about to be */
	uint64_t sidecar_bytes; /* allocated for metadata and upload state */
	/*
	 * A writer or a claim has it: nobody else may work on it. If not, in SENDING: it could not be moved
	 * back, and can be claimed again; in CAPTURING: it is to be recovered.
	 */
	bool is_claimed;
	bool is_proven; /* the sink has it, and its file could not be deleted yet: stays claimed */
	uint64_t packets; /* that this run wrote, once it has noted or finished them; else 0 */
	unsigned failures;
	uint64_t not_before_ms; /* monotonic: until then others come first */
	char *upload_state; /* what upload-state/NAME should hold, and the disk did not take; a secret */
};

struct spool {
	char *directory;
	int root_fd, folder_fd[SPOOL_FOLDERS];
	int lock_fd; /* of the file `lock`: there is one process per spool */
	struct counters *counters;
	atomic_bool is_full, is_removed;

	pthread_mutex_t sequence_lock; /* the innermost */
	uint64_t sequence;             /* the last one given out */
	uint64_t sequence_end;         /* the last one that may be, until more are reserved */

	pthread_mutex_t budget_lock;
	struct budget budget;

	pthread_mutex_t ledger_lock; /* may be taken with `lock` held, not the other way round */
	struct losses pending;       /* that are in no file yet */
	uint64_t losses_stated; /* the number of the last file in lost/ that a segment has stated */
	size_t loss_files;      /* in lost/ and not stated */
	atomic_uint_fast64_t loss_bytes;

	/* An event count for those who wait for a segment: its lock is never held for longer than this. */
	pthread_mutex_t event_lock;
	pthread_cond_t changed;
	uint64_t events;
	unsigned wakes; /* of them, how often spool_wake() was called */

	pthread_mutex_t lock; /* for all that follows; held while a file is moved or deleted */
	uint64_t disk_free, disk_total; /* bytes, when last looked at */
	uint64_t inodes_free, inodes_total;
	struct spool_entry *
		*entries; /* all segments, in name order; an entry stays where it is in memory */
	size_t count, capacity;
	size_t counts[SPOOL_FOLDERS];
	/* Allocated: for what is in the list; for the folders and our files in the root folder. */
	uint64_t entry_bytes, folder_bytes;
	uint64_t refused, lost;                     /* as in struct spool_totals */
	uint64_t deleted_segments, deleted_packets; /* for want of room, since there was enough */
	uint64_t drops_before;                      /* by budget, when there was enough */
	bool is_deleting, has_failed;               /* logged already */
};
