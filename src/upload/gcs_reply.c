/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/gcs_reply.h"

#include <ctype.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *first_reason(const json_t *error)
{
	const char *detail = json_string_value(
		json_object_get(json_array_get(json_object_get(error, "details"), 0), "reason"));
	const char *reason = json_string_value(
		json_object_get(json_array_get(json_object_get(error, "errors"), 0), "reason"));

	return reason ? reason : detail;
}

static bool has_scope_detail(const json_t *error)
{
	const json_t *detail;
	const char *reason;
	size_t i;

	json_array_foreach(json_object_get(error, "details"), i, detail)
	{
		reason = json_string_value(json_object_get(detail, "reason"));
		if (reason && strcmp(reason, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") == 0)
			return true;
	}
	return false;
}

/* Text or HTML: tags out, blanks in a row made one. */
static void take_plain(const char *body, char *out, size_t capacity)
{
	bool is_tag = false;
	size_t length = 0;

	for (const char *p = body; *p && length + 1 < capacity; p++) {
		bool is_blank = isspace((unsigned char)*p);

		if (*p == '<')
			is_tag = true;
		if (!is_tag && is_blank && length > 0 && out[length - 1] != ' ')
			out[length++] = ' ';
		else if (!is_tag && !is_blank && isprint((unsigned char)*p))
			out[length++] = *p;
		if (*p == '>')
			is_tag = false;
	}
	while (length > 0 && out[length - 1] == ' ')
		length--;
	out[length] = '\0';
}

/* Google's 404 pages repeat the URL. Whoever has a session's id can write its object. */
static void blank_session_ids(char *text)
{
	static const char key[] = "upload_id=";

	for (char *p = text; (p = strstr(p, key));) {
		char *end;

		p += strlen(key);
		end = p + strcspn(p, " &\"'");
		memmove(p, end, strlen(end) + 1);
	}
}

static bool has_text(const struct gcs_problem *problem, const char *text)
{
	return strcasestr(problem->message, text) != NULL;
}

static bool has_reason(const struct gcs_problem *problem, const char *reason)
{
	return strcmp(problem->reason, reason) == 0;
}

void gcs_parse_problem(const char *body, const char *www_authenticate,
		       struct gcs_problem *ret_problem)
{
	json_t *root = json_loads(body, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *reason = first_reason(error);

	*ret_problem = (struct gcs_problem){ 0 };
	take_plain(message ? message : body, ret_problem->message, sizeof ret_problem->message);
	(void)snprintf(ret_problem->reason, sizeof ret_problem->reason, "%s", reason ? reason : "");
	blank_session_ids(ret_problem->message);
	ret_problem->is_explained = message || reason;
	ret_problem->is_scope = has_scope_detail(error) ||
				strstr(www_authenticate, "insufficient_scope") ||
				has_reason(ret_problem, "insufficientPermissions") ||
				has_text(ret_problem, "insufficient authentication scopes") ||
				has_text(ret_problem, "scope(s) are not authorized");
	json_decref(root);
}

static bool is_in_session(enum gcs_phase phase)
{
	return phase == GCS_DATA || phase == GCS_STATUS;
}

static bool is_about_money(const struct gcs_problem *problem)
{
	return strncmp(problem->reason, "userProject", 11) == 0 ||
	       has_text(problem, "requester pays") || has_text(problem, "userProject") ||
	       has_text(problem, "billing");
}

static bool is_about_retention(const struct gcs_problem *problem)
{
	return has_reason(problem, "retentionPolicyNotMet") ||
	       has_reason(problem, "objectUnderActiveHold") ||
	       has_text(problem, "retention policy") || has_text(problem, "object retention");
}

/* Refusing is for good: only on the word of GCS itself, never of a proxy on the way. */
static enum gcs_outcome refuse(const struct gcs_problem *problem)
{
	return problem->is_explained ? GCS_REFUSED : GCS_RETRY;
}

static enum gcs_outcome decide_400(enum gcs_phase phase, const struct gcs_problem *problem)
{
	if (is_about_money(problem) || strncmp(problem->reason, "cloudKms", 8) == 0)
		return GCS_SETUP;
	/* 400 to a question about a session is about the session. */
	return phase == GCS_STATUS ? GCS_NEW_SESSION : refuse(problem);
}

static enum gcs_outcome decide_403(enum gcs_phase phase, const struct gcs_problem *problem)
{
	if (has_reason(problem, "rateLimitExceeded") ||
	    has_reason(problem, "userRateLimitExceeded") || has_reason(problem, "quotaExceeded"))
		return GCS_RETRY;
	/* Deleting is asked for only where there is something to replace. */
	if ((phase == GCS_MULTIPART || is_in_session(phase)) &&
	    has_text(problem, "storage.objects.delete"))
		return GCS_EXISTS;
	return is_about_retention(problem) ? GCS_REFUSED : GCS_SETUP;
}

enum gcs_outcome gcs_decide(enum gcs_phase phase, long status, bool has_range,
			    const struct gcs_problem *problem)
{
	if (status >= 200 && status < 300)
		return GCS_DONE;
	switch (status) {
	case 308:
		if (!is_in_session(phase))
			return GCS_RETRY;
		/* To a question it means "nothing yet"; after data, that nobody knows what was kept. */
		return has_range || phase == GCS_STATUS ? GCS_CONTINUE : GCS_QUERY;
	case 400:
		return decide_400(phase, problem);
	case 401:
		return GCS_LOGIN;
	case 403:
		return decide_403(phase, problem);
	case 404:
		if (is_in_session(phase))
			return GCS_NEW_SESSION;
		/* Of an object: it was deleted in between. Else it is the bucket that is missing. */
		return phase == GCS_METADATA ? GCS_RETRY : GCS_SETUP;
	case 410:
	case 416:
	case 499:
		return is_in_session(phase) ? GCS_NEW_SESSION : GCS_RETRY;
	case 412:
		if (has_reason(problem, "orgPolicyConstraintFailed"))
			return GCS_SETUP;
		return phase == GCS_METADATA || phase == GCS_DELETE ? GCS_RETRY : GCS_EXISTS;
	case 405:
	case 411:
	case 413:
		return refuse(problem);
	case 408:
		return phase == GCS_DATA ? GCS_QUERY : GCS_RETRY;
	case 409:
	case 429:
		return GCS_RETRY;
	default:
		break;
	}
	if (status >= 500)
		return phase == GCS_DATA ? GCS_QUERY : GCS_RETRY;
	/* What is left of 4xx is about us; 1xx and 3xx come from something that is not GCS. */
	return status >= 400 ? GCS_SETUP : GCS_RETRY;
}

const char *gcs_remedy(long status, const struct gcs_problem *problem)
{
	if (status == 403 && problem->is_scope)
		return "the access scopes of the node are too narrow: use Workload Identity, a node pool "
		       "with the scope devstorage.read_write, or a key by gcs.credentials";
	if ((status == 400 || status == 403) && is_about_money(problem))
		return "check the billing of the bucket's project; for a requester-pays bucket, set "
		       "GOOGLE_CLOUD_QUOTA_PROJECT";
	switch (status) {
	case 401:
		return "the server does not accept the credentials";
	case 403:
		return is_about_retention(problem)
			       ? ""
			       : "grant roles/storage.objectCreator on the bucket to this account";
	case 404:
		return "create the bucket, or correct upload.destination";
	default:
		return "";
	}
}
