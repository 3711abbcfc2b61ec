/* SPDX-License-Identifier: Apache-2.0 */
#include "google/google.h"

#include <string.h>

#include "base/mem.h"
#include "conf/environment.h"
#include "google/account.h"

#define WELL_KNOWN_NAME "application_default_credentials.json"
#define PROJECT_ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-"
#define GOOGLE_UNIVERSE "googleapis.com"
#define IMPERSONATED    "impersonated_service_account"

/* The kinds of a key file. IMPERSONATED is none: it is another kind, and whom that speaks for. */
static const struct {
	const char *type;
	google_open *open;
} kinds[] = {
	{ "service_account", google_open_service_account },
	{ "authorized_user", google_open_authorized_user },
	{ "external_account", google_open_external_account },
};

/* A service account that another account speaks for, whose key or login the file holds. */
static int open_impersonated(const json_t *file, const struct google_setup *setup,
			     struct google_account *account, struct error *err)
{
	const json_t *source = json_object_get(file, "source_credentials");
	const char *type = json_string_value(json_object_get(source, "type"));
	struct google_setup source_setup = *setup;
	cleanup_free char *source_description = NULL;
	const char *url;

	source_setup.scope = GOOGLE_SCOPE_OF_SOURCE;
	if (key_file_text(file, GOOGLE_IMPERSONATION_KEY, &url, err) < 0)
		return -1;
	/* Chains are for the delegates; and so the file cannot nest without end. */
	if (type && strcmp(type, IMPERSONATED) == 0)
		return error_set(err, ERROR_CONFIG,
				 "\"source_credentials\": they are impersonated themselves; name "
				 "the accounts between in \"delegates\"");
	if (google_account_open(source, &source_setup, account, err) < 0)
		return error_wrap(err, "\"source_credentials\"");
	if (google_impersonate(account, file, setup, err) < 0)
		return -1;
	source_description = account->description;
	account->description =
		mem_printf("service account %s by %s",
			   account->impersonations[account->impersonation_count - 1].email,
			   source_description);
	return 0;
}

int google_account_open(const json_t *file, const struct google_setup *setup,
			struct google_account *account, struct error *err)
{
	const char *universe = json_string_value(json_object_get(file, "universe_domain"));
	const char *type;

	if (key_file_text(file, "type", &type, err) < 0)
		return -1;
	/* The file must not choose where its secrets are sent. */
	if (universe && strcmp(universe, setup->universe) != 0)
		return error_set(err, ERROR_CONFIG,
				 "\"universe_domain\" is %.100s, but gcs.universe_domain is %s",
				 universe, setup->universe);
	if (strcmp(type, IMPERSONATED) == 0)
		return open_impersonated(file, setup, account, err);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(type, kinds[i].type) == 0)
			return kinds[i].open(file, setup, account, err);
	return error_set(err, ERROR_CONFIG,
			 "credentials of type \"%.64s\" are not supported; use service_account, "
			 "authorized_user, external_account, " IMPERSONATED ", or the "
			 "metadata server (no file)",
			 type);
}

void google_account_close(struct google_account *account)
{
	char *const secrets[] = { account->form, account->login };
	char *const texts[] = {
		account->description,  account->url,         account->key_id,        account->email,
		account->subject.path, account->subject.url, account->subject.field,
	};

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		mem_free_secret(secrets[i]);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		free(texts[i]);
	for (char **header = account->subject.headers; *header; header++)
		mem_free_secret(*header);
	for (size_t i = 0; i < account->impersonation_count; i++) {
		free(account->impersonations[i].url);
		free(account->impersonations[i].body);
		free(account->impersonations[i].email);
	}
	EVP_PKEY_free(account->key); /* wipes it */
	*account = (struct google_account){ .url = NULL };
}

static int read_quota_project(struct google_credentials *credentials, const json_t *file,
			      struct error *err)
{
	const char *project = environment_get("GOOGLE_CLOUD_QUOTA_PROJECT");

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

static int open_file(struct google_credentials *credentials, const char *path,
		     const struct google_setup *setup, struct error *err)
{
	json_t *file;
	int result;

	if (key_file_read(path, &file, err) < 0)
		return -1;
	result = read_quota_project(credentials, file, err);
	if (result == 0)
		result = google_account_open(file, setup, credentials->account, err);
	key_file_free(file);
	return result < 0 ? error_wrap(err, "%s", path) : 0;
}

/* gcloud's default login, if there is one that we can read. The caller frees; NULL: none. */
static char *well_known_file(void)
{
	const char *folder = environment_get("CLOUDSDK_CONFIG");
	const char *home = environment_get("HOME");
	cleanup_free char *path = NULL;

	if (folder)
		path = mem_printf("%s/" WELL_KNOWN_NAME, folder);
	else if (home)
		path = mem_printf("%s/.config/gcloud/" WELL_KNOWN_NAME, home);
	return path && access(path, R_OK) == 0 ? take_ptr(path) : NULL;
}

/* The order of Application Default Credentials; gcs.credentials has its variable's value. */
static int find_account(struct google_credentials *credentials, const struct conf *conf,
			struct error *err)
{
	const char *no_gce = environment_get("NO_GCE_CHECK");
	const struct google_setup setup = {
		.universe = conf->gcs_universe_domain,
		.scope = GOOGLE_SCOPE,
		/* Other universes accept nothing else. */
		.is_self_signed = conf->gcs_self_signed_jwt ||
				  strcmp(conf->gcs_universe_domain, GOOGLE_UNIVERSE) != 0,
	};
	cleanup_free char *well_known = NULL;
	struct error inner;

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
	return google_open_metadata_server(NULL, &setup, credentials->account, err);
}

/* For token_cache: the account's own token, exchanged as often as it takes. */
static int fetch_token(const void *context, struct http *http, struct token *ret_token,
		       struct error *err)
{
	const struct google_account *account = context;
	struct token token;

	if (account->fetch(account, http, &token, err) < 0)
		return -1;
	for (size_t i = 0; i < account->impersonation_count; i++)
		if (google_impersonation_exchange(&account->impersonations[i], http, &token, err) <
		    0)
			return -1;
	*ret_token = token;
	return 0;
}

int google_credentials_open(const struct conf *conf, struct google_credentials **ret_credentials,
			    struct error *err)
{
	struct google_credentials *credentials = mem_calloc(1, sizeof *credentials);

	if (environment_get("STORAGE_EMULATOR_HOST")) {
		credentials->description = "none (emulator)";
		credentials->quota_project = mem_strdup("");
		*ret_credentials = credentials;
		return 0;
	}
	credentials->account = mem_calloc(1, sizeof *credentials->account);
	if (find_account(credentials, conf, err) < 0) {
		google_credentials_close(credentials);
		return -1;
	}
	credentials->description = credentials->account->description;
	credentials->tokens = token_cache_new(fetch_token, credentials->account);
	*ret_credentials = credentials;
	return 0;
}

struct google_credentials *google_credentials_close(struct google_credentials *credentials)
{
	if (!credentials)
		return NULL;
	token_cache_free(credentials->tokens);
	if (credentials->account)
		google_account_close(credentials->account);
	free(credentials->account);
	free(credentials->quota_project);
	free(credentials);
	return NULL;
}
