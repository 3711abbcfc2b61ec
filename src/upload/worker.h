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

#include "base/thread.h"
#include "http/rate.h"
#include "spool/spool.h"
#include "sink/sink.h"
#include "upload/outage.h"

/* Reloads while uploads hang must not pile up threads without end; upload.workers allows 16. */
#define WORKERS_MAX 64

/*
 * Where an uploader sends: the sink of one configuration, with a place for each of its workers. A reload opens
 * another one; whoever has a place at the old one keeps it alive through a reference. Fields without a remark are
 * constant; is_probed and those after it are protected by the uploader's lock.
 */
struct destination {
	atomic_uint references;
	const struct conf *conf;
	struct sink *sink;
	const struct sink_ops *ops;
	atomic_bool cancel; /* transfers look at it: end at once */

	bool is_probed, is_being_probed;
	struct error probe_error; /* ERROR_NONE: it would take segments */
	uint64_t
		give_up_at_ns; /* workers still at an older destination by then are taken to hang */
	struct outage outage;
	size_t free_places;
	struct sink_worker *places[]; /* opened; the free ones come first */
};

struct worker {
	struct uploader *uploader;
	struct thread thread;
	atomic_bool is_sending;    /* otherwise it waits for something to do */
	unsigned failures;         /* in a row */
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

struct destination *destination_ref(struct destination *destination);

/* Would it take a segment? As sink_ops.probe; a wrong destination is ERROR_CONFIG, wherever it was named. */
int destination_probe(const struct destination *destination, struct sink_worker *place,
		      struct error *err) __attribute__((warn_unused_result));

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
