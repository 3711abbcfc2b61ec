/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done about a reply that is no token: one table over service, status and RFC 6749's "error". That
 * there was no reply is http_send()'s to tell, whatever was asked.
 */
#include "google/credentials_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "http/redact.h"

#define DESCRIPTION_MAX 300

#define BIT(service)    (1u << (service))
enum {
	TOKEN = BIT(CREDENTIALS_TOKEN_SERVICE),
	IAM = BIT(CREDENTIALS_IAM),
	METADATA = BIT(CREDENTIALS_METADATA),
	SOURCE = BIT(CREDENTIALS_SOURCE),
	ISSUER = TOKEN | IAM,
};

enum verdict {
	LATER,
	NO,
	NO_BY_THE_CLOCK, /* unless ours is wrong: at boot it may be, until the time service has set it */
};

static const char see_source[] = "see \"url\" and \"headers\" of the credentials file";
static const char by_caller[] = "what the caller says";

/* The first row that fits decides. */
static const struct row {
	long first, last; /* statuses */
	unsigned services;
	const char *words; /* one of them is the "error"; NULL: whatever it is */
	enum verdict verdict;
	const char *remedy; /* NULL: waiting */
} rows[] = {
	/* In the first minute of a pod of GKE nearly anything comes: only IAM's refusal is a no. */
	{ 403, 403, METADATA, NULL, NO,
	  "with Workload Identity, grant the pod's account roles/iam.workloadIdentityUser" },
	{ 404, 404, METADATA, NULL, LATER,
	  "give the node or the pod a service account, or name a key by gcs.credentials" },
	{ 100, 999, METADATA, NULL, LATER, NULL },

	{ 400, 401, SOURCE, NULL, NO, see_source },
	{ 403, 403, SOURCE, NULL, NO, see_source },
	{ 100, 999, SOURCE, NULL, LATER, see_source },

	/* A portal's or a proxy's. */
	{ 100, 399, ISSUER, NULL, LATER, NULL },
	{ 400, 499, ISSUER, "internal_failure|server_error|temporarily_unavailable", LATER, NULL },
	/* Statements and tokens have a time: it may be all that is wrong. */
	{ 400, 401, ISSUER, NULL, NO_BY_THE_CLOCK, by_caller },
	{ 408, 408, ISSUER, NULL, LATER, NULL },
	{ 429, 429, ISSUER, NULL, LATER, NULL },
	{ 400, 499, ISSUER, NULL, NO, by_caller },
	{ 500, 999, ISSUER, NULL, LATER, NULL },
};

static const char *const names[] = {
	[CREDENTIALS_TOKEN_SERVICE] = "the token endpoint",
	[CREDENTIALS_IAM] = "the IAM credentials API",
	[CREDENTIALS_METADATA] = "the metadata server",
	[CREDENTIALS_SOURCE] = "the source of tokens",
};

static bool is_one_of(const char *word, const char *words)
{
	size_t length = strlen(word);

	for (const char *at = words; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, word, length) == 0 && (at[length] == '|' || !at[length]))
			return true;
	}
	return false;
}

static const struct row *find_row(enum credentials_service service, long status, const char *word)
{
	static const struct row strange = { .verdict = LATER };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];

		if (status >= row->first && status <= row->last && (row->services & BIT(service)) &&
		    (!row->words || is_one_of(word, row->words)))
			return row;
	}
	return &strange; /* no status that there is */
}

/* {"error":"…","error_description":"…"} of RFC 6749, or {"error":{"status":"…","message":"…"}} of an API. */
static const char *describe(const json_t *reply, struct text *out)
{
	const json_t *error = json_object_get(reply, "error");
	const char *word = json_string_value(error);
	const char *description = json_string_value(json_object_get(reply, "error_description"));

	word = word ? word : json_string_value(json_object_get(error, "status"));
	word = word ? word : "no reason given";
	description = description ? description
				  : json_string_value(json_object_get(error, "message"));
	redact_append(out, word);
	if (description && description[0]) {
		text_append(out, ": ");
		redact_append(out, description);
	}
	return word;
}

int credentials_judge(enum credentials_service service, const struct http_reply *reply,
		      const char *remedy, struct error *err)
{
	char bytes[DESCRIPTION_MAX];
	struct text said = text_over(bytes, sizeof bytes);
	int64_t offset_s = http_clock_offset_s(reply);
	json_t *json = json_loads(reply->body, 0, NULL);
	const struct row *row = NULL;

	/* It is asked without a secret, and answers in plain text. */
	if (service == CREDENTIALS_METADATA && !json)
		redact_append(&said, reply->body);
	/* It may say anything, also the token. */
	else if (service != CREDENTIALS_SOURCE)
		row = find_row(service, reply->status, describe(json, &said));
	row = row ? row : find_row(service, reply->status, "");
	credentials_free_json(json);

	remedy = row->remedy == by_caller ? remedy : row->remedy;
	if (row->verdict == NO_BY_THE_CLOCK && offset_s != 0)
		error_set(err, ERROR_TRANSIENT,
			  "%s said %ld %s; this node's clock is %" PRId64
			  " s %s the server's, which may be the reason",
			  names[service], reply->status, bytes, offset_s > 0 ? offset_s : -offset_s,
			  offset_s > 0 ? "ahead of" : "behind");
	else
		error_set(err, row->verdict == LATER ? ERROR_TRANSIENT : ERROR_CONFIG,
			  "%s said %ld%s%s%s%s", names[service], reply->status, bytes[0] ? " " : "",
			  bytes, remedy ? "; " : "", remedy ? remedy : "");
	err->retry_after_ms = reply->retry_after_ms;
	return -1;
}
