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

/* The lines that say what the session belongs to: the first ones. The caller frees. */
static char *format_target(const struct gcs_target *target)
{
	return mem_printf(
		"server=%s\nbucket=%s\nobject=%s\nbytes=%" PRIu64 "\ncrc32c=%08" PRIx32 "\n",
		target->base_url, target->bucket, target->name, target->bytes, target->crc32c);
}

char *gcs_session_format(const struct gcs_session *session, const struct gcs_target *target)
{
	cleanup_free char *owner = NULL;

	if (!session->url && !session->may_be_there && session->mismatches == 0)
		return NULL;
	owner = format_target(target);
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

bool gcs_session_is_safe(const char *url, const struct gcs_target *target)
{
	struct http_url where;

	if (!http_read_url(url, &where))
		return false;
	if (target->universe)
		return where.is_https && http_host_is_in(where.host, target->universe);
	return where.is_https || strncmp(target->base_url, "https://", 8) != 0;
}

void gcs_session_parse(const char *text, const struct gcs_target *target, uint64_t now_s,
		       struct gcs_session *ret_session)
{
	struct gcs_session session = { 0 };
	cleanup_free char *owner = format_target(target);
	char url[VALUE_MAX];

	*ret_session = session;
	if (!text)
		return;
	/* Damaged, or unknown: assume the worst. */
	if (strncmp(text, "server=", strlen("server=")) != 0) {
		ret_session->may_be_there = true;
		return;
	}
	if (strncmp(text, owner, strlen(owner)) != 0)
		return;
	text += strlen(owner);
	ret_session->may_be_there = !find_value(text, "may-be-there", url) || strcmp(url, "0") != 0;
	(void)find_number(text, "mismatches", &ret_session->mismatches);
	if (find_number(text, "started", &session.started_s) &&
	    find_number(text, "acknowledged", &session.acknowledged) &&
	    find_number(text, "sent", &session.sent) && find_value(text, "session", url) &&
	    gcs_session_is_safe(url, target) && session.acknowledged <= session.sent &&
	    session.sent <= target->bytes && now_s >= session.started_s &&
	    now_s - session.started_s <= SESSION_MAX_S) {
		session.may_be_there = ret_session->may_be_there;
		session.mismatches = ret_session->mismatches;
		session.url = mem_strdup(url);
		*ret_session = session;
	}
	OPENSSL_cleanse(url, sizeof url);
}

void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session)
{
	char *text = gcs_session_format(session, &upload->target);

	if (text || upload->is_saved)
		upload->object->save_upload_state(upload->object->save_context, text);
	upload->is_saved = text;
	mem_free_secret(text);
}
