/* SPDX-License-Identifier: Apache-2.0 */
#include "google/account.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/url.h"

#define KEY_FILE_MAX 65536

/* Of an object that nobody else holds. The parser limits the nesting. */
static void wipe_texts(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	/* The text is jansson's own allocation; only its accessor says const. */
	if (json_is_string(value))
		OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
	json_object_foreach(value, key, inner) wipe_texts(inner);
	json_array_foreach(value, i, inner) wipe_texts(inner);
}

void key_file_free(json_t *object)
{
	wipe_texts(object);
	json_decref(object);
}

int key_file_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
{
	const char *text = json_string_value(json_object_get(file, key));

	if (!text || !text[0])
		return error_set(err, ERROR_CONFIG, "\"%s\" is missing or not a text", key);
	*ret_text = text;
	return 0;
}

/* Can whoever reads the file act as its account? For all kinds. */
static bool holds_secret(const json_t *file)
{
	static const char *const keys[] = { "private_key", "refresh_token", "client_secret" };
	const json_t *headers = json_object_get(json_object_get(file, "credential_source"),
						"headers");

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_object_get(file, keys[i]) ||
		    json_object_get(json_object_get(file, "source_credentials"), keys[i]))
			return true;
	return json_object_get(headers, "Authorization") != NULL;
}

/* In a Kubernetes volume, below a folder "..TIME" that only this container sees, modes protect nothing. */
static bool is_in_volume(const char *path)
{
	cleanup_free char *real = realpath(path, NULL);

	return real && strstr(real, "/..");
}

static void check_mode(const char *path, const json_t *file)
{
	mode_t loose = S_IWGRP | S_IWOTH;
	struct stat st;
	char mode[8];

	if (stat(path, &st) < 0)
		return;
	/* A group that can read root's file was given it on purpose. */
	if (holds_secret(file))
		loose |= st.st_uid == 0 ? S_IROTH : S_IROTH | S_IRGRP;
	if (!(st.st_mode & loose) || is_in_volume(path))
		return;
	(void)snprintf(mode, sizeof mode, "%04o", st.st_mode & 07777U);
	log_event(EVENT_CREDENTIALS_EXPOSED, log_text("file", path), log_text("mode", mode),
		  log_text("remedy", "chmod 600"));
}

int key_file_read(const char *path, json_t **ret_file, struct error *err)
{
	json_error_t where;
	json_t *file;
	char *text;
	size_t length;
	char *near;

	if (file_read_text(AT_FDCWD, path, KEY_FILE_MAX, &text, &length, err) < 0) {
		err->kind = ERROR_CONFIG;
		return -1;
	}
	file = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	OPENSSL_cleanse(text, length);
	free(text);
	if (!file) {
		/* jansson quotes the text, which may be a piece of the key. */
		near = strstr(where.text, " near ");
		if (near)
			*near = '\0';
		return error_set(err, ERROR_CONFIG, "%s:%d: not JSON: %s", path, where.line,
				 where.text);
	}
	check_mode(path, file);
	*ret_file = file;
	return 0;
}

int key_file_url(const json_t *file, const char *key, const char *universe, const char *usual,
		 char **ret_url, struct error *err)
{
	const json_t *value = json_object_get(file, key);
	const char *url = usual;
	struct http_url where;

	if (!usual && key_file_text(file, key, &url, err) < 0)
		return -1;
	if (value) {
		url = json_string_value(value);
		if (!url || !http_read_url(url, &where) ||
		    !(where.is_loopback ||
		      (where.is_https && (!universe || http_host_is_in(where.host, universe)))))
			return error_set(err, ERROR_CONFIG, "\"%s\" must be an https:// URL%s%s%s",
					 key, universe ? " of a host in " : "",
					 universe ? universe : "",
					 universe ? " (gcs.universe_domain)" : "");
	}
	*ret_url = mem_strdup(url);
	return 0;
}
