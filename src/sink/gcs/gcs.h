/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the GCS sink share: sink_gcs.c (the sink, the probe), gcs_multipart.c (small objects),
 * gcs_resumable.c (large ones), gcs_exchange.c (one request with credentials) and gcs_proof.c (whose object
 * is it that is there?).
 */

#include "google/google.h"
#include "sink/gcs/gcs_retry.h"
#include "sink/gcs/gcs_format.h"
#include "sink/gcs/gcs_session.h"
#include "http/http.h"
#include "sink/sink.h"

struct sink {
	struct sink_base base;
	char *bucket;
	char *prefix; /* "PREFIX/" of the destination's URL, or "" */
	char *base_url;
	const char *universe; /* NULL: an emulator */
	struct google_credentials *credentials;
	const char *storage_class;     /* NULL: the bucket's */
	uint64_t chunk_bytes;          /* larger objects go in pieces of this size */
	atomic_bool has_warned_of_get; /* once is enough */
};

struct sink_worker {
	struct sink *sink;
	struct http *http;
	/* Of the call that is going on. */
	char operation[TEXT_UUID_LENGTH + 1]; /* the same for all attempts to send a segment */
	unsigned requests;
};

/* One object that is being sent. */
struct gcs_upload {
	struct sink_worker *worker;
	const struct sink_object *object;
	const char *name; /* "PREFIX/" included */
	struct gcs_session session;
	bool is_saved; /* there is something that the next attempt would find */
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

/* Can a request that carried the end of the object have made it, though we were not told so? */
bool gcs_may_have_landed(const struct http_reply *reply);

/*
 * Does the resource that a finished upload answered prove that the bucket holds our bytes? If it proves the
 * opposite, what the bucket holds is deleted, and the session forgotten. ERROR_TRANSIENT: try again;
 * ERROR_REJECTED: it holds other bytes for good.
 */
int gcs_prove(struct gcs_upload *upload, const struct http_reply *reply, struct error *err)
	__attribute__((warn_unused_result));
/*
 * The server got other bytes than it was promised (err, as gcs_exchange() left it): fill err anew, and forget
 * the session. ERROR_REJECTED where our file is damaged, or if that happens again and again; else they were
 * changed on the way: ERROR_TRANSIENT.
 */
void gcs_mismatch(struct gcs_upload *upload, struct error *err);
/*
 * There is an object of that name: success if it is ours, by size, CRC32C and the segment's id;
 * ERROR_REJECTED if it is another one. Where we lack the permission to look (storage.objects.get), it is
 * ours if an attempt of ours may have made it.
 */
int gcs_compare(const struct gcs_upload *upload, struct error *err)
	__attribute__((warn_unused_result));

/*
 * Begin a session for the resource (JSON) of an object of this size (0: not known). GCS_DONE: its URL in
 * *ret_url is the caller's. Else as gcs_exchange().
 */
enum gcs_outcome gcs_start_session(struct sink_worker *worker, const char *resource,
				   const char *content_type, uint64_t bytes, char **ret_url,
				   struct error *err) __attribute__((warn_unused_result));

/* Send an object, in one request or by a session; what the session is afterwards is for the next attempt. */
int gcs_send_multipart(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
	__attribute__((warn_unused_result));
int gcs_send_resumable(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
	__attribute__((warn_unused_result));
/* The next attempt, in whichever run, is to know this of the session. */
void gcs_save_state(struct gcs_upload *upload, const struct gcs_session *session);
