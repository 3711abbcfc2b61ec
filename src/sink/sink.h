/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where segments go. A kind of sink is a row in one table: what its destinations look like, and its functions.
 * All give the same guarantees: a sink never overwrites, and reports success only with proof that it holds the
 * same bytes. To add one: sink_NAME.c or a folder NAME/, a row in sink.c, its options, a test. Nothing else names
 * a kind of sink.
 *
 * A sink has two objects: one for the whole program (bucket, credentials; shared by the workers and locked
 * inside) and one for each worker thread (its connections; never shared).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/text.h"
#include "conf/conf.h"
#include "http/rate.h"
#include "segment/segment.h"

struct sink;        /* one destination */
struct sink_worker; /* one thread's connection to it */

/* What a sink needs from outside; it all outlives the sink. */
struct sink_context {
	const struct conf *conf;
	struct connections *connections; /* own sockets are entered here before they connect */
	struct rate *rate;               /* shared by all workers */
	struct counters *counters;
	const atomic_bool *cancel; /* becomes true: end a transfer at once (ERROR_TRANSIENT) */
};

#define SINK_URL_MAX 1400 /* a destination, a prefix, a node and a file's name */

/* Tells a destination from another one that has taken its place, and means something to its sink alone. */
#define SINK_IDENTITY_MAX 1024

/* One segment to send: borrowed for the call. */
struct sink_object {
	const char *name; /* [PREFIX/]NODE/FILE or as upload.layout says, below the destination */
	int fd;           /* read with pread only */
	uint64_t bytes;
	uint32_t crc32c;
	const struct segment *segment; /* the object's metadata: segment_each_field() */
	/*
	 * What an earlier attempt saved, in whichever run; "": that attempt ended with its process, so that its
	 * result is unknown; NULL: nothing.
	 */
	const char *upload_state;
	/* Save it for the next attempt, durably, at most SPOOL_UPLOAD_STATE_MAX bytes; NULL deletes it. */
	void (*save_upload_state)(void *context, const char *state);
	void *save_context;
	/* Of the destination when it last took something: another one now gets nothing. "": any will do. */
	const char *identity;
};

#define SINK_NAME_MAX 1024 /* bytes of an object's name */

/* What is read: which objects, and in which order. All in byte order of the names, which are UTF-8. */
struct sink_list {
	const char *prefix; /* of the names */
	const char *from;   /* from this name on; "": from the first */
	const char *to;     /* below this one; "": to the last */
	unsigned limit;     /* so many at most; 0: all */
};

#define SINK_VERSION_MAX 128

/* One object as a listing tells it. Borrowed for the call. */
struct sink_item {
	const char *name; /* below the destination, as in struct sink_object */
	uint64_t bytes;
	/* Of these very bytes: read() gets no others. */
	const char *version;
	const char *storage_class; /* "": the service has none, or does not tell */
	/* As its metadata say; NULL: none of ours. */
	const struct segment *segment;
	/*
	 * It is being written, in the spool: its last member may be torn or not be there when it is read. What cannot be
	 * unpacked is its end, and no damage. Its metadata have an end if no recorder works there: that was its last write.
	 */
	bool is_growing;
};

/* What an attempt reports, for the log and the next attempt. */
struct sink_receipt {
	char location[SINK_URL_MAX]; /* "gs://BUCKET/NAME", "/DIR/NAME": as a shell takes it */
	unsigned requests;           /* network round trips; 0 where there are none */
	bool was_there;              /* an earlier attempt, whose answer was lost, had succeeded */
	bool has_advanced; /* the sink has more of it than before; also set after a failure */
	char identity[SINK_IDENTITY_MAX]; /* what took it; "" where there is nothing to tell */
};

struct sink_ops {
	const char *name;      /* "gcs" */
	const char *scheme;    /* "gs://" */
	const char *form;      /* what a destination looks like: "gs://BUCKET[/PREFIX]" */
	const char *bare_form; /* so does one without a scheme: "BUCKET"; NULL: not of this kind */

	/*
	 * Read destination (what follows the scheme) and credentials; no network. ERROR_CONFIG or ERROR_USAGE by
	 * conf_error() if they cannot be right.
	 */
	int (*open)(const struct sink_context *context, const char *destination,
		    struct sink **ret_sink, struct error *err);
	void (*close)(struct sink *sink);
	int (*worker_open)(struct sink *sink, struct sink_worker **ret_worker, struct error *err);
	void (*worker_close)(struct sink_worker *worker);
	/*
	 * Would it accept an object? Leaves nothing behind. ERROR_CONFIG: a definite no (with the remedy),
	 * ERROR_TRANSIENT: no answer. identity: as in struct sink_object.
	 */
	int (*probe)(struct sink_worker *worker, const char *identity, struct error *err);
	/*
	 * One attempt to send an object, with a thread_beat() at least each second; a later one may resume it.
	 * The receipt is zero.
	 * ERROR_TRANSIENT: may work later; ERROR_REJECTED: this object never will.
	 */
	int (*send)(struct sink_worker *worker, const struct sink_object *object,
		    struct sink_receipt *ret_receipt, struct error *err);

	/*
	 * For searches. Call visit for each object in byte order of the names, until it returns false; it must not
	 * use the worker. Names that sink_is_name() does not like are left out. *requests counts the round trips,
	 * also after a failure. ERROR_CONFIG: no such destination, or no right to list it, with the remedy;
	 * ERROR_TRANSIENT: may work later, and some were visited, perhaps.
	 */
	int (*list)(struct sink_worker *worker, const struct sink_list *what,
		    bool (*visit)(void *context, const struct sink_item *item), void *context,
		    unsigned *requests, struct error *err);
	/*
	 * Exactly these bytes of an object as it is stored, in one request. ERROR_REJECTED: the object is gone, or
	 * another one by now, or whatever stands between us and it gives no ranges; ERROR_CONFIG: no right to
	 * read, with the remedy; ERROR_TRANSIENT: may work later.
	 */
	int (*read)(struct sink_worker *worker, const char *name, const char *version,
		    uint64_t offset, size_t length, uint8_t *out, struct error *err);
};

/* First member of every sink's own struct sink. */
struct sink_base {
	const struct sink_ops *ops;
	struct sink_context context;
};

/* The rows. */
extern const struct sink_ops sink_gcs, sink_file;
/* No row, since nothing can be sent there: the spool of a recorder, for a search on its node. Has list and read alone. */
extern const struct sink_ops sink_spool;

/* Open upload.destination. */
int sink_open(const struct sink_context *context, struct sink **ret_sink, struct error *err)
	__attribute__((warn_unused_result));
/*
 * For a search, open the spool in this folder, whoever is recording into it: nothing is locked or written. All files
 * of the spool are there as "NODE/FILE", whatever upload.prefix and upload.layout say. One that the recorder has deleted
 * meanwhile, mostly because it is uploaded, is ERROR_REJECTED by read(). ERROR_CONFIG: there is no spool, or this account
 * may not read it (with the one that may).
 */
int sink_open_spool(const struct sink_context *context, const char *folder, struct sink **ret_sink,
		    struct error *err) __attribute__((warn_unused_result));
struct sink *sink_close(struct sink *sink);
const struct sink_ops *sink_ops(const struct sink *sink);

/* The URL that a segment of this name has at conf's destination, which is one: "gs://BUCKET/NODE/FILE". Pure. */
void sink_url(const struct conf *conf, const char *name, struct text *out);

/*
 * The same for any object below conf's destination, by its name in struct sink_item, as a shell takes it:
 * "gs://BUCKET/NAME", "/DIR/NAME". Pure.
 */
void sink_object_url(const struct conf *conf, const char *name, struct text *out);

/* May an object have this name: 1 to SINK_NAME_MAX bytes without control characters? */
bool sink_is_name(const char *name);

/* The media type of a segment's file, by its extension. */
const char *sink_content_type(const char *name);
