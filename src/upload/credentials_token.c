/* SPDX-License-Identifier: Apache-2.0 */
/* Token endpoints (RFC 6749): what they are asked and what they answer. */
#include "upload/credentials_private.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "upload/credentials.h"

#define GOOGLE_TOKEN_URL   "https://oauth2.googleapis.com/token"
#define EXCHANGE_MS        30000
#define TOKEN_MAX          16384
#define LIFETIME_DEFAULT_S 600 /* where the reply does not tell */
#define LIFETIME_MAX_S     86400

int credentials_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
{
	const char *text = json_string_value(json_object_get(file, key));

	if (!text || !text[0])
		return error_set(err, ERROR_CONFIG, "\"%s\" is missing or not a text", key);
	*ret_text = text;
	return 0;
}

/* Only https keeps the assertion secret, unless it does not leave this machine. */
static bool is_safe_url(const char *url)
{
	static const char *const local[] = { "http://127.0.0.1", "http://localhost",
					     "http://[::1]" };

	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '@')
			return false;
	if (strncmp(url, "https://", 8) == 0)
		return url[8] != '\0';
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
		size_t length = strlen(local[i]);

		if (strncmp(url, local[i], length) == 0 &&
		    (url[length] == '/' || url[length] == ':'))
			return true;
	}
	return false;
}

int credentials_token_url(const json_t *file, char **ret_url, struct error *err)
{
	const json_t *value = json_object_get(file, "token_uri");
	const char *url = value ? json_string_value(value) : GOOGLE_TOKEN_URL;

	if (!url || !is_safe_url(url))
		return error_set(err, ERROR_CONFIG, "\"token_uri\" has to be an https:// URL");
	*ret_url = mem_strdup(url);
	return 0;
}

void credentials_free_json(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) if (json_is_string(value))
		/* The text is jansson's own allocation; only its accessor says const. */
		OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
	json_decref(object);
}

static bool is_token(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	/* It becomes a header: nothing may end the line early. */
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length <= TOKEN_MAX;
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

	if (!is_token(token)) {
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

/* What to think of a status that is not 200. */
static int refused(const struct http_reply *reply, struct error *err)
{
	static const char *const passing[] = { "internal_failure", "server_error",
					       "temporarily_unavailable", NULL };
	json_t *body = json_loads(reply->body, 0, NULL);
	const char *word = json_string_value(json_object_get(body, "error"));
	const char *description = json_string_value(json_object_get(body, "error_description"));
	bool is_client_error = reply->status >= 400 && reply->status < 500 &&
			       reply->status != 408 && reply->status != 429;
	enum error_kind kind = ERROR_TRANSIENT;
	const char *remedy = "";

	word = word ? word : "no reason given";
	description = description ? description : "";
	if (is_client_error && !is_one_of(word, passing))
		kind = ERROR_CONFIG;
	if (strcmp(word, "invalid_grant") == 0)
		remedy =
			"; the key was deleted or the login has ended, or this node's clock is wrong";
	else if (kind == ERROR_CONFIG)
		remedy = "; the credentials file is not (or no longer) valid";
	error_set(err, kind, "the token endpoint said %ld %.64s%s%.200s%s", reply->status, word,
		  description[0] ? ": " : "", description, remedy);
	json_decref(body);
	return -1;
}

int credentials_exchange(struct http *http, const char *url, const char *form,
			 struct credentials_token *ret_token, struct error *err)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json", NULL };
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.head = form,
		.head_bytes = strlen(form),
		.fd = -1,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return error_wrap(err, "cannot get an access token");
	if (reply.status != 200)
		return refused(&reply, err);
	return credentials_parse_token(reply.body, ret_token, err);
}
