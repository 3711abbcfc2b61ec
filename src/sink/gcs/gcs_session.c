/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/url.h"

#define SESSION_MAX_S (UINT64_C(6) * 24 * 3600) /* it would end after a week */
/* What is written behind the first line that is not the owner's, and read from there. */
#define STATE_FIELDS 6
#define STATE(number, url)                                                                       \
	"\nmismatches=%" number "\nstarted=%" number "\nacknowledged=%" number "\nsent=%" number \
	"\nsession=" url "\n"

void gcs_session_forget(struct gcs_session *session)
{
	mem_free_secret(session->url);
	*session = (struct gcs_session){ .may_be_there = session->may_be_there,
					 .mismatches = session->mismatches };
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
	return mem_printf("%smay-be-there=%d" STATE(PRIu64, "%s"), owner, session->may_be_there,
			  session->mismatches, session->started_s, session->acknowledged,
			  session->sent, session->url ? session->url : "");
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

void gcs_session_parse(struct gcs_upload *upload, const char *text, uint64_t now_s)
{
	struct gcs_session *session = &upload->session;
	cleanup_free char *owner = format_owner(upload);
	cleanup_secret char *url = NULL;
	char first_line[32] = "";
	int fields;

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
	fields = sscanf(text + strlen(owner), "%31[^\n]" STATE(SCNu64, "%m[^\n]"), first_line,
			&session->mismatches, &session->started_s, &session->acknowledged,
			&session->sent, &url);
	session->may_be_there = strcmp(first_line, "may-be-there=0") != 0;
	if (fields == STATE_FIELDS && gcs_session_is_safe(upload->worker->sink, url) &&
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
