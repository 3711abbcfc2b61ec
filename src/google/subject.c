/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the token of a federated account comes from: a file that somebody keeps fresh (the kubelet does with
 * a projected service account token), or a URL. Programs are never run, and what only a virtual machine of
 * another cloud could sign is not supported.
 */
#include "google/credentials_private.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "google/credentials.h"
#include "http/url.h"

/* A JSON object may hold more than the token. */
#define SOURCE_MAX  65536
#define HEADERS_MAX 16
#define HEADER_MAX  4096
#define EXCHANGE_MS 30000
#define NAME_CHARACTERS                                                     \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_." \
	"!#$%&'*+^`|~"

struct credentials_subject {
	char *path; /* NULL: from the URL */
	char *url;
	bool is_local;
	char *headers[HEADERS_MAX + 1]; /* may hold a secret */
	char *field;                    /* of a JSON object; NULL: it is all of the text */
};

void credentials_subject_close(struct credentials_subject *subject)
{
	if (!subject)
		return;
	for (char **header = subject->headers; *header; header++)
		credentials_wipe(*header);
	free(subject->path);
	free(subject->url);
	free(subject->field);
	free(subject);
}

static int read_format(struct credentials_subject *subject, const json_t *format, struct error *err)
{
	const char *type, *field;

	if (!format)
		return 0;
	if (credentials_text(format, "type", &type, err) < 0)
		return error_wrap(err, "\"format\"");
	if (strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json") != 0)
		return error_set(err, ERROR_CONFIG,
				 "\"format\": \"type\" has to be \"text\" or \"json\"");
	if (credentials_text(format, "subject_token_field_name", &field, err) < 0)
		return error_wrap(err, "\"format\"");
	subject->field = mem_strdup(field);
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

static int read_headers(struct credentials_subject *subject, json_t *headers, struct error *err)
{
	size_t count = 0;
	const char *name;
	json_t *value;

	if (headers && (!json_is_object(headers) || json_object_size(headers) > HEADERS_MAX))
		return error_set(err, ERROR_CONFIG,
				 "\"headers\" has to be an object of at most %d texts",
				 HEADERS_MAX);
	json_object_foreach(headers, name, value)
	{
		if (!is_header(name, json_string_value(value)))
			return error_set(err, ERROR_CONFIG,
					 "\"headers\": \"%.64s\" is not a header of HTTP", name);
		subject->headers[count++] = mem_printf("%s: %s", name, json_string_value(value));
	}
	return 0;
}

/* What is asked in the clear has to stay on this machine or next to it. */
static int read_url(struct credentials_subject *subject, const char *url, struct error *err)
{
	struct http_url where;
	bool is_url = http_read_url(url, &where);

	if (!is_url || !(where.is_https || where.is_loopback || where.is_link_local))
		return error_set(err, ERROR_CONFIG,
				 "\"url\" has to be an https:// URL, or an http:// one of this "
				 "machine or a metadata server");
	subject->url = mem_strdup(url);
	subject->is_local = where.is_loopback || where.is_link_local;
	return 0;
}

static int read_file(struct credentials_subject *subject, const char *path, struct error *err)
{
	if (path[0] != '/')
		return error_set(err, ERROR_CONFIG, "\"file\" has to be an absolute path");
	subject->path = mem_strdup(path);
	return 0;
}

static int read_source(struct credentials_subject *subject, const json_t *source, struct error *err)
{
	static const struct {
		const char *key, *what;
	} refused[] = {
		{ "executable", "a program that is run (\"executable\")" },
		{ "environment_id", "AWS (\"environment_id\")" },
		{ "certificate", "a client's certificate (\"certificate\")" },
	};
	const json_t *file = json_object_get(source, "file"), *url = json_object_get(source, "url");
	const char *text;

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (json_object_get(source, refused[i].key))
			return error_set(err, ERROR_CONFIG,
					 "%s is not supported as a source of tokens, only a "
					 "\"file\" or a \"url\"",
					 refused[i].what);
	if (!file == !url)
		return error_set(err, ERROR_CONFIG, "it needs either a \"file\" or a \"url\"");
	if (credentials_text(source, file ? "file" : "url", &text, err) < 0 ||
	    (file ? read_file(subject, text, err) : read_url(subject, text, err)) < 0 ||
	    read_format(subject, json_object_get(source, "format"), err) < 0)
		return -1;
	return url ? read_headers(subject, json_object_get(source, "headers"), err) : 0;
}

int credentials_subject_open(const json_t *source, struct credentials_subject **ret_subject,
			     struct error *err)
{
	struct credentials_subject *subject = mem_calloc(1, sizeof *subject);

	if (read_source(subject, source, err) < 0) {
		credentials_subject_close(subject);
		return error_wrap(err, "\"credential_source\"");
	}
	*ret_subject = subject;
	return 0;
}

/* Without the newline that a text usually ends in. */
static int take_token(const char *text, size_t length, char **ret_token, struct error *err)
{
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	if (length == 0)
		return error_set(err, ERROR_TRANSIENT, "it is empty");
	if (length > CREDENTIALS_TOKEN_MAX)
		return error_set(err, ERROR_CONFIG, "it is longer than %d bytes",
				 CREDENTIALS_TOKEN_MAX);
	if (memchr(text, '\0', length))
		return error_set(err, ERROR_CONFIG, "it is not a text");
	*ret_token = mem_strndup(text, length);
	return 0;
}

int credentials_parse_subject(const char *text, size_t length, const char *field, char **ret_token,
			      struct error *err)
{
	json_t *object, *value;
	int result;

	if (!field)
		return take_token(text, length, ret_token, err);
	object = json_loadb(text, length, 0, NULL);
	if (!object) /* perhaps it is being written */
		return error_set(err, ERROR_TRANSIENT, "it is not JSON");
	value = json_object_get(object, field);
	if (json_is_string(value))
		result = take_token(json_string_value(value), json_string_length(value), ret_token,
				    err);
	else
		result = error_set(err, ERROR_CONFIG, "it has no text \"%.64s\"", field);
	credentials_free_json(object);
	return result;
}

static int fetch_from_file(const struct credentials_subject *subject, char **ret_token,
			   struct error *err)
{
	size_t length;
	char *text;
	int result;

	if (file_read_text(AT_FDCWD, subject->path, SOURCE_MAX, &text, &length, err) < 0) {
		/* It may come yet, but not where it is refused to us, or is no file. */
		err->kind = err->errnum == 0 || err->errnum == EACCES || err->errnum == EPERM
				    ? ERROR_CONFIG
				    : ERROR_TRANSIENT;
		return error_wrap(err, "the token file");
	}
	result = credentials_parse_subject(text, length, subject->field, ret_token, err);
	OPENSSL_cleanse(text, length);
	free(text);
	return result < 0 ? error_wrap(err, "the token file %s", subject->path) : 0;
}

static int fetch_from_url(const struct credentials_subject *subject, struct http *http,
			  char **ret_token, struct error *err)
{
	const struct http_request request = {
		.method = "GET",
		.url = subject->url,
		.headers = (const char *const *)subject->headers,
		.fd = -1,
		.is_local = subject->is_local,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return error_wrap(err, "the source of tokens");
	if (reply.status != 200)
		return credentials_judge(CREDENTIALS_SOURCE, &reply, NULL, err);
	if (credentials_parse_subject(reply.body, reply.body_bytes, subject->field, ret_token,
				      err) < 0)
		return error_wrap(err, "the reply of the source of tokens");
	return 0;
}

int credentials_subject_fetch(const struct credentials_subject *subject, struct http *http,
			      char **ret_token, struct error *err)
{
	return subject->path ? fetch_from_file(subject, ret_token, err)
			     : fetch_from_url(subject, http, ret_token, err);
}
