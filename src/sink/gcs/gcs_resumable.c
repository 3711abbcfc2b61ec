/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resumable uploads. Within one attempt a session may be interrupted any number of times, as long as the server
 * acknowledges more bytes each time; an interruption without progress ends the attempt. The session is saved
 * with the segment, so that the next attempt resumes it, in whichever worker and run.
 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define RESTARTS_MAX 1

/* One attempt. */
struct attempt {
	struct gcs_upload *upload;
	bool must_ask;       /* how far the session is, before more is sent */
	unsigned restarts;   /* sessions that were gone */
	struct error outage; /* since the last progress; ERROR_NONE: none */
};

enum verdict {
	GO_ON,
	FINISHED,
	WAS_THERE,
	FAILED
};

enum gcs_outcome gcs_start_session(struct sink_worker *worker, const char *resource,
				   const char *content_type, uint64_t bytes, char **ret_url,
				   struct error *err)
{
	const struct sink *sink = worker->sink;
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "resumable");
	char type[128], length[64];
	const char *headers[] = { "Content-Type: application/json; charset=UTF-8", type, length,
				  NULL };
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.head = resource,
		.head_bytes = strlen(resource),
		.fd = -1,
	};
	const struct gcs_target target = { .base_url = sink->base_url, .universe = sink->universe };
	struct http_reply reply;
	enum gcs_outcome outcome;
	const char *location;

	(void)snprintf(type, sizeof type, "X-Upload-Content-Type: %s", content_type);
	(void)snprintf(length, sizeof length, "X-Upload-Content-Length: %" PRIu64, bytes);
	/* A total of 0 could be taken for an empty object that is finished. */
	if (bytes == 0)
		headers[2] = NULL;
	outcome = gcs_send_request(worker, GCS_START, &request, &reply, err);
	if (outcome != GCS_DONE)
		return outcome;
	location = http_reply_header(&reply, "Location");
	if (!gcs_session_is_safe(location, &target)) {
		error_set(err, ERROR_TRANSIENT, "bucket %s: the server began a session %s",
			  sink->bucket,
			  location[0] ? "at a place that no token is sent to"
				      : "without saying where");
		return GCS_RETRY;
	}
	*ret_url = mem_strdup(location);
	return GCS_DONE;
}

/*
 * If this process ends now, the next one finds this: the worst that may have happened by the next call, or by the
 * end of the attempt. Only the last byte creates an object.
 */
static void save_worst_case(struct gcs_upload *upload, bool is_last)
{
	struct gcs_session worst = upload->session;

	if (is_last) {
		worst.may_be_there = true;
		worst.sent = upload->object->bytes;
	} else if (worst.sent < upload->object->bytes) {
		worst.sent = upload->object->bytes - 1;
	}
	gcs_session_save(upload, &worst);
}

/* A request that may create the object. */
static enum gcs_outcome send_last(struct gcs_upload *upload, enum gcs_phase phase,
				  const struct http_request *request, struct http_reply *ret_reply,
				  struct error *err)
{
	enum gcs_outcome outcome;

	save_worst_case(upload, true);
	outcome = gcs_send_request(upload->worker, phase, request, ret_reply, err);
	if (gcs_may_have_landed(ret_reply))
		upload->session.may_be_there = true;
	else
		save_worst_case(upload, false);
	return outcome;
}

/* The session is useless: start from byte 0, but only once; then leave it to the next attempt. */
static enum verdict start_over(struct attempt *attempt, struct error *err)
{
	gcs_session_forget(&attempt->upload->session);
	attempt->must_ask = false;
	if (attempt->restarts++ < RESTARTS_MAX)
		return GO_ON;
	error_set(err, ERROR_TRANSIENT, "bucket %s: the server forgets its upload sessions",
		  attempt->upload->worker->sink->bucket);
	return FAILED;
}

/* An object of this name exists, and it is not this session's. */
static enum verdict compare_existing(struct attempt *attempt, struct error *err)
{
	gcs_session_forget(&attempt->upload->session);
	return gcs_verify_existing(attempt->upload, err) < 0 ? FAILED : WAS_THERE;
}

static enum verdict start_session(struct attempt *attempt, struct error *err)
{
	struct gcs_upload *upload = attempt->upload;
	const struct sink_object *object = upload->object;
	cleanup_free char *resource = gcs_format_resource(object, upload->name,
							  upload->worker->sink->storage_class);
	char *url;
	enum gcs_outcome outcome = gcs_start_session(upload->worker, resource, object->content_type,
						     object->bytes, &url, err);

	if (outcome != GCS_DONE)
		return outcome == GCS_EXISTS ? compare_existing(attempt, err) : FAILED;
	upload->session.url = url;
	upload->session.started_s = clock_real_ns() / CLOCK_NS_PER_S;
	save_worst_case(upload, false);
	return GO_ON;
}

/* The server has this many bytes. */
static enum verdict advance(struct attempt *attempt, uint64_t persisted, struct error *err)
{
	struct gcs_session *session = &attempt->upload->session;

	/* It lost some, or has some that nobody sent: these are not our bytes. */
	if (persisted < session->acknowledged || persisted > session->sent)
		return start_over(attempt, err);
	if (persisted > session->acknowledged) {
		attempt->outage.kind = ERROR_NONE;
	} else if (attempt->outage.kind != ERROR_NONE) {
		*err = attempt->outage;
		return FAILED;
	} else {
		error_set(&attempt->outage, ERROR_TRANSIENT,
			  "bucket %s: the upload does not get beyond byte %" PRIu64,
			  attempt->upload->worker->sink->bucket, persisted);
	}
	session->acknowledged = persisted;
	/* All bytes are there, but no object yet: asking with the total creates it. */
	attempt->must_ask = persisted == attempt->upload->object->bytes;
	return GO_ON;
}

/* How far is the session? As it names the total, this creates the object once all bytes are there. */
static enum gcs_outcome ask_progress(struct gcs_upload *upload, bool is_taken,
				     struct http_reply *ret_reply, struct error *err)
{
	char range[64];
	const char *headers[] = { range, NULL };
	const struct http_request request = {
		.method = "PUT", .url = upload->session.url, .headers = headers, .fd = -1
	};

	(void)snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64,
		       upload->object->bytes);
	return !is_taken && upload->session.sent == upload->object->bytes
		       ? send_last(upload, GCS_STATUS, &request, ret_reply, err)
		       : gcs_send_request(upload->worker, GCS_STATUS, &request, ret_reply, err);
}

static enum gcs_outcome send_chunk(struct gcs_upload *upload, struct http_reply *ret_reply,
				   struct error *err)
{
	struct gcs_session *session = &upload->session;
	const uint64_t total = upload->object->bytes, begin = session->acknowledged;
	uint64_t length = total - begin;
	char range[96];
	const char *headers[] = { range, NULL };
	struct http_request request = {
		.method = "PUT",
		.url = session->url,
		.headers = headers,
		.fd = upload->object->fd,
		.file_offset = begin,
	};

	if (length > upload->worker->sink->chunk_bytes)
		length = upload->worker->sink->chunk_bytes;
	(void)snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
		       begin, begin + length - 1, total);
	request.file_bytes = length;
	if (session->sent < begin + length)
		session->sent = begin + length;
	return begin + length == total
		       ? send_last(upload, GCS_DATA, &request, ret_reply, err)
		       : gcs_send_request(upload->worker, GCS_DATA, &request, ret_reply, err);
}

/* No reply, or one that does not say how much was kept: ask next, if that makes sense. */
static enum verdict note_interruption(struct attempt *attempt, struct error *err)
{
	const struct sink_worker *worker = attempt->upload->worker;

	if (attempt->must_ask || err->retry_after_ms > 0 ||
	    atomic_load(worker->sink->base.context.cancel))
		return FAILED;
	attempt->outage = *err;
	attempt->must_ask = true;
	return GO_ON;
}

/* The name is taken: if by this session, the session says so, and no permission is needed. */
static enum verdict ask_owner(struct attempt *attempt, struct error *err)
{
	struct http_reply reply;

	switch (ask_progress(attempt->upload, true, &reply, err)) {
	case GCS_DONE:
		return gcs_verify(attempt->upload, &reply, err) < 0 ? FAILED : WAS_THERE;
	case GCS_RETRY:
	case GCS_SETUP:
		return FAILED;
	default:
		return compare_existing(attempt, err);
	}
}

static enum verdict take_step(struct attempt *attempt, struct error *err)
{
	struct gcs_upload *upload = attempt->upload;
	bool has_asked = attempt->must_ask;
	struct http_reply reply;
	enum gcs_outcome outcome;
	uint64_t persisted = 0;
	const char *range;

	if (!upload->session.url)
		return start_session(attempt, err);
	outcome = has_asked ? ask_progress(upload, false, &reply, err)
			    : send_chunk(upload, &reply, err);
	switch (outcome) {
	case GCS_DONE:
		/* A success without proof may not be the service's: keep the session, and ask it later. */
		return gcs_verify(upload, &reply, err) < 0 ? FAILED : FINISHED;
	case GCS_CONTINUE:
		range = http_reply_header(&reply, "Range");
		if (range[0] && !gcs_parse_range(range, &persisted))
			return start_over(attempt, err);
		return advance(attempt, persisted, err);
	case GCS_QUERY:
		return note_interruption(attempt, err);
	case GCS_NEW_SESSION:
		return start_over(attempt, err);
	case GCS_EXISTS:
		return has_asked ? compare_existing(attempt, err) : ask_owner(attempt, err);
	case GCS_MISMATCH:
		gcs_explain_mismatch(upload, err);
		return FAILED;
	case GCS_REFUSED:
		gcs_session_forget(&upload->session);
		return FAILED;
	case GCS_LOGIN:
	case GCS_HIDDEN:
	case GCS_RETRY:
	case GCS_SETUP:
		break;
	}
	return FAILED;
}

int gcs_send_resumable(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
{
	struct attempt attempt = {
		.upload = upload,
		.must_ask = upload->session.url != NULL,
		.outage.kind = ERROR_NONE,
	};
	enum verdict verdict;

	if (upload->session.url)
		save_worst_case(upload, false);
	do {
		verdict = take_step(&attempt, err);
	} while (verdict == GO_ON);
	*ret_was_there = verdict == WAS_THERE;
	return verdict == FAILED ? -1 : 0;
}
