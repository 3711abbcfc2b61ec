/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resumable uploads. Within one attempt a session may be interrupted as often as it likes, as long as
 * the server acknowledges more bytes each time; what ends the attempt is an interruption without progress.
 * The session stays with the worker, so that the next attempt for the same object goes on with it.
 */
#include "upload/sink_gcs_private.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define CHUNK_BYTES    (UINT64_C(8) << 20) /* a multiple of 256 KiB, as the protocol wants it */
#define SESSION_MAX_MS (UINT64_C(6) * 24 * 3600 * CLOCK_MS_PER_S) /* it would end after a week */
#define RESTARTS_MAX   1

/* One attempt. */
struct attempt {
	struct sink_worker *worker;
	struct gcs_session *session; /* the worker's */
	const struct sink_object *object;
	const char *name;
	bool must_ask;        /* how far the session is, before more is sent */
	unsigned restarts;    /* sessions that were gone */
	struct error trouble; /* since the last progress; ERROR_NONE: none */
};

enum verdict {
	GO_ON,
	FINISHED,
	WAS_THERE,
	FAILED
};

void gcs_forget_session(struct sink_worker *worker)
{
	if (worker->session.url)
		OPENSSL_cleanse(worker->session.url, strlen(worker->session.url));
	free(worker->session.url);
	worker->session = (struct gcs_session){ 0 };
}

enum gcs_outcome gcs_start_session(struct sink_worker *worker, const char *resource,
				   const char *content_type, uint64_t bytes, char **ret_url,
				   struct error *err)
{
	const struct sink *sink = worker->sink;
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "resumable");
	char type[128], length[64];
	const char *headers[] = { "Content-Type: application/json; charset=UTF-8", type, length,
				  NULL };
	const struct gcs_call call = {
		.phase = GCS_START,
		.request = {
			.method = "POST",
			.url = url,
			.headers = headers,
			.head = resource,
			.head_bytes = strlen(resource),
			.fd = -1,
		},
	};
	const char *scheme = strncmp(sink->base_url, "https://", 8) == 0 ? "https://" : "http";
	struct http_reply reply;
	enum gcs_outcome outcome;

	(void)snprintf(type, sizeof type, "X-Upload-Content-Type: %s", content_type);
	(void)snprintf(length, sizeof length, "X-Upload-Content-Length: %" PRIu64, bytes);
	/* A total of 0 could be taken for an empty object that is finished. */
	if (bytes == 0)
		headers[2] = NULL;
	outcome = gcs_exchange(worker, &call, &reply, err);
	if (outcome != GCS_DONE)
		return outcome;
	/* The token goes there as well: never from https to less. */
	if (strncmp(reply.location, scheme, strlen(scheme)) != 0) {
		error_set(err, ERROR_TRANSIENT,
			  "bucket %s: the server began a session without saying where",
			  sink->bucket);
		return GCS_RETRY;
	}
	*ret_url = mem_strdup(reply.location);
	return GCS_DONE;
}

/* The session is of no use any more: once, start from byte 0; then leave it to the next attempt. */
static enum verdict start_over(struct attempt *attempt, struct error *err)
{
	gcs_forget_session(attempt->worker);
	attempt->must_ask = false;
	if (attempt->restarts++ < RESTARTS_MAX)
		return GO_ON;
	error_set(err, ERROR_TRANSIENT, "bucket %s: the server forgets its upload sessions",
		  attempt->worker->sink->bucket);
	return FAILED;
}

/* An object of the name is there. */
static enum verdict compare(struct attempt *attempt, struct error *err)
{
	gcs_forget_session(attempt->worker);
	return gcs_compare(attempt->worker, attempt->name, attempt->object, err) < 0 ? FAILED
										     : WAS_THERE;
}

static enum verdict start(struct attempt *attempt, struct error *err)
{
	struct sink_worker *worker = attempt->worker;
	cleanup_free char *resource = gcs_format_resource(attempt->object, attempt->name,
							  worker->sink->storage_class);
	char *url;
	enum gcs_outcome outcome = gcs_start_session(
		worker, resource, attempt->object->content_type, attempt->object->bytes, &url, err);

	if (outcome != GCS_DONE)
		return outcome == GCS_EXISTS ? compare(attempt, err) : FAILED;
	worker->session = (struct gcs_session){ .url = url, .started_ms = clock_monotonic_ms() };
	return GO_ON;
}

/* The server has this many bytes, all in all. */
static enum verdict advance(struct attempt *attempt, uint64_t persisted, struct error *err)
{
	struct gcs_session *session = attempt->session;
	const char *bucket = attempt->worker->sink->bucket;

	/* It lost what it had, or has what nobody sent: not our bytes any more. */
	if (persisted < session->acknowledged || persisted > session->sent)
		return start_over(attempt, err);
	if (persisted > session->acknowledged) {
		attempt->trouble.kind = ERROR_NONE;
	} else if (attempt->trouble.kind != ERROR_NONE) {
		*err = attempt->trouble;
		return FAILED;
	} else {
		error_set(&attempt->trouble, ERROR_TRANSIENT,
			  "bucket %s: the upload does not get beyond byte %" PRIu64, bucket,
			  persisted);
	}
	session->acknowledged = persisted;
	/* All there, but no object yet: the question with the total makes it one. */
	attempt->must_ask = persisted == attempt->object->bytes;
	return GO_ON;
}

/* The exchange itself: a question, or the next chunk. */
static enum gcs_outcome ask_or_send(struct attempt *attempt, struct http_reply *ret_reply,
				    struct error *err)
{
	struct gcs_session *session = attempt->session;
	const uint64_t total = attempt->object->bytes;
	uint64_t length = total - session->acknowledged;
	char range[96];
	const char *headers[] = { range, NULL };
	struct gcs_call call = {
		.phase = attempt->must_ask ? GCS_STATUS : GCS_DATA,
		.request = { .method = "PUT", .url = session->url, .headers = headers, .fd = -1 },
	};

	if (attempt->must_ask) {
		(void)snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64, total);
		return gcs_exchange(attempt->worker, &call, ret_reply, err);
	}
	if (length > CHUNK_BYTES)
		length = CHUNK_BYTES;
	(void)snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
		       session->acknowledged, session->acknowledged + length - 1, total);
	call.request.fd = attempt->object->fd;
	call.request.file_offset = session->acknowledged;
	call.request.file_bytes = length;
	if (session->sent < session->acknowledged + length)
		session->sent = session->acknowledged + length;
	return gcs_exchange(attempt->worker, &call, ret_reply, err);
}

/* No reply, or one that leaves open what was kept: ask next, if that makes sense. */
static enum verdict interrupted(struct attempt *attempt, struct error *err)
{
	const struct sink_context *context = &attempt->worker->sink->base.context;

	if (attempt->must_ask || attempt->worker->retry_after_ms > 0 ||
	    atomic_load(context->cancel))
		return FAILED;
	attempt->trouble = *err;
	attempt->must_ask = true;
	return GO_ON;
}

static enum verdict step(struct attempt *attempt, struct error *err)
{
	struct http_reply reply;
	uint64_t persisted = 0;

	if (!attempt->session->url)
		return start(attempt, err);
	switch (ask_or_send(attempt, &reply, err)) {
	case GCS_DONE:
		gcs_forget_session(attempt->worker);
		return gcs_prove(attempt->worker, &reply, attempt->name, attempt->object, err) < 0
			       ? FAILED
			       : FINISHED;
	case GCS_CONTINUE:
		if (reply.range[0] && !gcs_parse_range(reply.range, &persisted))
			return start_over(attempt, err);
		return advance(attempt, persisted, err);
	case GCS_QUERY:
		return interrupted(attempt, err);
	case GCS_NEW_SESSION:
		return start_over(attempt, err);
	case GCS_EXISTS:
		return compare(attempt, err);
	case GCS_REFUSED:
		gcs_forget_session(attempt->worker);
		return FAILED;
	case GCS_LOGIN:
	case GCS_HIDDEN:
	case GCS_RETRY:
	case GCS_SETUP:
		break;
	}
	return FAILED;
}

int gcs_send_resumable(struct sink_worker *worker, const struct sink_object *object,
		       const char *name, bool *ret_was_there, struct error *err)
{
	struct attempt attempt = {
		.worker = worker,
		.session = &worker->session,
		.object = object,
		.name = name,
		.trouble.kind = ERROR_NONE,
	};
	enum verdict verdict;

	if (worker->session.url &&
	    clock_monotonic_ms() - worker->session.started_ms > SESSION_MAX_MS)
		gcs_forget_session(worker);
	attempt.must_ask = worker->session.url != NULL;
	do {
		verdict = step(&attempt, err);
	} while (verdict == GO_ON);
	*ret_was_there = verdict == WAS_THERE;
	return verdict == FAILED ? -1 : 0;
}
