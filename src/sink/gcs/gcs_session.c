/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/url.h"

#define SESSION_MAX_S (UINT64_C(6) * 24 * 3600) /* it would end after a week */
#define VALUE_MAX     (HTTP_URL_MAX + 1)

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
	return mem_printf("%smay-be-there=%d\nmismatches=%" PRIu64 "\nstarted=%" PRIu64
			  "\nacknowledged=%" PRIu64 "\nsent=%" PRIu64 "\nsession=%s\n",
			  owner, session->may_be_there, session->mismatches, session->started_s,
			  session->acknowledged, session->sent, session->url ? session->url : "");
}

/* Copy the value of a line KEY=VALUE to out; false if there is none that fits. */
static bool find_value(const char *text, const char *key, char out[VALUE_MAX])
{
	size_t key_length = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		if (length <= key_length || strncmp(line, key, key_length) != 0 ||
		    line[key_length] != '=' || length - key_length - 1 >= VALUE_MAX)
			continue;
		memcpy(out, line + key_length + 1, length - key_length - 1);
		out[length - key_length - 1] = '\0';
		return true;
	}
	return false;
}

static bool find_number(const char *text, const char *key, uint64_t *ret_number)
{
	char value[VALUE_MAX];

	return find_value(text, key, value) && text_parse_number(value, ret_number) == 0;
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
	char url[VALUE_MAX];

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
	session->may_be_there = !find_value(text, "may-be-there", url) || strcmp(url, "0") != 0;
	(void)find_number(text, "mismatches", &session->mismatches);
	if (find_number(text, "started", &session->started_s) &&
	    find_number(text, "acknowledged", &session->acknowledged) &&
	    find_number(text, "sent", &session->sent) && find_value(text, "session", url) &&
	    gcs_session_is_safe(upload->worker->sink, url) &&
	    session->acknowledged <= session->sent && session->sent <= upload->object->bytes &&
	    now_s >= session->started_s && now_s - session->started_s <= SESSION_MAX_S)
		session->url = mem_strdup(url);
	else
		gcs_session_forget(session);
	OPENSSL_cleanse(url, sizeof url);
}

void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session)
{
	char *text = gcs_session_format(upload, session);

	if (text || upload->is_saved)
		upload->object->save_upload_state(upload->object->save_context, text);
	upload->is_saved = text;
	mem_free_secret(text);
}
