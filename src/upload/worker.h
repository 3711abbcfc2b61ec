/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The threads of an uploader; private to src/upload. Each takes a place at the current destination and sends one
 * segment after another; between two it sees whether the destination was changed, and moves on.
 *
 * Nobody takes a place at a new destination while workers are at an older one, so that there are never more
 * connections than configured. Those that hang keep their destination; uploader_tick() leaves them behind, and
 * starts others. The first worker to arrive probes the destination while the others wait.
 */

#include "base/counters.h"
#include "base/thread.h"
#include "http/rate.h"
#include "spool/spool.h"
#include "upload/backoff.h"
#include "upload/destination.h"
#include "upload/outage.h"

/* Reloads while uploads hang must not pile up threads without end; upload.workers allows 16. */
#define WORKERS_MAX 64

struct worker {
	struct uploader *uploader;
	struct thread thread;
	atomic_bool is_sending; /* otherwise it waits for something to do */
	struct backoff backoff;
	struct sink_worker *place; /* at destination */
	bool is_drained;           /* nothing was left to send while draining */
	unsigned seen_changes;     /* before the last attempt */

	/* With the uploader's lock. */
	enum worker_state {
		WORKER_ENDED, /* or was never started */
		WORKER_RUNNING,
		WORKER_LEFT_BEHIND, /* hangs at an older destination; no longer waited for */
	} state;
	struct destination *destination; /* NULL: none at the moment */
	struct outage_worker outage;     /* its part in the destination's */
};

struct uploader {
	struct spool *spool; /* NULL: not started */
	struct connections *connections;
	struct counters *counters;
	struct rate rate; /* of all workers together, at whichever destination */
	int wake_fd;
	bool is_short; /* of threads; main's own */

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	bool is_stopping, is_draining;
	unsigned changes; /* counts stop, swap, drain and retry_now: each ends a pause */
	struct destination *current;
	struct worker workers[WORKERS_MAX];
};

/* With the uploader's lock. */
size_t workers_running(const struct uploader *uploader);
/* Does it keep the others from the current destination? */
bool worker_is_straggling(const struct worker *worker);
/* The thread. */
void worker_run(void *worker);

/* Send a claimed segment, and end the claim as the result demands. As sink_ops.send. */
int upload_segment(struct worker *worker, struct spool_claim *claim,
		   struct sink_receipt *ret_receipt, struct error *err)
	__attribute__((warn_unused_result));
