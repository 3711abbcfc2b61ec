/* SPDX-License-Identifier: Apache-2.0 */
#include "google/credentials.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "conf/environment.h"
#include "google/credentials_private.h"

/* The metadata server hands out the same token until about four minutes before its end. */
#define REFRESH_EARLY_MS (225 * CLOCK_MS_PER_S)
/* While the old token still serves, a failed refresh is not repeated more often than this. */
#define REFRESH_PAUSE_MS (10 * CLOCK_MS_PER_S)

#define WELL_KNOWN_NAME  "application_default_credentials.json"
#define PROJECT_ALLOWED  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-"
#define GOOGLE_UNIVERSE  "googleapis.com"

/* The kinds that come from a key file. */
static const struct credentials_kind *const kinds[] = {
	&credentials_service_account,
	&credentials_authorized_user,
	&credentials_external_account,
	&credentials_impersonated,
};

struct credentials {
	struct credentials_account account; /* its kind is NULL for none (emulator) */
	char *quota_project;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	bool is_fetching;     /* one thread at a time */
	unsigned failures;    /* of fetching */
	struct error failure; /* the last */
	char *header;         /* NULL: no token yet */
	uint64_t expires_ms, refresh_ms;
};

void credentials_wipe(char *header)
{
	if (header)
		OPENSSL_cleanse(header, strlen(header));
	free(header);
}

static int read_quota_project(struct credentials *credentials, const json_t *file,
			      struct error *err)
{
	const char *project = environment_get(ENVIRONMENT_GOOGLE_CLOUD_QUOTA_PROJECT);

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

static int open_kind(const struct credentials_kind *kind, const json_t *file,
		     const struct credentials_setup *setup, struct credentials_account *ret_account,
		     struct error *err)
{
	struct credentials_account account = { .kind = kind };

	if (kind->open(file, setup, &account.state, &account.description, err) < 0)
		return -1;
	*ret_account = account;
	return 0;
}

int credentials_account_open(const json_t *file, const struct credentials_setup *setup,
			     struct credentials_account *ret_account, struct error *err)
{
	const char *universe = json_string_value(json_object_get(file, "universe_domain"));
	const char *type;

	if (credentials_text(file, "type", &type, err) < 0)
		return -1;
	/* The file must not choose where its secrets are sent. */
	if (universe && strcmp(universe, setup->universe) != 0)
		return error_set(err, ERROR_CONFIG,
				 "\"universe_domain\" is %.100s, but gcs.universe_domain is %s",
				 universe, setup->universe);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(type, kinds[i]->type) == 0)
			return open_kind(kinds[i], file, setup, ret_account, err);
	return error_set(err, ERROR_CONFIG,
			 "credentials of type \"%.64s\" are not supported; use service_account, "
			 "authorized_user, external_account, impersonated_service_account, or the "
			 "metadata server (no file)",
			 type);
}

void credentials_account_done(struct credentials_account *account)
{
	if (account->kind)
		account->kind->close(account->state);
	free(account->description);
}

static int open_file(struct credentials *credentials, const char *path,
		     const struct credentials_setup *setup, struct error *err)
{
	json_t *file;
	int result;

	if (credentials_load(path, &file, err) < 0)
		return -1;
	result = read_quota_project(credentials, file, err);
	if (result == 0)
		result = credentials_account_open(file, setup, &credentials->account, err);
	credentials_free_json(file);
	return result < 0 ? error_wrap(err, "%s", path) : 0;
}

/* gcloud's default login, if there is one that we may read. The caller frees; NULL: none. */
static char *well_known_file(void)
{
	const char *folder = environment_get(ENVIRONMENT_CLOUDSDK_CONFIG);
	const char *home = environment_get(ENVIRONMENT_HOME);
	cleanup_free char *path = NULL;

	if (folder)
		path = mem_printf("%s/" WELL_KNOWN_NAME, folder);
	else if (home)
		path = mem_printf("%s/.config/gcloud/" WELL_KNOWN_NAME, home);
	return path && access(path, R_OK) == 0 ? take_ptr(path) : NULL;
}

/* The order of Application Default Credentials; gcs.credentials has its variable's value. */
static int find(struct credentials *credentials, const struct conf *conf, struct error *err)
{
	const char *no_gce = environment_get(ENVIRONMENT_NO_GCE_CHECK);
	const struct credentials_setup setup = {
		.universe = conf->gcs_universe_domain,
		.scope = CREDENTIALS_SCOPE,
		/* Other universes take nothing else. */
		.is_self_signed = conf->gcs_self_signed_jwt ||
				  strcmp(conf->gcs_universe_domain, GOOGLE_UNIVERSE) != 0,
	};
	cleanup_free char *well_known = NULL;
	struct error inner;

	if (environment_get(ENVIRONMENT_STORAGE_EMULATOR_HOST)) {
		credentials->account.description = mem_strdup("none (emulator)");
		credentials->quota_project = mem_strdup("");
		return 0;
	}
	if (conf->gcs_credentials[0]) {
		if (open_file(credentials, conf->gcs_credentials, &setup, &inner) < 0)
			return conf_error(conf, CONF_gcs_credentials, err, "%s", inner.message);
		return 0;
	}
	well_known = well_known_file();
	if (well_known)
		return open_file(credentials, well_known, &setup, err);
	if (no_gce && strcmp(no_gce, "true") == 0)
		return error_set(err, ERROR_CONFIG,
				 "no Google credentials found; name a key by gcs.credentials");
	if (read_quota_project(credentials, NULL, err) < 0)
		return -1;
	return open_kind(&credentials_metadata, NULL, &setup, &credentials->account, err);
}

int credentials_open(const struct conf *conf, struct credentials **ret_credentials,
		     struct error *err)
{
	struct credentials *credentials = mem_calloc(1, sizeof *credentials);

	(void)pthread_mutex_init(&credentials->lock, NULL);
	thread_cond_init(&credentials->changed);
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
	credentials_account_done(&credentials->account);
	credentials_wipe(credentials->header);
	free(credentials->quota_project);
	(void)pthread_cond_destroy(&credentials->changed);
	(void)pthread_mutex_destroy(&credentials->lock);
	free(credentials);
	return NULL;
}

const char *credentials_describe(const struct credentials *credentials)
{
	return credentials->account.description;
}

const char *credentials_quota_project(const struct credentials *credentials)
{
	return credentials->quota_project;
}

static bool has_token(const struct credentials *credentials)
{
	return credentials->header && clock_monotonic_ms() < credentials->expires_ms;
}

/* A new token into the cache. The lock is held, but not while it is fetched. */
static int refresh(struct credentials *credentials, struct http *http, struct error *err)
{
	struct credentials_token token;
	uint64_t lifetime_ms, now_ms;
	int result;

	credentials->is_fetching = true;
	(void)pthread_mutex_unlock(&credentials->lock);
	result = credentials->account.kind->fetch(credentials->account.state, http, &token, err);
	(void)pthread_mutex_lock(&credentials->lock);
	credentials->is_fetching = false;
	(void)pthread_cond_broadcast(&credentials->changed);
	if (result < 0) {
		credentials->failures++;
		credentials->failure = *err;
		return -1;
	}
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

/*
 * With the lock held: another thread fetches a token that we need, too. Waiting for a token service that
 * hangs is progress as much as asking it is, and its failure is ours: to ask again, one after the other,
 * would take too long.
 */
static int wait_for_other(struct credentials *credentials, struct error *err)
{
	unsigned failures = credentials->failures;

	while (credentials->is_fetching && !has_token(credentials)) {
		thread_beat();
		(void)thread_cond_wait_until(&credentials->changed, &credentials->lock,
					     clock_monotonic_ns() + CLOCK_NS_PER_S);
	}
	if (credentials->failures == failures || has_token(credentials))
		return 0;
	*err = credentials->failure;
	return -1;
}

/* A refresh failed, and the old token still serves: when to ask again? Once it has ended, in any case. */
static uint64_t refresh_again_ms(const struct credentials *credentials, const struct error *err)
{
	uint64_t pause_ms = err->retry_after_ms > REFRESH_PAUSE_MS ? err->retry_after_ms
								   : REFRESH_PAUSE_MS;
	uint64_t again_ms = clock_monotonic_ms() + pause_ms;

	return again_ms < credentials->expires_ms ? again_ms : credentials->expires_ms;
}

/* With the lock held. */
static int ensure_token(struct credentials *credentials, struct http *http, struct error *err)
{
	if (wait_for_other(credentials, err) < 0)
		return -1;
	if (credentials->is_fetching || /* the old one serves meanwhile */
	    (credentials->header && clock_monotonic_ms() < credentials->refresh_ms) ||
	    refresh(credentials, http, err) == 0)
		return 0;
	if (!has_token(credentials))
		return -1;
	credentials->refresh_ms = refresh_again_ms(credentials, err);
	log_debug("access token not refreshed, the old one is still good", log_reason(err));
	return 0;
}

int credentials_header(struct credentials *credentials, struct http *http, char **ret_header,
		       struct error *err)
{
	struct error reason;
	int result;

	if (!credentials->account.kind) {
		*ret_header = mem_strdup("");
		return 0;
	}
	(void)pthread_mutex_lock(&credentials->lock);
	result = ensure_token(credentials, http, &reason);
	if (result == 0)
		*ret_header = mem_strdup(credentials->header);
	else
		*err = reason;
	(void)pthread_mutex_unlock(&credentials->lock);
	return result;
}

uint64_t credentials_expires_ns(struct credentials *credentials)
{
	uint64_t now_ms = clock_monotonic_ms(), left_ms = 0;
	bool is_there;

	(void)pthread_mutex_lock(&credentials->lock);
	is_there = credentials->header;
	if (is_there && credentials->expires_ms > now_ms)
		left_ms = credentials->expires_ms - now_ms;
	(void)pthread_mutex_unlock(&credentials->lock);
	return is_there ? clock_real_ns() + left_ms * CLOCK_NS_PER_MS : 0;
}

void credentials_refused(struct credentials *credentials)
{
	(void)pthread_mutex_lock(&credentials->lock);
	credentials_wipe(credentials->header);
	credentials->header = NULL;
	(void)pthread_mutex_unlock(&credentials->lock);
}
