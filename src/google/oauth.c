/* SPDX-License-Identifier: Apache-2.0 */
#include "google/account.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/redact.h"
#include "http/reply.h"

#define EXCHANGE_MS        30000
#define LIFETIME_DEFAULT_S 600 /* if the reply has none */
#define LIFETIME_MAX_S     86400
#define DESCRIPTION_MAX    300

#define BIT(service)       (1u << (service))
enum {
	METADATA = BIT(OAUTH_METADATA),
	SUBJECT = BIT(OAUTH_SUBJECT),
	ISSUER = BIT(OAUTH_TOKEN_SERVICE) | BIT(OAUTH_IAM),
};

enum outcome {
	RETRY,
	REFUSED,
	/* Unless our clock is wrong: at boot it may be, until the time service has set it. */
	REFUSED_OR_CLOCK,
};

static const char see_source[] = "see \"url\" and \"headers\" of the credentials file";
static const char by_caller[] = "the caller's remedy";

static const struct reply_rule rules[] = {
	/* In the first minute of a GKE pod nearly any status may come; only IAM's 403 is final. */
	{ 403, 403, METADATA, NULL, REFUSED,
	  .remedy = "with Workload Identity, grant the pod's account "
		    "roles/iam.workloadIdentityUser" },
	{ 404, 404, METADATA, NULL, RETRY,
	  .remedy =
		  "give the node or the pod a service account, or name a key by gcs.credentials" },

	{ 400, 401, SUBJECT, NULL, REFUSED, .remedy = see_source },
	{ 403, 403, SUBJECT, NULL, REFUSED, .remedy = see_source },
	{ LONG_MIN, LONG_MAX, SUBJECT, NULL, RETRY, .remedy = see_source },

	{ 400, 499, ISSUER, "internal_failure|server_error|temporarily_unavailable", RETRY },
	/* Assertions and tokens carry times, which may be all that is wrong. */
	{ 400, 401, ISSUER, NULL, REFUSED_OR_CLOCK, .remedy = by_caller },
	{ 408, 408, ISSUER, NULL, RETRY },
	{ 429, 429, ISSUER, NULL, RETRY },
	{ 400, 499, ISSUER, NULL, REFUSED, .remedy = by_caller },
	/* Also what a captive portal or a proxy says. */
	{ LONG_MIN, LONG_MAX, METADATA | ISSUER, NULL, RETRY },
};

static const char *const names[] = {
	[OAUTH_TOKEN_SERVICE] = "the token endpoint",
	[OAUTH_IAM] = "the IAM credentials API",
	[OAUTH_METADATA] = "the metadata server",
	[OAUTH_SUBJECT] = "the source of tokens",
};

/* {"error":"…","error_description":"…"} of RFC 6749, or {"error":{"status":"…","message":"…"}} of an API. */
static const char *describe_error(const json_t *reply, const char *secrets, struct text *out)
{
	const json_t *error = json_object_get(reply, "error");
	const char *word = json_string_value(error);
	const char *description = json_string_value(json_object_get(reply, "error_description"));

	word = word ? word : json_string_value(json_object_get(error, "status"));
	word = word ? word : "no reason given";
	description = description ? description
				  : json_string_value(json_object_get(error, "message"));
	redact_append(out, word, secrets);
	if (description && description[0]) {
		text_append(out, ": ");
		redact_append(out, description, secrets);
	}
	return word;
}

int oauth_refusal(enum oauth_service service, const struct http_reply *reply, const char *remedy,
		  struct error *err)
{
	struct reply_evidence evidence = { .status = reply->status, .request = BIT(service) };
	char bytes[DESCRIPTION_MAX];
	struct text said = text_over(bytes, sizeof bytes);
	int64_t offset_s = http_clock_offset_s(reply);
	json_t *json = json_loads(reply->body, 0, NULL);
	const struct reply_rule *rule;

	/* The metadata server is asked without a secret, and answers in plain text. */
	if (service == OAUTH_METADATA && !json)
		redact_append(&said, reply->body, reply->secrets);
	/* Another issuer's reply may be anything, even the token. */
	else if (service != OAUTH_SUBJECT)
		evidence.texts[0] = describe_error(json, reply->secrets, &said);
	rule = reply_match(rules, sizeof rules / sizeof rules[0], &evidence);
	key_file_free(json);

	remedy = rule->remedy == by_caller ? remedy : rule->remedy;
	if (rule->outcome == REFUSED_OR_CLOCK && offset_s != 0)
		error_set(err, ERROR_TRANSIENT,
			  "%s said %ld %s; this node's clock is %" PRId64
			  " s %s the server's, which may be the reason",
			  names[service], reply->status, bytes, offset_s > 0 ? offset_s : -offset_s,
			  offset_s > 0 ? "ahead of" : "behind");
	else
		error_set(err, rule->outcome == RETRY ? ERROR_TRANSIENT : ERROR_CONFIG,
			  "%s said %ld%s%s%s%s", names[service], reply->status, bytes[0] ? " " : "",
			  bytes, remedy ? "; " : "", remedy ? remedy : "");
	err->retry_after_ms = reply->retry_after_ms;
	return -1;
}

static bool is_token(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	/* It becomes a header: nothing may end the line early. */
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length <= OAUTH_TOKEN_MAX;
}

/* Of a token in this reply. False: IAM's has no end. */
static bool parse_lifetime(const json_t *reply, uint64_t now_s, uint64_t *ret_lifetime_s)
{
	const json_t *lifetime = json_object_get(reply, "expires_in");
	const char *end = json_string_value(json_object_get(reply, "expireTime"));
	uint64_t seconds = LIFETIME_DEFAULT_S, end_ns;

	if (!json_object_get(reply, "access_token")) {
		if (!end || text_parse_time(end, &end_ns) < 0)
			return false;
		seconds = end_ns / CLOCK_NS_PER_S;
		seconds = seconds > now_s ? seconds - now_s : 0;
	} else if (json_is_integer(lifetime) && json_integer_value(lifetime) >= 0) {
		seconds = (uint64_t)json_integer_value(lifetime);
	} else if (json_is_string(lifetime) &&
		   text_parse_number(json_string_value(lifetime), &seconds) < 0) {
		seconds = LIFETIME_DEFAULT_S; /* a text that is no number */
	}
	*ret_lifetime_s = seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S;
	return true;
}

int oauth_parse_token(const struct http_reply *reply, struct token *ret_token, struct error *err)
{
	json_t *object = json_loads(reply->body, 0, NULL);
	const json_t *value = json_object_get(object, "access_token");
	const char *token = json_string_value(value ? value
						    : json_object_get(object, "accessToken"));
	/* IAM's expireTime is by the server's clock, which may differ from ours. */
	uint64_t now_s = reply->date_s ? reply->date_s : clock_real_ns() / CLOCK_NS_PER_S;
	uint64_t lifetime_s;
	bool is_good = is_token(token) && parse_lifetime(object, now_s, &lifetime_s);

	if (is_good)
		*ret_token = (struct token){ mem_strdup(token), lifetime_s };
	key_file_free(object);
	return is_good ? 0 : error_set(err, ERROR_TRANSIENT, "the reply holds no access token");
}

/* Without the newline that a text usually ends in. */
static int copy_token(const char *text, size_t length, char **ret_token, struct error *err)
{
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	if (length == 0)
		return error_set(err, ERROR_TRANSIENT, "it is empty");
	if (length > OAUTH_TOKEN_MAX)
		return error_set(err, ERROR_CONFIG, "it is longer than %d bytes", OAUTH_TOKEN_MAX);
	if (memchr(text, '\0', length))
		return error_set(err, ERROR_CONFIG, "it is not a text");
	*ret_token = mem_strndup(text, length);
	return 0;
}

int oauth_parse_subject(const char *text, size_t length, const char *field, char **ret_token,
			struct error *err)
{
	json_t *object, *value;
	int result;

	if (!field)
		return copy_token(text, length, ret_token, err);
	object = json_loadb(text, length, 0, NULL);
	if (!object) /* perhaps it is still being written */
		return error_set(err, ERROR_TRANSIENT, "it is not JSON");
	value = json_object_get(object, field);
	if (json_is_string(value))
		result = copy_token(json_string_value(value), json_string_length(value), ret_token,
				    err);
	else
		result = error_set(err, ERROR_CONFIG, "it has no text \"%.64s\"", field);
	key_file_free(object);
	return result;
}

int oauth_exchange(struct http *http, const struct oauth_exchange *exchange,
		   struct token *ret_token, struct error *err)
{
	const char *type = exchange->content_type;
	const char *const headers[] = { type ? type
					     : "Content-Type: application/x-www-form-urlencoded",
					"Accept: application/json", exchange->login, NULL };
	const struct http_request request = {
		.method = "POST",
		.url = exchange->url,
		.headers = headers,
		.head = exchange->body,
		.head_bytes = strlen(exchange->body),
		.fd = -1,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;
	int result = http_send(http, &request, &reply, err);

	if (result == 0 && reply.status != 200)
		result = oauth_refusal(exchange->service, &reply, exchange->remedy, err);
	if (result == 0)
		result = oauth_parse_token(&reply, ret_token, err);
	if (result < 0)
		return error_wrap(err, "cannot get %s%s",
				  exchange->email ? "a token of " : "an access token",
				  exchange->email ? exchange->email : "");
	return 0;
}
