/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The threads of an uploader; private to src/upload. Each takes a place at the current destination and sends one
 * segment after another; between two it sees whether the destination was changed, and moves on. Those that hang
 * keep theirs. The first worker to arrive at a destination probes it while the others wait.
 */

#include "base/thread.h"
#include "http/rate.h"
#include "spool/spool.h"
#include "sink/sink.h"
#include "upload/upload.h"

/* Reloads while uploads hang must not pile up threads without end; upload.workers allows 16. */
#define WORKERS_MAX 64

/* Do the uploads to a destination work, over all workers together? */
struct outage {
	size_t workers;     /* whose last attempt failed */
	unsigned failures;  /* of all workers since it began */
	uint64_t since_ms;  /* when it began */
	uint64_t worked_ms; /* of the last upload or probe that succeeded; 0: never */
	bool is_refused;    /* it was said no to; lasts until something works */
	struct error last;
};

/* One worker's part in it. */
struct outage_worker {
	bool is_failing;
	uint64_t failed_ms;
};

/*
 * Where an uploader sends: the sink of one configuration, with a place for each of its workers. A reload opens
 * another one; whoever has a place at the old one keeps it alive through a reference. Fields without a remark are
 * constant; probe and those after it are protected by the uploader's lock.
 */
struct destination {
	atomic_uint references;
	const struct conf *conf;
	char *name; /* upload.destination, with its scheme */
	struct sink *sink;
	const struct sink_ops *ops;
	/* The segments that are for it: see spool_set_destination(). */
	uint64_t first_sequence, since_ns;
	atomic_bool cancel; /* transfers look at it: end at once */

	enum uploader_probe probe;
	bool is_being_probed;
	unsigned probe_failures; /* in a row */
	uint64_t probe_again_at_ns;
	uint64_t
		give_up_at_ns; /* workers still at an older destination by then are taken to hang */
	struct outage outage;
	char identity[SINK_IDENTITY_MAX]; /* of what it was at the last success; "": any will do */
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
	struct spool_claim *claim; /* what it sends; valid while it does */

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

/* Would it take a segment? As sink_ops.probe; a wrong destination is ERROR_CONFIG, wherever it was named. */
int destination_probe(const struct destination *destination, struct sink_worker *place,
		      const char *identity, struct error *err) __attribute__((warn_unused_result));

/* What the worker's destination was at the last success, by whichever worker, also in an earlier run; "": any will do. */
void destination_get_identity(const struct worker *worker, char out[SINK_IDENTITY_MAX]);
/* This took a segment: it is the destination, also in the next run. */
void destination_note_identity(const struct worker *worker, const char *identity);

/* With the uploader's lock. */
size_t workers_running(const struct uploader *uploader);
/* Does it keep the others from the current destination? */
bool worker_is_straggling(const struct worker *worker);
/* The thread. */
void worker_run(void *worker);

/*
 * One log line when an outage begins, one after every tenth failure, one when it is over. These functions and
 * backoff_ms() are pure: the caller locks, passes the time and random bits, and logs.
 */
/* An attempt failed. True if that is worth a log line. */
bool outage_failed(struct outage *outage, struct outage_worker *worker, uint64_t now_ms,
		   const struct error *err);
/* An upload succeeded, or else there was nothing to send. True if that ends the outage. */
bool outage_worked(struct outage *outage, struct outage_worker *worker, bool has_uploaded,
		   uint64_t now_ms);
/* The destination said no, or has not worked for a minute. */
bool outage_is_lasting(const struct outage *outage, uint64_t now_ms);
/*
 * "uploads failing since 12 min: …"; empty when there is no outage. Returns where in out the reason begins, which
 * stays the same while the time changes.
 */
const char *outage_describe(const struct outage *outage, uint64_t now_ms, char *out, size_t size);

/*
 * The pause before the next attempt after this many failures in a row before this one: exponential with full
 * jitter, from 1 s to 64 s, on top of what the server asked for (at most 10 minutes). random: any 32 random bits.
 */
uint64_t backoff_ms(unsigned failures, uint64_t retry_after_ms, uint32_t random);
