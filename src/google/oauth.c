/* SPDX-License-Identifier: Apache-2.0 */
#include "google/oauth.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "google/key_file.h"
#include "http/redact.h"
#include "http/reply_match.h"

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
	{ 100, 999, METADATA, NULL, RETRY },

	{ 400, 401, SUBJECT, NULL, REFUSED, .remedy = see_source },
	{ 403, 403, SUBJECT, NULL, REFUSED, .remedy = see_source },
	{ 100, 999, SUBJECT, NULL, RETRY, .remedy = see_source },

	/* From a captive portal or a proxy. */
	{ 100, 399, ISSUER, NULL, RETRY },
	{ 400, 499, ISSUER, "internal_failure|server_error|temporarily_unavailable", RETRY },
	/* Assertions and tokens carry times, which may be all that is wrong. */
	{ 400, 401, ISSUER, NULL, REFUSED_OR_CLOCK, .remedy = by_caller },
	{ 408, 408, ISSUER, NULL, RETRY },
	{ 429, 429, ISSUER, NULL, RETRY },
	{ 400, 499, ISSUER, NULL, REFUSED, .remedy = by_caller },
	{ 500, 999, ISSUER, NULL, RETRY },
};

static const char *const names[] = {
	[OAUTH_TOKEN_SERVICE] = "the token endpoint",
	[OAUTH_IAM] = "the IAM credentials API",
	[OAUTH_METADATA] = "the metadata server",
	[OAUTH_SUBJECT] = "the source of tokens",
};

/* {"error":"…","error_description":"…"} of RFC 6749, or {"error":{"status":"…","message":"…"}} of an API. */
static const char *describe_error(const json_t *reply, struct text *out)
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

int oauth_refusal(enum oauth_service service, const struct http_reply *reply, const char *remedy,
		  struct error *err)
{
	static const struct reply_rule unknown = { .outcome = RETRY };
	struct reply_evidence evidence = { .status = reply->status, .request = BIT(service) };
	char bytes[DESCRIPTION_MAX];
	struct text said = text_over(bytes, sizeof bytes);
	int64_t offset_s = http_clock_offset_s(reply);
	json_t *json = json_loads(reply->body, 0, NULL);
	const struct reply_rule *rule;

	/* The metadata server is asked without a secret, and answers in plain text. */
	if (service == OAUTH_METADATA && !json)
		redact_append(&said, reply->body);
	/* Another issuer's reply may be anything, even the token. */
	else if (service != OAUTH_SUBJECT)
		evidence.texts[0] = describe_error(json, &said);
	rule = reply_match(rules, sizeof rules / sizeof rules[0], &evidence);
	rule = rule ? rule : &unknown;
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

bool oauth_is_token(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	/* It becomes a header: nothing may end the line early. */
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length <= OAUTH_TOKEN_MAX;
}

/* Some services send the number as a text. */
static uint64_t parse_lifetime(const json_t *value)
{
	uint64_t seconds = LIFETIME_DEFAULT_S;

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		seconds = (uint64_t)json_integer_value(value);
	else if (json_is_string(value) && text_parse_number(json_string_value(value), &seconds) < 0)
		seconds = LIFETIME_DEFAULT_S;
	return seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S;
}

int oauth_parse_token(const char *body, struct token *ret_token, struct error *err)
{
	json_t *reply = json_loads(body, 0, NULL);
	const char *token = json_string_value(json_object_get(reply, "access_token"));
	bool is_token = oauth_is_token(token);

	if (is_token)
		*ret_token = (struct token){
			.value = mem_strdup(token),
			.lifetime_s = parse_lifetime(json_object_get(reply, "expires_in")),
		};
	key_file_free(reply);
	return is_token ? 0 : error_set(err, ERROR_TRANSIENT, "the reply holds no access token");
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

int oauth_post(struct http *http, const struct oauth_exchange *exchange,
	       struct http_reply *ret_reply, struct error *err)
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

	if (http_send(http, &request, ret_reply, err) < 0)
		return -1;
	return ret_reply->status == 200
		       ? 0
		       : oauth_refusal(exchange->service, ret_reply, exchange->remedy, err);
}

int oauth_exchange(struct http *http, const struct oauth_exchange *exchange,
		   struct token *ret_token, struct error *err)
{
	struct http_reply reply;

	if (oauth_post(http, exchange, &reply, err) < 0 ||
	    oauth_parse_token(reply.body, ret_token, err) < 0)
		return error_wrap(err, "cannot get an access token");
	return 0;
}
