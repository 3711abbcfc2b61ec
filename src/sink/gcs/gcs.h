/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the GCS sink share: sink_gcs.c (the sink, the probe), gcs_multipart.c (small objects),
 * gcs_resumable.c (large ones), gcs_session.c (the state that the next attempt needs), gcs_verify.c (whose object is
 * it, and has it our bytes?), gcs_request.c (one request with credentials), gcs_outcome.c (what follows from a reply)
 * and gcs_api.c (names and formats of the service). Used by the upload threads.
 */

#include "google/google.h"
#include "http/http.h"
#include "sink/gcs/gcs_api.h"
#include "sink/gcs/gcs_outcome.h"
#include "sink/sink.h"

struct sink {
	struct sink_base base;
	char *bucket;
	char *prefix; /* "PREFIX/" of the destination, or "" */
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
	/* Of the current call. */
	char operation[TEXT_UUID_LENGTH + 1]; /* the same for all attempts to send a segment */
	unsigned requests;
};

/*
 * What one attempt to send an object leaves for the next one, in whichever worker or run. It is saved in the spool
 * as a text, which is a secret: whoever has the session's URL can write the object.
 */
struct gcs_session {
	bool may_be_there; /* an attempt that got as far as the last byte may have made the object */
	uint64_t mismatches;   /* how often the server got other bytes than it was promised */
	char *url;             /* NULL: no session */
	uint64_t started_s;    /* real time */
	uint64_t acknowledged; /* bytes that the server said it has: only grows */
	uint64_t sent;         /* it cannot have more than this */
};

/* What a session belongs to: for any other object, or the same one elsewhere, it is useless. */
struct gcs_target {
	const char *base_url;
	const char *universe; /* the domain that its hosts are in; NULL: an emulator */
	const char *bucket, *name;
	uint64_t bytes;
	uint32_t crc32c;
};

/* One object that is being sent. */
struct gcs_upload {
	struct sink_worker *worker;
	const struct sink_object *object;
	const char *name; /* "PREFIX/" included */
	struct gcs_target target;
	struct gcs_session session;
	bool is_saved; /* an upload state that the next attempt would find */
};

/*
 * Send a request with credentials, with new ones if the old are refused; it has at most GCS_REQUEST_HEADERS headers
 * of its own. Returns what follows from the reply, or from there being none; never GCS_LOGIN. err is filled for all but GCS_DONE and GCS_CONTINUE, with what
 * was said and what can be done: ERROR_REJECTED for GCS_REFUSED, ERROR_CONFIG for GCS_SETUP, else
 * ERROR_TRANSIENT.
 */
#define GCS_REQUEST_HEADERS 4
enum gcs_outcome gcs_send_request(struct sink_worker *worker, enum gcs_phase phase,
				  const struct http_request *request, struct http_reply *ret_reply,
				  struct error *err) __attribute__((warn_unused_result));

/* Can a request that carried the end of the object have created it, though the reply does not say so? */
bool gcs_may_have_landed(const struct http_reply *reply);
/*
 * Does the resource in a finished upload's reply prove that the bucket holds our bytes? If it proves the
 * opposite, the object is deleted, and the session forgotten. ERROR_TRANSIENT: try again; ERROR_REJECTED: the
 * bucket keeps other bytes.
 */
int gcs_verify(struct gcs_upload *upload, const struct http_reply *reply, struct error *err)
	__attribute__((warn_unused_result));
/*
 * An object of that name exists: success if it is ours, by size, CRC32C and the segment's id; ERROR_REJECTED if
 * it is another one. Where we lack the permission to look (storage.objects.get), it is ours if an attempt of
 * ours may have created it.
 */
int gcs_verify_existing(const struct gcs_upload *upload, struct error *err)
	__attribute__((warn_unused_result));
/*
 * The server received other bytes than announced: find out why, forget the session, and put it into err, which
 * holds the server's words. ERROR_REJECTED if our file is damaged, or after several times; ERROR_TRANSIENT if
 * the network changed them.
 */
void gcs_explain_mismatch(struct gcs_upload *upload, struct error *err);

/*
 * Start a session for the resource (JSON) of an object of this size (0: not known). GCS_DONE: its URL in
 * *ret_url is the caller's. Otherwise as gcs_send_request().
 */
enum gcs_outcome gcs_start_session(struct sink_worker *worker, const char *resource,
				   const char *content_type, uint64_t bytes, char **ret_url,
				   struct error *err) __attribute__((warn_unused_result));

/* Send an object, in one request or by a session; the session is left as the next attempt needs it. */
int gcs_send_multipart(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
	__attribute__((warn_unused_result));
int gcs_send_resumable(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
	__attribute__((warn_unused_result));

/*
 * May requests for a session go to this URL? Our access token goes there as well, so it must be https:// and in
 * the universe. An emulator gets no token and may name any host, but not lead from https to less.
 */
bool gcs_session_is_safe(const char *url, const struct gcs_target *target);

/* NULL if there is nothing to save. The caller frees with mem_free_secret(). */
char *gcs_session_format(const struct gcs_session *session, const struct gcs_target *target);
/*
 * text: as it was saved; "" for an attempt with an unknown end (a small object's, that ended with its process:
 * not worth a write each time); NULL for none. A session that is older than six days (of a week), of another
 * target or malformed is left out.
 */
void gcs_session_parse(const char *text, const struct gcs_target *target, uint64_t now_s,
		       struct gcs_session *ret_session);
/* Save it as the upload's state; blocks on the disk. */
void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session);

/* The session is over, or useless; what is known of the object stays. */
void gcs_session_forget(struct gcs_session *session);
