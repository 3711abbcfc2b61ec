/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload Identity Federation, https://google.aip.dev/auth/4117: a token of another issuer, such as a
 * Kubernetes cluster, is exchanged at Google's security token service (RFC 8693), and if the file says
 * so, the result for a token of a service account. The issuer's token comes from a file that somebody
 * keeps fresh (the kubelet does for a projected service account token), or from a URL. Programs are never
 * run, and what only a virtual machine of another cloud could sign is not supported.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "google/account.h"
#include "http/url.h"

/* A JSON object may hold more than the token. */
#define SOURCE_MAX  65536
#define HEADER_MAX  4096
#define EXCHANGE_MS 30000
#define JWT_MAX     65536
#define NAME_CHARACTERS                                                     \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_." \
	"!#$%&'*+^`|~"
#define FORM                                                                                 \
	"grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Atoken-exchange"          \
	"&requested_token_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Atoken-type%%3Aaccess_token" \
	"&audience=%s&scope=%s&subject_token_type=%s"

static int read_format(struct google_account *account, const json_t *format, struct error *err)
{
	const char *type, *field;

	if (!format)
		return 0;
	if (key_file_text(format, "type", &type, err) < 0)
		return error_wrap(err, "\"format\"");
	if (strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json") != 0)
		return error_set(err, ERROR_CONFIG,
				 "\"format\": \"type\" must be \"text\" or \"json\"");
	if (key_file_text(format, "subject_token_field_name", &field, err) < 0)
		return error_wrap(err, "\"format\"");
	account->subject.field = mem_strdup(field);
	return 0;
}

static bool is_header(const char *name, const char *value)
{
	if (!value || !name[0] || name[strspn(name, NAME_CHARACTERS)] ||
	    strlen(name) + strlen(value) > HEADER_MAX)
		return false;
	for (; *value; value++)
		if (*value < ' ' || *value > '~')
			return false;
	return true;
}

static int read_headers(struct google_account *account, json_t *headers, struct error *err)
{
	size_t count = 0;
	const char *name;
	json_t *value;

	if (headers &&
	    (!json_is_object(headers) || json_object_size(headers) > GOOGLE_SUBJECT_HEADERS_MAX))
		return error_set(err, ERROR_CONFIG,
				 "\"headers\" must be an object of at most %d texts",
				 GOOGLE_SUBJECT_HEADERS_MAX);
	json_object_foreach(headers, name, value)
	{
		if (!is_header(name, json_string_value(value)))
			return error_set(err, ERROR_CONFIG,
					 "\"headers\": \"%.64s\" is not an HTTP header", name);
		account->subject.headers[count++] = mem_printf("%s: %s", name,
							       json_string_value(value));
	}
	return 0;
}

/* A request in the clear must stay on this machine or next to it. */
static int read_url(struct google_account *account, const json_t *source, struct error *err)
{
	struct http_url where;
	const char *url;

	if (key_file_text(source, "url", &url, err) < 0)
		return -1;
	if (!http_read_url(url, &where) ||
	    !(where.is_https || where.is_loopback || where.is_link_local))
		return error_set(err, ERROR_CONFIG,
				 "\"url\" must be an https:// URL, or an http:// URL of this "
				 "machine or a metadata server");
	account->subject.url = mem_strdup(url);
	account->subject.is_local = where.is_loopback || where.is_link_local;
	return read_headers(account, json_object_get(source, "headers"), err);
}

static int read_source(struct google_account *account, const json_t *source, struct error *err)
{
	static const struct {
		const char *key, *what;
	} refused[] = {
		{ "executable", "a program that is run (\"executable\")" },
		{ "environment_id", "AWS (\"environment_id\")" },
		{ "certificate", "a client's certificate (\"certificate\")" },
	};
	bool is_file = json_object_get(source, "file"), is_url = json_object_get(source, "url");
	const char *path;

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (json_object_get(source, refused[i].key))
			return error_set(err, ERROR_CONFIG,
					 "%s is not supported as a source of tokens, only a "
					 "\"file\" or a \"url\"",
					 refused[i].what);
	if (is_file == is_url)
		return error_set(err, ERROR_CONFIG, "it needs either a \"file\" or a \"url\"");
	if (is_url && read_url(account, source, err) < 0)
		return -1;
	if (is_file) {
		if (key_file_text(source, "file", &path, err) < 0)
			return -1;
		if (path[0] != '/')
			return error_set(err, ERROR_CONFIG, "\"file\" must be an absolute path");
		account->subject.path = mem_strdup(path);
	}
	return read_format(account, json_object_get(source, "format"), err);
}

static int read_form(struct google_account *account, const json_t *file, const char *scope,
		     struct error *err)
{
	cleanup_free char *escaped_audience = NULL, *escaped_scope = NULL, *escaped_type = NULL;
	const char *audience, *type;

	if (key_file_text(file, "audience", &audience, err) < 0 ||
	    key_file_text(file, "subject_token_type", &type, err) < 0)
		return -1;
	escaped_audience = http_escape(audience);
	escaped_scope = http_escape(scope);
	escaped_type = http_escape(type);
	account->form = mem_printf(FORM, escaped_audience, escaped_scope, escaped_type);
	return 0;
}

/* RFC 7617 */
static int read_login(struct google_account *account, const json_t *file, struct error *err)
{
	cleanup_secret char *both = NULL, *encoded = NULL;
	const char *id, *secret;
	size_t length;

	if (!json_object_get(file, "client_id") && !json_object_get(file, "client_secret"))
		return 0;
	if (key_file_text(file, "client_id", &id, err) < 0 ||
	    key_file_text(file, "client_secret", &secret, err) < 0)
		return -1;
	both = mem_printf("%s:%s", id, secret);
	length = strlen(both);
	encoded = mem_alloc((length + 2) / 3 * 4 + 1);
	(void)EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)both, (int)length);
	account->login = mem_printf("Authorization: Basic %s", encoded);
	return 0;
}

static int read_subject(const struct google_account *account, char **ret_token, struct error *err)
{
	const char *path = account->subject.path;
	size_t length;
	char *text;
	int result;

	if (file_read_text(AT_FDCWD, path, SOURCE_MAX, &text, &length, err) < 0) {
		/* It may appear later, but not if we lack the permission or it is not a file. */
		err->kind = err->errnum == 0 || err->errnum == EACCES || err->errnum == EPERM
				    ? ERROR_CONFIG
				    : ERROR_TRANSIENT;
		return error_wrap(err, "the token file");
	}
	result = oauth_parse_subject(text, length, account->subject.field, ret_token, err);
	OPENSSL_cleanse(text, length);
	free(text);
	return result < 0 ? error_wrap(err, "the token file %s", path) : 0;
}

static int request_subject(const struct google_account *account, struct http *http,
			   char **ret_token, struct error *err)
{
	const struct http_request request = {
		.method = "GET",
		.url = account->subject.url,
		.headers = (const char *const *)account->subject.headers,
		.fd = -1,
		.is_local = account->subject.is_local,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return error_wrap(err, "the source of tokens");
	if (reply.status != 200)
		return oauth_refusal(OAUTH_SUBJECT, &reply, NULL, err);
	if (oauth_parse_subject(reply.body, reply.body_bytes, account->subject.field, ret_token,
				err) < 0)
		return error_wrap(err, "the reply of the source of tokens");
	return 0;
}

/* The JSON of one part; NULL if it is not JSON. */
static json_t *decode_part(const char *part, size_t length)
{
	size_t padded = (length + 3) / 4 * 4;
	char *text = mem_alloc(padded + 1);
	unsigned char *bytes = mem_alloc(padded + 1);
	json_t *object = NULL;
	int decoded;

	for (size_t i = 0; i < padded; i++)
		text[i] = i >= length ? '=' : part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
	decoded = EVP_DecodeBlock(bytes, (unsigned char *)text, (int)padded);
	if (decoded > 0) /* padding decodes as zeros */
		object = json_loadb((char *)bytes, (size_t)decoded - (padded - length), 0, NULL);
	free(text);
	free(bytes);
	return object;
}

bool jwt_has_expired(const char *jwt, uint64_t now_s)
{
	const char *claims = strchr(jwt, '.');
	const char *end = claims ? strchr(claims + 1, '.') : NULL;
	json_t *object, *exp;
	bool has_expired;

	if (!end || end - claims > JWT_MAX)
		return false;
	object = decode_part(claims + 1, (size_t)(end - claims - 1));
	exp = json_object_get(object, "exp");
	has_expired = json_is_number(exp) && json_number_value(exp) <= (double)now_s;
	json_decref(object);
	return has_expired;
}

/* Read the issuer's token each time: it is replaced well before it expires. */
static int external_account_fetch(const struct google_account *account, struct http *http,
				  struct token *ret_token, struct error *err)
{
	struct oauth_exchange exchange = {
		.url = account->url,
		.login = account->login,
		.remedy =
			"compare the token's issuer, audience and age, and the provider's attribute "
			"condition, with the workload identity pool",
	};
	cleanup_secret char *subject = NULL, *escaped = NULL, *form = NULL;
	int result = account->subject.path ? read_subject(account, &subject, err)
					   : request_subject(account, http, &subject, err);

	if (result < 0)
		return -1;
	escaped = http_escape(subject);
	exchange.body = form = mem_printf("%s&subject_token=%s", account->form, escaped);
	result = oauth_exchange(http, &exchange, ret_token, err);
	/* Whoever keeps it fresh is late, as at boot: the next one may be accepted. */
	if (result < 0 && err->kind == ERROR_CONFIG &&
	    jwt_has_expired(subject, clock_real_ns() / CLOCK_NS_PER_S)) {
		err->kind = ERROR_TRANSIENT;
		(void)error_wrap(err, "the token to exchange has ended");
	}
	return result;
}

int google_open_external_account(const json_t *file, const struct google_setup *setup,
				 struct google_account *account, struct error *err)
{
	cleanup_free char *usual_url = mem_printf("https://sts.%s/v1/token", setup->universe);
	const char *scope;

	if (key_file_url(file, "token_url", setup->universe, usual_url, &account->url, err) < 0 ||
	    read_login(account, file, err) < 0 ||
	    (json_object_get(file, GOOGLE_IMPERSONATION_KEY) &&
	     google_impersonate(account, file, setup, err) < 0))
		return -1;
	scope = account->impersonation_count > 0 ? GOOGLE_SCOPE_OF_SOURCE : setup->scope;
	if (read_form(account, file, scope, err) < 0)
		return -1;
	if (read_source(account, json_object_get(file, "credential_source"), err) < 0)
		return error_wrap(err, "\"credential_source\"");
	account->description = account->impersonation_count > 0
				       ? mem_printf("external account as %s",
						    account->impersonations[0].email)
				       : mem_strdup("external account");
	account->fetch = external_account_fetch;
	return 0;
}
