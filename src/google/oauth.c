/* SPDX-License-Identifier: Apache-2.0 */
/* Token services (RFC 6749): what they are asked and what they answer. */
#include "google/credentials_private.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "google/credentials.h"

#define EXCHANGE_MS        30000
#define LIFETIME_DEFAULT_S 600 /* where the reply does not tell */
#define LIFETIME_MAX_S     86400

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
		return credentials_judge(CREDENTIALS_TOKEN_SERVICE, &reply, exchange->remedy, err);
	return credentials_parse_token(reply.body, ret_token, err);
}
