/* SPDX-License-Identifier: Apache-2.0 */
/* Token services (RFC 6749): what they are asked and what they answer. */
#include "upload/credentials_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "upload/credentials.h"

#define EXCHANGE_MS        30000
#define LIFETIME_DEFAULT_S 600 /* where the reply does not tell */
#define LIFETIME_MAX_S     86400
#define DESCRIPTION_MAX    300
/* Longer than any name in a message, shorter than any token. */
#define WORD_MAX 64

bool credentials_is_token(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	/* It becomes a header: nothing may end the line early. */
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length <= CREDENTIALS_TOKEN_MAX;
}

/* Some endpoints send the number as a text. */
static uint64_t parse_lifetime(const json_t *value)
{
	uint64_t seconds = LIFETIME_DEFAULT_S;

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		seconds = (uint64_t)json_integer_value(value);
	else if (json_is_string(value) && text_parse_number(json_string_value(value), &seconds) < 0)
		seconds = LIFETIME_DEFAULT_S;
	return seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S;
}

int credentials_parse_token(const char *body, struct credentials_token *ret_token,
			    struct error *err)
{
	json_t *reply = json_loads(body, 0, NULL);
	const char *token = json_string_value(json_object_get(reply, "access_token"));

	if (!credentials_is_token(token)) {
		credentials_free_json(reply);
		return error_set(err, ERROR_TRANSIENT, "the reply holds no access token");
	}
	ret_token->value = mem_strdup(token);
	ret_token->lifetime_s = parse_lifetime(json_object_get(reply, "expires_in"));
	credentials_free_json(reply);
	return 0;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* What a server says, without what may be a token that it was sent. */
static void copy_tellable(const char *said, struct text *out)
{
	static const char of_tokens[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-._~+%=";

	while (*said && !out->is_cut) {
		size_t length = strspn(said, of_tokens);

		if (length > WORD_MAX)
			text_append(out, "(%zu characters)", length);
		else
			text_append(out, "%.*s", (int)length, said);
		said += length;
		if (*said)
			text_append(out, "%c", *said++);
	}
}

/* {"error":"…","error_description":"…"} of RFC 6749, or {"error":{"status":"…","message":"…"}} of an API. */
static bool describe(const char *body, struct text *out)
{
	static const char *const passing[] = { "internal_failure", "server_error",
					       "temporarily_unavailable", NULL };
	json_t *reply = json_loads(body, 0, NULL);
	const json_t *error = json_object_get(reply, "error");
	const char *word = json_string_value(error);
	const char *description = json_string_value(json_object_get(reply, "error_description"));
	bool is_passing;

	word = word ? word : json_string_value(json_object_get(error, "status"));
	word = word ? word : "no reason given";
	description = description ? description
				  : json_string_value(json_object_get(error, "message"));
	copy_tellable(word, out);
	if (description && description[0]) {
		text_append(out, ": ");
		copy_tellable(description, out);
	}
	is_passing = is_one_of(word, passing);
	credentials_free_json(reply);
	return is_passing;
}

int credentials_judge(const struct http_reply *reply, const char *who, const char *remedy,
		      struct error *err)
{
	char bytes[DESCRIPTION_MAX];
	struct text said = text_over(bytes, sizeof bytes);
	bool is_passing = describe(reply->body, &said);
	bool is_refusal = reply->status >= 400 && reply->status < 500 && reply->status != 408 &&
			  reply->status != 429 && !is_passing;
	int64_t offset_s = http_clock_offset_s(reply);

	if (!is_refusal)
		error_set(err, ERROR_TRANSIENT, "%s said %ld %s", who, reply->status, bytes);
	/* Statements and tokens have a time: at boot ours may be wrong until the time service has set it. */
	else if (offset_s != 0 && (reply->status == 400 || reply->status == 401))
		error_set(err, ERROR_TRANSIENT,
			  "%s said %ld %s; this node's clock is %" PRId64
			  " s %s the server's, which may be the reason",
			  who, reply->status, bytes, offset_s > 0 ? offset_s : -offset_s,
			  offset_s > 0 ? "ahead of" : "behind");
	else
		error_set(err, ERROR_CONFIG, "%s said %ld %s; %s", who, reply->status, bytes,
			  remedy);
	err->retry_after_ms = reply->retry_after_ms;
	return -1;
}

int credentials_exchange(struct http *http, const struct credentials_exchange *exchange,
			 struct credentials_token *ret_token, struct error *err)
{
	const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					"Accept: application/json", exchange->login, NULL };
	const struct http_request request = {
		.method = "POST",
		.url = exchange->url,
		.headers = headers,
		.head = exchange->form,
		.head_bytes = strlen(exchange->form),
		.fd = -1,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return error_wrap(err, "cannot get an access token");
	if (reply.status != 200)
		return credentials_judge(&reply, "the token endpoint", exchange->remedy, err);
	return credentials_parse_token(reply.body, ret_token, err);
}
