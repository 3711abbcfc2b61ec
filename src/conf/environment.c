/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/environment.h"

#include <string.h>

#define VARIABLE(name, is_list, use, option) [ENVIRONMENT_##name] = { #name, use, option, is_list }

const struct environment_row environment_rows[ENVIRONMENT_VARIABLE_COUNT] = {
	VARIABLE(NODE_NAME, false, ENVIRONMENT_OVERRIDES_FILE, CONF_node_name),
	VARIABLE(GOOGLE_APPLICATION_CREDENTIALS, false, ENVIRONMENT_OVERRIDES_FILE,
		 CONF_gcs_credentials),
	VARIABLE(GOOGLE_CLOUD_UNIVERSE_DOMAIN, false, ENVIRONMENT_OVERRIDES_FILE,
		 CONF_gcs_universe_domain),
	/* systemd always sets it: it must not undo what the file says. */
	VARIABLE(STATE_DIRECTORY, true, ENVIRONMENT_IS_FALLBACK, CONF_spool_directory),

	/* Where the control socket is. */
	VARIABLE(RUNTIME_DIRECTORY, true, ENVIRONMENT_IS_NO_OPTION, 0),
	/* Where gcloud keeps its default login. */
	VARIABLE(HOME, false, ENVIRONMENT_IS_NO_OPTION, 0),
	VARIABLE(CLOUDSDK_CONFIG, false, ENVIRONMENT_IS_NO_OPTION, 0),
	/* As for Google's own libraries and tools. */
	VARIABLE(GOOGLE_CLOUD_QUOTA_PROJECT, false, ENVIRONMENT_IS_NO_OPTION, 0),
	VARIABLE(GCE_METADATA_HOST, false, ENVIRONMENT_IS_NO_OPTION, 0),
	VARIABLE(GCE_METADATA_ROOT, false, ENVIRONMENT_IS_NO_OPTION, 0),
	VARIABLE(NO_GCE_CHECK, false, ENVIRONMENT_IS_NO_OPTION, 0),
	VARIABLE(STORAGE_EMULATOR_HOST, false, ENVIRONMENT_IS_NO_OPTION, 0),
};

const char *environment_get(enum environment_variable variable)
{
	const char *value = getenv(environment_rows[variable].name);

	return value && *value ? value : NULL;
}

char *environment_copy(enum environment_variable variable)
{
	const char *value = environment_get(variable);

	if (!value)
		return NULL;
	return mem_strndup(value, environment_rows[variable].is_list ? strcspn(value, ":")
								     : strlen(value));
}
