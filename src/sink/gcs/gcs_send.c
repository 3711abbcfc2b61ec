/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to send an object: a small one and its metadata in one request (multipart, RFC 2387), a large one
 * through a resumable session, in what GCS calls chunks; so does a small one where we may not look at objects,
 * because a session can be asked whether it made the object. A session may be interrupted any number of times, as long
 * as the server acknowledges more bytes each time; an interruption without progress ends the attempt. The session
 * is saved with the segment, so that the next attempt resumes it, in whichever worker and run.
 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define BOUNDARY     "kube-node-tracer-"
#define RESTARTS_MAX 1
#define FAILURES_MAX 3 /* attempts that get a session nowhere, before another one is tried */

/*
 * If this process ends now, the next one finds this: the worst that may have happened by the next call, or by the
 * end of the attempt. Only the last byte creates an object.
 */
static void save_worst_case(struct gcs_upload *upload, bool is_last)
{
	struct gcs_session worst = upload->session;

	worst.failures++;
	if (is_last) {
		*(worst.url ? &worst.may_have_made : &worst.may_be_there) = true;
		worst.sent = upload->object->bytes;
	} else if (worst.sent < upload->object->bytes) {
		worst.sent = upload->object->bytes - 1;
	}
	gcs_session_save(upload, &worst);
}

/* A request that may create the object. */
static enum gcs_outcome send_creating(struct gcs_upload *upload, enum gcs_phase phase,
				      const struct http_request *request,
				      struct http_reply *ret_reply, struct error *err)
{
	struct gcs_session *session = &upload->session;
	bool is_session = phase != GCS_MULTIPART;
	enum gcs_outcome outcome;
	long status;
	/* What the service refuses as the client's mistake was not done, and what only a proxy has seen, neither. */
	bool may_be_done;

	/* Without a saved state, the next run assumes the worst of a small object, too. */
	if (is_session || upload->is_saved)
		save_worst_case(upload, true);
	outcome = gcs_send_request(upload->worker, phase, request, ret_reply, err);
	status = ret_reply->status;
	may_be_done = status == HTTP_BROKEN_OFF || status == HTTP_STOPPED ||
		      ((status == 408 || status >= 500 || (status >= 200 && status < 300)) &&
		       gcs_is_own_word(ret_reply));
	if (ret_reply->is_sent_again || (ret_reply->is_sent && may_be_done))
		*(is_session ? &session->may_have_made : &session->may_be_there) = true;
	else if (is_session)
		save_worst_case(upload, false);
	return outcome;
}

static int send_multipart(struct gcs_upload *upload, struct error *err)
{
	const struct sink *sink = upload->worker->sink;
	const struct sink_object *object = upload->object;
	cleanup_free char *resource = gcs_format_resource(object, upload->name,
							  sink->storage_class);
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "multipart");
	char boundary[sizeof BOUNDARY + TEXT_UUID_LENGTH] = BOUNDARY;
	cleanup_free char *head = NULL;
	cleanup_free char *tail = NULL;
	char type[128];
	const char *headers[] = { type, NULL };
	struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.fd = object->fd,
		.file_bytes = object->bytes,
	};
	struct http_reply reply;

	text_make_uuid(boundary + strlen(BOUNDARY));
	(void)snprintf(type, sizeof type, "Content-Type: multipart/related; boundary=%s", boundary);
	request.head = head =
		mem_printf("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
			   "--%s\r\nContent-Type: %s\r\n\r\n",
			   boundary, resource, boundary, sink_content_type(object->name));
	request.head_bytes = strlen(head);
	request.tail = tail = mem_printf("\r\n--%s--\r\n", boundary);
	request.tail_bytes = strlen(tail);

	switch (send_creating(upload, GCS_MULTIPART, &request, &reply, err)) {
	case GCS_DONE:
		return gcs_verify(upload, &reply, err);
	case GCS_EXISTS:
		return gcs_verify_existing(upload, err);
	case GCS_MISMATCH:
		return gcs_explain_mismatch(upload, err);
	default:
		return -1;
	}
}

/* The session is useless: start from byte 0, but only once; then leave it to the next attempt. */
static int start_over(struct gcs_upload *upload, struct error *err)
{
	gcs_session_forget(&upload->session);
	upload->must_ask = false;
	if (upload->restarts++ < RESTARTS_MAX)
		return 0;
	return error_set(err, ERROR_TRANSIENT, "bucket %s: the server forgets its upload sessions",
			 upload->worker->sink->bucket);
}

/* A session goes on: the server has what the Range header says, or nothing. */
static int note_progress(struct gcs_upload *upload, const struct http_reply *reply,
			 struct error *err)
{
	struct gcs_session *session = &upload->session;
	const char *range = http_reply_header(reply, "Range");
	uint64_t persisted = 0;

	/* It lost some, or has some that nobody sent: these are not our bytes. */
	if ((range[0] && !gcs_parse_range(range, &persisted)) ||
	    persisted < session->acknowledged || persisted > session->sent)
		return start_over(upload, err);
	if (persisted > session->acknowledged) {
		upload->outage.kind = ERROR_NONE;
		upload->has_advanced = true;
		session->failures = 0;
	} else if (upload->outage.kind != ERROR_NONE) {
		*err = upload->outage;
		return -1;
	} else {
		error_set(&upload->outage, ERROR_TRANSIENT,
			  "bucket %s: the upload does not get beyond byte %" PRIu64,
			  upload->worker->sink->bucket, persisted);
	}
	session->acknowledged = persisted;
	/* All bytes are there, but no object yet: asking with the total creates it. */
	upload->must_ask = persisted == upload->object->bytes;
	return 0;
}

/* No reply, or one that does not say how much was kept: ask next, if that makes sense. */
static int note_interruption(struct gcs_upload *upload, const struct error *err)
{
	if (upload->must_ask || err->retry_after_ms > 0 ||
	    atomic_load(upload->worker->sink->base.context.cancel))
		return -1;
	upload->outage = *err;
	upload->must_ask = true;
	return 0;
}

/* Send the next chunk, or (length 0) ask how far the session is. */
static enum gcs_outcome put_to_session(struct gcs_upload *upload, uint64_t length, bool is_last,
				       struct http_reply *ret_reply, struct error *err)
{
	const uint64_t begin = upload->session.acknowledged;
	enum gcs_phase phase = length > 0 ? GCS_DATA : GCS_STATUS;
	char range[96];
	const char *headers[] = { range, NULL };
	const struct http_request request = {
		.method = "PUT",
		.url = upload->session.url,
		.headers = headers,
		.fd = length > 0 ? upload->object->fd : -1,
		.file_offset = begin,
		.file_bytes = length,
	};

	if (length > 0)
		(void)snprintf(range, sizeof range,
			       "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, begin,
			       begin + length - 1, upload->object->bytes);
	else
		(void)snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64,
			       upload->object->bytes);
	return is_last ? send_creating(upload, phase, &request, ret_reply, err)
		       : gcs_send_request(upload->worker, phase, &request, ret_reply, err);
}

static enum gcs_outcome send_piece(struct gcs_upload *upload, struct http_reply *ret_reply,
				   struct error *err)
{
	struct gcs_session *session = &upload->session;
	uint64_t chunk_bytes = upload->worker->sink->chunk_bytes;
	uint64_t end = upload->object->bytes;

	if (end - session->acknowledged > chunk_bytes)
		end = session->acknowledged + chunk_bytes;
	if (session->sent < end)
		session->sent = end;
	return put_to_session(upload, end - session->acknowledged, end == upload->object->bytes,
			      ret_reply, err);
}

/* The name is taken: if by this session, the session says so, and no permission is needed. */
static int ask_owner(struct gcs_upload *upload, struct error *err)
{
	struct http_reply reply;

	switch (put_to_session(upload, 0, false, &reply, err)) {
	case GCS_DONE:
		/* A server's 412 for something else, and its 200 after that: look, where we may. */
		upload->was_there = true;
		return gcs_verify(upload, &reply, err) < 0 ? -1 : gcs_verify_existing(upload, err);
	case GCS_RETRY:
	case GCS_SETUP:
		return -1;
	case GCS_EXISTS:
		upload->session.may_have_made = false;
		return gcs_verify_existing(upload, err);
	default:
		return gcs_verify_existing(upload, err);
	}
}

static int take_step(struct gcs_upload *upload, struct error *err)
{
	bool has_session = upload->session.url, has_asked = upload->must_ask;
	struct http_reply reply;
	enum gcs_outcome outcome;

	if (!has_session)
		outcome = gcs_start_session(upload, err);
	else if (
		has_asked) /* as it names the total, this creates the object once all bytes are there */
		outcome = put_to_session(upload, 0, upload->session.sent == upload->object->bytes,
					 &reply, err);
	else
		outcome = send_piece(upload, &reply, err);
	switch (outcome) {
	case GCS_DONE:
		/* A success without proof may not be the service's: keep the session, and ask it later. */
		if (has_session)
			return gcs_verify(upload, &reply, err);
		if (upload->object->bytes > upload->worker->sink->chunk_bytes)
			save_worst_case(upload, false); /* else the next step does it */
		return 0;
	case GCS_CONTINUE:
		return note_progress(upload, &reply, err);
	case GCS_QUERY:
		return note_interruption(upload, err);
	case GCS_NEW_SESSION:
		return start_over(upload, err);
	case GCS_EXISTS:
		if (has_session && !has_asked)
			return ask_owner(upload, err);
		/* A session that had made it would say 200. */
		upload->session.may_have_made = false;
		return gcs_verify_existing(upload, err);
	case GCS_MISMATCH:
		return gcs_explain_mismatch(upload, err);
	case GCS_REFUSED:
		gcs_session_forget(&upload->session);
		return -1;
	default:
		return -1;
	}
}

/*
 * A step failed for now. If the session has got nowhere in several attempts, it may be dead while the service is
 * not: then there can be another one, and as both only create, what becomes of the first does no harm. If there
 * cannot, the outage is everybody's, and the session is kept.
 */
static int replace_session(struct gcs_upload *upload, const struct error *err)
{
	struct gcs_session old = upload->session;
	struct error ignored;

	if (!old.url || err->kind == ERROR_REJECTED ||
	    atomic_load(upload->worker->sink->base.context.cancel))
		return -1;
	old.failures++;
	upload->session = (struct gcs_session){
		.may_be_there = old.may_be_there || old.may_have_made,
		.mismatches = old.mismatches,
	};
	if (old.failures < FAILURES_MAX || gcs_start_session(upload, &ignored) != GCS_DONE) {
		upload->session = old;
		return -1;
	}
	log_notice("upload session gets nowhere; starting another one",
		   log_text("object", upload->name), log_reason(err));
	mem_free_secret(old.url);
	upload->must_ask = false;
	upload->outage.kind = ERROR_NONE;
	save_worst_case(upload, false);
	return 0;
}

static int send_resumable(struct gcs_upload *upload, struct error *err)
{
	upload->must_ask = upload->session.url;
	if (upload->session.url)
		save_worst_case(upload, false);
	while (!upload->is_done)
		if (take_step(upload, err) < 0 && replace_session(upload, err) < 0)
			return -1;
	return 0;
}

/*
 * 1 or 0; asked until it is said, which takes no permission. Servers that are not Google's may not know the question.
 * -1: nobody answers, or not now.
 */
static int may_read_objects(struct sink_worker *worker, struct error *err)
{
	struct sink *sink = worker->sink;
	cleanup_free char *url = gcs_permissions_url(sink->base_url, sink->bucket);
	const struct http_request request = { .method = "GET", .url = url, .fd = -1 };
	struct http_reply reply;

	if (atomic_load(&sink->reading) != GCS_READING_UNKNOWN)
		return atomic_load(&sink->reading) == GCS_READING_ALLOWED;
	if (gcs_send_request(worker, GCS_METADATA, &request, &reply, err) != GCS_DONE)
		return reply.status < 100 || err->retry_after_ms > 0 ? -1 : 0;
	atomic_store(&sink->reading,
		     strstr(reply.body, GCS_READ) ? GCS_READING_ALLOWED : GCS_READING_REFUSED);
	return atomic_load(&sink->reading) == GCS_READING_ALLOWED;
}

int gcs_send(struct sink_worker *worker, const struct sink_object *object,
	     struct sink_receipt *ret_receipt, struct error *err)
{
	struct sink *sink = worker->sink;
	cleanup_free char *name = mem_printf("%s%s", sink->prefix, object->name);
	struct gcs_upload upload = {
		.worker = worker,
		.object = object,
		.name = name,
		.is_saved = object->upload_state,
	};
	const char *id = object->segment->id;
	bool is_small;
	int may_read, result;

	if (strlen(name) > GCS_NAME_MAX)
		return error_set(err, ERROR_REJECTED, "%s: longer than %d bytes", name,
				 GCS_NAME_MAX);
	worker->requests = 0;
	/* A header; the segment's id makes it the same operation in all attempts. */
	if (strspn(id, "0123456789abcdef-") == TEXT_UUID_LENGTH)
		(void)snprintf(worker->operation, sizeof worker->operation, "%s", id);
	else
		text_make_uuid(worker->operation);
	gcs_session_parse(&upload, object->upload_state, clock_real_ns() / CLOCK_NS_PER_S);
	is_small = object->bytes <= sink->chunk_bytes && !upload.session.url;
	may_read = is_small ? may_read_objects(worker, err) : 0;
	result = may_read < 0 ? -1
		 : may_read   ? send_multipart(&upload, err)
			      : send_resumable(&upload, err);
	ret_receipt->was_there = upload.was_there;
	ret_receipt->has_advanced = upload.has_advanced;
	ret_receipt->requests = worker->requests;
	(void)snprintf(ret_receipt->location, sizeof ret_receipt->location, "gs://%s/%s",
		       sink->bucket, name);
	if (result < 0 && err->kind != ERROR_REJECTED) {
		/* A wrong setup may be corrected while we run: the segment waits. */
		err->kind = ERROR_TRANSIENT;
		gcs_session_save(&upload, &upload.session);
	}
	gcs_session_forget(&upload.session);
	return result;
}
