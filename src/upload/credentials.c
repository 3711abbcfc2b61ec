/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/credentials.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "upload/credentials_private.h"

#define KEY_FILE_MAX 65536
/* The metadata server hands out the same token until about four minutes before its end. */
#define REFRESH_EARLY_MS (225 * CLOCK_MS_PER_S)
/* While the old token still serves, a failed refresh is not repeated more often than this. */
#define REFRESH_PAUSE_MS (10 * CLOCK_MS_PER_S)

#define WELL_KNOWN_NAME  "application_default_credentials.json"
#define PROJECT_ALLOWED  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-"

/* The kinds that come from a key file. */
static const struct credentials_kind *const kinds[] = {
	&credentials_service_account,
	&credentials_authorized_user,
};

struct credentials {
	const struct credentials_kind *kind; /* NULL: none (emulator) */
	void *state;
	char *description;
	char *quota_project;
	pthread_mutex_t lock; /* what follows; held while a token is fetched */
	char *header;         /* NULL: no token yet */
	uint64_t expires_ms, refresh_ms;
};

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] ? value : NULL;
}

void credentials_wipe(char *header)
{
	if (header)
		OPENSSL_cleanse(header, strlen(header));
	free(header);
}

static int read_quota_project(struct credentials *credentials, const json_t *file,
			      struct error *err)
{
	const char *project = environment("GOOGLE_CLOUD_QUOTA_PROJECT");

	if (!project)
		project = json_string_value(json_object_get(file, "quota_project_id"));
	if (!project)
		project = "";
	/* It becomes a header. */
	if (project[strspn(project, PROJECT_ALLOWED)])
		return error_set(err, ERROR_CONFIG, "\"%.64s\" is not the name of a quota project",
				 project);
	credentials->quota_project = mem_strdup(project);
	return 0;
}

static int open_kind(struct credentials *credentials, const struct credentials_kind *kind,
		     const json_t *file, struct error *err)
{
	if (read_quota_project(credentials, file, err) < 0 ||
	    kind->open(file, &credentials->state, &credentials->description, err) < 0)
		return -1;
	credentials->kind = kind;
	return 0;
}

/* What a key file says; the errors do not name the file yet. */
static int open_json(struct credentials *credentials, const json_t *file, struct error *err)
{
	const char *universe = json_string_value(json_object_get(file, "universe_domain"));
	const char *type;

	if (credentials_text(file, "type", &type, err) < 0)
		return -1;
	if (universe && strcmp(universe, "googleapis.com") != 0)
		return error_set(err, ERROR_CONFIG,
				 "\"universe_domain\" %.100s is not supported, only googleapis.com",
				 universe);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(type, kinds[i]->type) == 0)
			return open_kind(credentials, kinds[i], file, err);
	return error_set(err, ERROR_CONFIG,
			 "credentials of type \"%.64s\" are not supported; use a service_account "
			 "key, an authorized_user login, or the metadata server (no file)",
			 type);
}

static int open_file(struct credentials *credentials, const char *path, struct error *err)
{
	json_error_t where;
	json_t *file;
	char *text;
	size_t length;
	char *near;
	int result;

	if (file_read_text(AT_FDCWD, path, KEY_FILE_MAX, &text, &length, err) < 0) {
		err->kind = ERROR_CONFIG;
		return -1;
	}
	file = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	OPENSSL_cleanse(text, length);
	free(text);
	if (!file) {
		/* What jansson found there may be a piece of the key. */
		near = strstr(where.text, " near ");
		if (near)
			*near = '\0';
		return error_set(err, ERROR_CONFIG, "%s:%d: not JSON: %s", path, where.line,
				 where.text);
	}
	result = open_json(credentials, file, err);
	credentials_free_json(file);
	return result < 0 ? error_wrap(err, "%s", path) : 0;
}

/* gcloud's default login, if there is one that we may read. The caller frees; NULL: none. */
static char *well_known_file(void)
{
	const char *folder = environment("CLOUDSDK_CONFIG");
	const char *home = environment("HOME");
	cleanup_free char *path = NULL;

	if (folder)
		path = mem_printf("%s/" WELL_KNOWN_NAME, folder);
	else if (home)
		path = mem_printf("%s/.config/gcloud/" WELL_KNOWN_NAME, home);
	return path && access(path, R_OK) == 0 ? take_ptr(path) : NULL;
}

/* The order of Application Default Credentials. */
static int find(struct credentials *credentials, const struct conf *conf, struct error *err)
{
	const char *no_gce = environment("NO_GCE_CHECK");
	const char *named = environment("GOOGLE_APPLICATION_CREDENTIALS");
	cleanup_free char *well_known = NULL;
	struct error inner;

	if (environment("STORAGE_EMULATOR_HOST")) {
		credentials->description = mem_strdup("none (emulator)");
		credentials->quota_project = mem_strdup("");
		return 0;
	}
	if (conf->gcs_credentials[0]) {
		if (open_file(credentials, conf->gcs_credentials, &inner) < 0)
			return conf_error(conf, CONF_gcs_credentials, err, "%s", inner.message);
		return 0;
	}
	if (named) {
		if (open_file(credentials, named, err) < 0)
			return error_wrap(err, "$GOOGLE_APPLICATION_CREDENTIALS");
		return 0;
	}
	well_known = well_known_file();
	if (well_known)
		return open_file(credentials, well_known, err);
	if (no_gce && strcmp(no_gce, "true") == 0)
		return error_set(err, ERROR_CONFIG,
				 "no Google credentials found; name a key by gcs.credentials");
	return open_kind(credentials, &credentials_metadata, NULL, err);
}

int credentials_open(const struct conf *conf, struct credentials **ret_credentials,
		     struct error *err)
{
	struct credentials *credentials = mem_calloc(1, sizeof *credentials);

	(void)pthread_mutex_init(&credentials->lock, NULL);
	if (find(credentials, conf, err) < 0) {
		credentials_close(credentials);
		return -1;
	}
	*ret_credentials = credentials;
	return 0;
}

struct credentials *credentials_close(struct credentials *credentials)
{
	if (!credentials)
		return NULL;
	if (credentials->kind)
		credentials->kind->close(credentials->state);
	credentials_wipe(credentials->header);
	free(credentials->description);
	free(credentials->quota_project);
	(void)pthread_mutex_destroy(&credentials->lock);
	free(credentials);
	return NULL;
}

const char *credentials_describe(const struct credentials *credentials)
{
	return credentials->description;
}

const char *credentials_quota_project(const struct credentials *credentials)
{
	return credentials->quota_project;
}

/* A new token into the cache, with the lock held. */
static int refresh(struct credentials *credentials, struct http *http, struct error *err)
{
	struct credentials_token token;
	uint64_t lifetime_ms, now_ms;

	if (credentials->kind->fetch(credentials->state, http, &token, err) < 0)
		return -1;
	now_ms = clock_monotonic_ms();
	lifetime_ms = token.lifetime_s * CLOCK_MS_PER_S;
	credentials_wipe(credentials->header);
	credentials->header = mem_printf("Authorization: Bearer %s", token.value);
	credentials->expires_ms = now_ms + lifetime_ms;
	/* A token that is handed out shortly before its end is used for what it is worth. */
	credentials->refresh_ms = now_ms + (lifetime_ms > 2 * REFRESH_EARLY_MS
						    ? lifetime_ms - REFRESH_EARLY_MS
						    : lifetime_ms / 2);
	credentials_wipe(token.value);
	return 0;
}

int credentials_header(struct credentials *credentials, struct http *http, char **ret_header,
		       struct error *err)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct error reason;
	int result = 0;

	if (!credentials->kind) {
		*ret_header = mem_strdup("");
		return 0;
	}
	(void)pthread_mutex_lock(&credentials->lock);
	if ((!credentials->header || now_ms >= credentials->refresh_ms) &&
	    refresh(credentials, http, &reason) < 0) {
		if (!credentials->header || now_ms >= credentials->expires_ms) {
			*err = reason;
			result = -1;
		} else {
			credentials->refresh_ms = now_ms + REFRESH_PAUSE_MS;
			log_debug("access token not refreshed, the old one is still good",
				  log_reason(&reason));
		}
	}
	if (result == 0)
		*ret_header = mem_strdup(credentials->header);
	(void)pthread_mutex_unlock(&credentials->lock);
	return result;
}

void credentials_refused(struct credentials *credentials)
{
	(void)pthread_mutex_lock(&credentials->lock);
	credentials_wipe(credentials->header);
	credentials->header = NULL;
	(void)pthread_mutex_unlock(&credentials->lock);
}
