/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the GCS sink share: sink_gcs.c (the sink, the probe), gcs_send.c (small objects in one request,
 * large ones by a session), gcs_session.c (sessions: their start, and the state that the next attempt needs), gcs_verify.c (whose object is
 * it, and has it our bytes?), gcs_request.c (one request with credentials, and what follows from the reply) and
 * gcs_api.c (names and formats of the service). Used by the upload threads. For searches, in gcs_read.h: gcs_read.c
 * (lists objects, reads their bytes) and gcs_page.c (what a page of a listing says).
 */

#include "google/google.h"
#include "http/http.h"
#include "sink/gcs/gcs_api.h"
#include "sink/sink.h"

struct sink {
	struct sink_base base;
	char *bucket;
	char *prefix; /* "PREFIX/" of the destination, or "" */
	char *base_url;
	const char *universe; /* the domain that its hosts are in; NULL: an emulator */
	struct google_credentials *credentials;
	const char *storage_class; /* NULL: the bucket's */
	uint64_t chunk_bytes;      /* GCS's chunk: larger objects go in pieces of this size */
	atomic_int reading;        /* enum gcs_reading */
};

/* May the account look at objects? Without, only a session can prove whose an object is. */
enum gcs_reading {
	GCS_READING_UNKNOWN,
	GCS_READING_ALLOWED,
	GCS_READING_REFUSED,
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
	bool may_be_there;     /* an attempt before this session may have made the object */
	bool may_have_made;    /* so may this session, unless it denies it */
	uint64_t mismatches;   /* how often the server got other bytes than it was promised */
	char *url;             /* NULL: no session */
	uint64_t started_s;    /* real time */
	uint64_t acknowledged; /* bytes that the server said it has: only grows */
	uint64_t sent;         /* it cannot have more than this */
	uint64_t failures;     /* attempts in a row that got nothing further */
};

/* One attempt to send one object. */
struct gcs_upload {
	struct sink_worker *worker;
	const struct sink_object *object;
	const char *name; /* "PREFIX/" included */
	struct gcs_session session;
	bool is_saved;  /* an upload state that the next attempt would find */
	bool is_done;   /* it is proved that the bucket has our bytes … */
	bool was_there; /* … and had them before this attempt */
	/* Of a resumable upload. */
	bool has_advanced;
	bool must_ask;       /* how far the session is, before more is sent */
	unsigned restarts;   /* sessions that were gone */
	struct error outage; /* since the last progress; ERROR_NONE: none */
};

/* -- gcs_request.c: one request, and what follows from the reply -- */

/* What was asked. */
enum gcs_phase {
	GCS_MULTIPART, /* the whole object in one request */
	GCS_START,     /* begin a resumable session */
	GCS_DATA,      /* bytes for a session */
	GCS_STATUS,    /* how far a session is */
	GCS_METADATA,  /* an object's resource */
	GCS_DELETE,    /* of a session or an object */
	GCS_LIST,      /* a page of the objects */
	GCS_MEDIA,     /* bytes of an object */
	GCS_PHASE_COUNT,
};

/* What follows from the reply. */
enum gcs_outcome {
	GCS_DONE,        /* the object (session, resource) is there, or (GCS_DELETE) is not */
	GCS_CONTINUE,    /* a session has these bytes: send the next */
	GCS_QUERY,       /* nobody knows how far a session is: ask */
	GCS_NEW_SESSION, /* the session is gone: start from byte 0 */
	GCS_LOGIN,       /* the token is not good (any more): get another one, once */
	GCS_EXISTS,      /* there is an object of that name: whose? */
	GCS_HIDDEN,      /* we may not look at the object */
	GCS_MISMATCH,    /* what arrived is not what was announced; nothing was made of it */
	GCS_RETRY,       /* later it may work */
	GCS_SETUP,       /* bucket, permission or account are wrong, the object is not */
	GCS_REFUSED,     /* this object never */
};

/* What a reply says about a failure, whoever on the way wrote it. */
struct gcs_problem {
	char reason[64];   /* "forbidden"; "" where there is none */
	char message[256]; /* one line for people */
	bool is_scope;     /* the token's scopes are too narrow, in any of its four shapes */
	bool is_explained; /* by GCS itself, not by a proxy on the way */
};
/* Is a reply GCS's own: a JSON error as it sends them, or with the header that its front end adds? */
bool gcs_is_own_word(const struct http_reply *reply);
/* From a JSON error, else the start of whatever text or HTML it is; secrets are removed. */
void gcs_parse_problem(const struct http_reply *reply, struct gcs_problem *ret_problem);
/* The rule with the outcome and the remedy; never NULL. status: of HTTP, or an enum http_failure. Pure. */
const struct reply_rule *gcs_decide(enum gcs_phase phase, long status, bool has_range,
				    const struct gcs_problem *problem);

/*
 * Send a request with credentials, with new ones if the old are refused; it has at most GCS_REQUEST_HEADERS headers
 * of its own. Returns what follows from the reply, or from there being none; never GCS_LOGIN. err is filled for all
 * but GCS_DONE and GCS_CONTINUE, with what was said and what can be done: ERROR_REJECTED for GCS_REFUSED,
 * ERROR_CONFIG for GCS_SETUP, else ERROR_TRANSIENT.
 */
#define GCS_REQUEST_HEADERS 4
enum gcs_outcome gcs_send_request(struct sink_worker *worker, enum gcs_phase phase,
				  const struct http_request *request, struct http_reply *ret_reply,
				  struct error *err) __attribute__((warn_unused_result));

/* -- gcs_verify.c -- */

/*
 * Done, if the resource in a finished upload's reply proves that the bucket holds our bytes under our id; without the
 * id, we look. If it proves the opposite, the object is deleted, and the session forgotten. ERROR_TRANSIENT: try
 * again; ERROR_REJECTED: the bucket keeps other bytes.
 */
int gcs_verify(struct gcs_upload *upload, const struct http_reply *reply, struct error *err)
	__attribute__((warn_unused_result));
/*
 * An object of that name exists. The session is forgotten. Done, if it is ours, by size, CRC32C and the segment's id;
 * ERROR_REJECTED if it is another one. Where we lack the permission to look (storage.objects.get), it is ours if the
 * session has proved that (the upload is done already), or (with a warning) if an attempt of ours may have created it.
 */
int gcs_verify_existing(struct gcs_upload *upload, struct error *err)
	__attribute__((warn_unused_result));
/*
 * The server received other bytes than announced: find out why, forget the session, and put it into err, which
 * holds the server's words. ERROR_REJECTED if our file is damaged, or after several times; ERROR_TRANSIENT if
 * the network changed them. Returns -1.
 */
int gcs_explain_mismatch(struct gcs_upload *upload, struct error *err);

/* -- gcs_send.c -- */

/* As sink_ops.send. */
int gcs_send(struct sink_worker *worker, const struct sink_object *object,
	     struct sink_receipt *ret_receipt, struct error *err)
	__attribute__((warn_unused_result));

/* -- gcs_session.c -- */

/* Start a session for the object; 0 bytes: their number is not known yet. GCS_DONE: upload->session has its URL. */
enum gcs_outcome gcs_start_session(struct gcs_upload *upload, struct error *err)
	__attribute__((warn_unused_result));

/*
 * May requests for a session go to this URL? Our access token goes there as well, so it must be https:// and in
 * the universe. An emulator gets no token and may name any host, but not lead from https to less.
 */
bool gcs_session_is_safe(const struct sink *sink, const char *url);

/* The upload's state; NULL if there is nothing to save. The caller frees with mem_free_secret(). */
char *gcs_session_format(const struct gcs_upload *upload, const struct gcs_session *session);
/*
 * text: as it was saved; "" for an attempt with an unknown end (a small object's, that ended with its process:
 * not worth a write each time); NULL for none. A session that is older than six days (of a week), of another
 * object, bucket or server or malformed is left out.
 */
void gcs_session_parse(struct gcs_upload *upload, const char *text, uint64_t now_s);
/* Save it as the upload's state; blocks on the disk. */
void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session);
/* The session is over, or useless; what is known of the object stays. */
void gcs_session_forget(struct gcs_session *session);
