/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/url.h"

#define SESSION_MAX_S (UINT64_C(6) * 24 * 3600) /* it would end after a week */

void gcs_session_forget(struct gcs_session *session)
{
	mem_free_secret(session->url);
	*session = (struct gcs_session){
		.may_be_there = session->may_be_there || session->may_have_made,
		.mismatches = session->mismatches,
	};
}

/* What it belongs to: for any other object, or the same one elsewhere, it is useless. The caller frees. */
static char *format_owner(const struct gcs_upload *upload)
{
	const struct sink *sink = upload->worker->sink;

	return mem_printf("server=%s\nbucket=%s\nobject=%s\nbytes=%" PRIu64 "\ncrc32c=%08" PRIx32
			  "\n",
			  sink->base_url, sink->bucket, upload->name, upload->object->bytes,
			  upload->object->crc32c);
}

char *gcs_session_format(const struct gcs_upload *upload, const struct gcs_session *session)
{
	cleanup_free char *owner = NULL;

	if (!session->url && !session->may_be_there && session->mismatches == 0)
		return NULL;
	owner = format_owner(upload);
	return mem_printf("%smay-be-there=%d\nmay-have-made=%d\nmismatches=%" PRIu64
			  "\nstarted=%" PRIu64 "\nacknowledged=%" PRIu64 "\nsent=%" PRIu64
			  "\nfailures=%" PRIu64 "\nsession=%s\n",
			  owner, session->may_be_there, session->may_have_made, session->mismatches,
			  session->started_s, session->acknowledged, session->sent,
			  session->failures, session->url ? session->url : "");
}

bool gcs_session_is_safe(const struct sink *sink, const char *url)
{
	struct http_url where;

	if (!http_read_url(url, &where))
		return false;
	if (sink->universe)
		return where.is_https && http_host_is_in(where.host, sink->universe);
	return where.is_https || strncmp(sink->base_url, "https://", 8) != 0;
}

/* Take "KEY=VALUE" and the end of its line. The caller frees; NULL: something else is there. */
static char *take_value(const char **text, const char *key)
{
	size_t key_length = strlen(key), length = strcspn(*text, "\n");
	const char *value = *text + key_length;

	if (length <= key_length || !(*text)[length] || strncmp(*text, key, key_length) != 0)
		return NULL;
	*text += length + 1;
	return mem_strndup(value, length - key_length);
}

static bool take_number(const char **text, const char *key, uint64_t *ret_number)
{
	cleanup_free char *value = take_value(text, key);

	return value && text_parse_number(value, ret_number) == 0;
}

void gcs_session_parse(struct gcs_upload *upload, const char *text, uint64_t now_s)
{
	struct gcs_session *session = &upload->session;
	cleanup_free char *owner = format_owner(upload);
	cleanup_secret char *url = NULL;
	uint64_t may_be_there = 1, may_have_made = 0;
	bool is_whole;

	*session = (struct gcs_session){ 0 };
	if (!text)
		return;
	/* Damaged, or unknown: assume the worst. */
	if (strncmp(text, "server=", strlen("server=")) != 0) {
		session->may_be_there = true;
		return;
	}
	if (strncmp(text, owner, strlen(owner)) != 0)
		return;
	text += strlen(owner);
	is_whole = take_number(&text, "may-be-there=", &may_be_there) &&
		   take_number(&text, "may-have-made=", &may_have_made) &&
		   take_number(&text, "mismatches=", &session->mismatches) &&
		   take_number(&text, "started=", &session->started_s) &&
		   take_number(&text, "acknowledged=", &session->acknowledged) &&
		   take_number(&text, "sent=", &session->sent) &&
		   take_number(&text, "failures=", &session->failures) &&
		   (url = take_value(&text, "session="));
	session->may_be_there = may_be_there != 0;
	session->may_have_made = may_have_made != 0;
	if (is_whole && gcs_session_is_safe(upload->worker->sink, url) &&
	    session->acknowledged <= session->sent && session->sent <= upload->object->bytes &&
	    now_s >= session->started_s && now_s - session->started_s <= SESSION_MAX_S)
		session->url = take_ptr(url);
	else
		gcs_session_forget(session);
}

void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session)
{
	char *text = gcs_session_format(upload, session);

	if (text || upload->is_saved)
		upload->object->save_upload_state(upload->object->save_context, text);
	upload->is_saved = text;
	mem_free_secret(text);
}

enum gcs_outcome gcs_start_session(struct gcs_upload *upload, struct error *err)
{
	const struct sink *sink = upload->worker->sink;
	const struct sink_object *object = upload->object;
	cleanup_free char *resource = gcs_format_resource(object, upload->name,
							  sink->storage_class);
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "resumable");
	char type[128], length[64];
	/* A total of 0 could be taken for an empty object that is finished. */
	const char *headers[] = { "Content-Type: application/json; charset=UTF-8", type,
				  object->bytes > 0 ? length : NULL, NULL };
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.head = resource,
		.head_bytes = strlen(resource),
		.fd = -1,
	};
	struct http_reply reply;
	enum gcs_outcome outcome;
	const char *location;

	(void)snprintf(type, sizeof type, "X-Upload-Content-Type: %s",
		       sink_content_type(object->name));
	(void)snprintf(length, sizeof length, "X-Upload-Content-Length: %" PRIu64, object->bytes);
	outcome = gcs_send_request(upload->worker, GCS_START, &request, &reply, err);
	if (outcome != GCS_DONE)
		return outcome;
	location = http_reply_header(&reply, "Location");
	if (!gcs_session_is_safe(sink, location)) {
		error_set(err, ERROR_TRANSIENT, "bucket %s: the server began a session %s",
			  sink->bucket,
			  location[0] ? "at a place that no token is sent to"
				      : "without saying where");
		return GCS_RETRY;
	}
	upload->session.url = mem_strdup(location);
	upload->session.started_s = clock_real_ns() / CLOCK_NS_PER_S;
	return GCS_DONE;
}
