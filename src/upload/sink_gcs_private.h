/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the GCS sink share: sink_gcs.c (the sink, one-request uploads, the probe),
 * gcs_resumable.c (large objects) and gcs_exchange.c (one request with credentials, and the proof).
 */

#include "upload/credentials.h"
#include "upload/gcs_decide.h"
#include "upload/gcs_format.h"
#include "upload/http.h"
#include "upload/sink.h"

struct sink {
	struct sink_base base;
	char *bucket;
	char *prefix; /* "PREFIX/" of the destination's URL, or "" */
	char *base_url;
	struct credentials *credentials;
	const char *storage_class;     /* NULL: the bucket's */
	atomic_bool has_warned_of_get; /* once is enough */
};

/* An upload that goes on where it was interrupted. */
struct gcs_session {
	char *url; /* NULL: none. A secret: whoever has it can write the object. */
	uint64_t started_ms;
	uint64_t acknowledged; /* bytes that the server said it has: only grows */
	uint64_t sent;         /* it cannot have more than this */
};

struct sink_worker {
	struct sink *sink;
	struct http *http;
	/* Of the object that was sent last, so that the next attempt for it is the same operation. */
	char *name;
	char operation[GCS_UUID_LENGTH + 1];
	struct gcs_session session;
	/* Of the call that is going on. */
	unsigned requests;
	uint64_t retry_after_ms;
};

/* One request. */
struct gcs_call {
	enum gcs_phase phase;
	struct http_request request; /* headers: those of the call only, at most GCS_CALL_HEADERS */
};
#define GCS_CALL_HEADERS 4

/*
 * Send it with credentials, with new ones if the old are refused. Returns what follows from the reply, or
 * from there being none; never GCS_LOGIN. err is filled for all but GCS_DONE and GCS_CONTINUE, with what
 * was said and what can be done: ERROR_REJECTED for GCS_REFUSED, ERROR_CONFIG for GCS_SETUP, else
 * ERROR_TRANSIENT.
 */
enum gcs_outcome gcs_exchange(struct sink_worker *worker, const struct gcs_call *call,
			      struct http_reply *ret_reply, struct error *err)
	__attribute__((warn_unused_result));

/*
 * Does the resource that a finished upload answered prove that the bucket holds our bytes? If not, what it
 * holds is deleted. ERROR_TRANSIENT: try again; ERROR_REJECTED: it holds other bytes for good.
 */
int gcs_prove(struct sink_worker *worker, const struct http_reply *reply, const char *name,
	      const struct sink_object *object, struct error *err)
	__attribute__((warn_unused_result));
/*
 * There is an object of that name: success if it is ours, ERROR_REJECTED if it is another one. Where we
 * lack the permission to look (storage.objects.get), it is ours: names never repeat.
 */
int gcs_compare(struct sink_worker *worker, const char *name, const struct sink_object *object,
		struct error *err) __attribute__((warn_unused_result));

/*
 * Begin a session for the resource (JSON) of an object of this size (0: not known). GCS_DONE: its URL in
 * *ret_url is the caller's. Else as gcs_exchange().
 */
enum gcs_outcome gcs_start_session(struct sink_worker *worker, const char *resource,
				   const char *content_type, uint64_t bytes, char **ret_url,
				   struct error *err) __attribute__((warn_unused_result));
/* Send an object by a session, going on with the worker's if it has one. */
int gcs_send_resumable(struct sink_worker *worker, const struct sink_object *object,
		       const char *name, bool *ret_was_there, struct error *err)
	__attribute__((warn_unused_result));
void gcs_forget_session(struct sink_worker *worker);
