/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs_reply.h"

#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "http/redact.h"
#include "http/reply_rules.h"

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

bool gcs_problem_says(const struct gcs_problem *problem, const char *words)
{
	return reply_says(problem->reason, words) || reply_says(problem->message, words);
}

void gcs_parse_problem(const char *body, const char *www_authenticate,
		       struct gcs_problem *ret_problem)
{
	json_t *root = json_loads(body, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *reason = first_reason(error);
	struct text text;

	*ret_problem = (struct gcs_problem){ 0 };
	text = text_over(ret_problem->message, sizeof ret_problem->message);
	redact_append(&text, message ? message : body);
	text = text_over(ret_problem->reason, sizeof ret_problem->reason);
	redact_append(&text, reason ? reason : "");
	ret_problem->is_explained = message || reason;
	ret_problem->is_scope = has_scope_detail(error) ||
				strstr(www_authenticate, "insufficient_scope") ||
				gcs_problem_says(ret_problem, "insufficientPermissions|"
							      "insufficient authentication scopes|"
							      "scope(s) are not authorized");
	json_decref(root);
}

const char *gcs_remedy(long status, const struct gcs_problem *problem)
{
	if (status == 403 && problem->is_scope)
		return "the access scopes of the node are too narrow: use Workload Identity, a node pool "
		       "with the scope devstorage.read_write, or a key by gcs.credentials";
	if ((status == 400 || status == 403) && gcs_problem_says(problem, GCS_ABOUT_MONEY))
		return "check the billing of the bucket's project; for a requester-pays bucket, set "
		       "GOOGLE_CLOUD_QUOTA_PROJECT";
	switch (status) {
	case 401:
		return "the server does not accept the credentials";
	case 403:
		return gcs_problem_says(problem, GCS_ABOUT_RETENTION)
			       ? ""
			       : "grant roles/storage.objectCreator on the bucket to this account";
	case 404:
		return "create the bucket, or correct upload.destination";
	default:
		return "";
	}
}
