/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where segments go. A sink is a row in one table {name, scheme, functions}; every sink gives the same
 * guarantees: never overwrites, and reports success only when it has proved that it holds the same bytes.
 * To add one: a file sink_NAME.c, a row in sink.c, an option group, a test.
 *
 * A sink has two objects: one for the whole program (bucket, credentials; shared by the workers and
 * locked inside) and one per worker thread (its connections; never shared).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "conf/conf.h"
#include "segment/segment.h"
#include "http/rate.h"

struct sink;        /* one destination */
struct sink_worker; /* one thread's connection to it */

/* What the workers need from outside; has to outlive the sink. */
struct sink_context {
	const struct conf *conf;
	struct connections *connections; /* own sockets are entered here before they connect */
	struct rate *rate;               /* how fast all of them may be together */
	struct counters *counters;       /* NULL: nobody counts */
	const atomic_bool *cancel; /* becomes true: end a transfer at once (ERROR_TRANSIENT) */
};

/* One segment to send: borrowed for the call. */
struct sink_object {
	const char *name; /* [PREFIX/]NODE/FILE, below the destination */
	int fd;           /* read with pread only */
	uint64_t bytes;
	uint32_t crc32c;
	const char *content_type;
	const struct segment *segment; /* facts for custom metadata */
	/*
	 * What an earlier attempt saved, in whichever run; "": that attempt ended with its process, so that its
	 * result is unknown; NULL: nothing.
	 */
	const char *upload_state;
	/* Save it for the next attempt, durably, at most SPOOL_ATTEMPT_MAX bytes; NULL deletes it. */
	void (*save_upload_state)(void *context, const char *state);
	void *save_context;
};

/* What an attempt tells, for the log and for the next one. */
struct sink_receipt {
	char location[1400]; /* "gs://BUCKET/NAME", "/DIR/NAME": as a shell takes it */
	unsigned requests;   /* network round trips; 0 where there are none */
	bool was_there;      /* an earlier attempt, whose answer was lost, had succeeded */
	bool has_advanced;   /* the sink has more of it than before; also told after a failure */
};

struct sink_ops {
	const char *name;   /* "gcs" */
	const char *scheme; /* "gs://" */
	/*
	 * Read destination and credentials; no network. ERROR_CONFIG (or ERROR_USAGE) by conf_error() if
	 * they cannot be right.
	 */
	int (*open)(const struct sink_context *context, const char *rest_of_url,
		    struct sink **ret_sink, struct error *err);
	void (*close)(struct sink *sink);
	int (*worker_open)(struct sink *sink, struct sink_worker **ret_worker, struct error *err);
	void (*worker_close)(struct sink_worker *worker);
	/*
	 * Would it take an object? Leaves nothing behind. ERROR_CONFIG: a definite no (with the remedy),
	 * ERROR_TRANSIENT: no answer.
	 */
	int (*probe)(struct sink_worker *worker, struct error *err);
	/*
	 * Send one object, one attempt, with a thread_beat() at least each second; a repeated one may
	 * go on where the last ended.
	 * ERROR_TRANSIENT: later it may work; ERROR_REJECTED: this object never.
	 */
	int (*send)(struct sink_worker *worker, const struct sink_object *object,
		    struct sink_receipt *ret_receipt, struct error *err);
};

/* First member of every sink's own struct sink. */
struct sink_base {
	const struct sink_ops *ops;
	struct sink_context context;
};

/* The rows. */
extern const struct sink_ops sink_gcs;
extern const struct sink_ops sink_file;

/* upload.destination is there and of a known kind; opens it. A name without a scheme is a GCS bucket. */
int sink_open(const struct sink_context *context, struct sink **ret_sink, struct error *err)
	__attribute__((warn_unused_result));
struct sink *sink_close(struct sink *sink);
const struct sink_ops *sink_ops(const struct sink *sink);

/* The media type of a segment's file, by its extension. */
const char *sink_content_type(const char *name);
