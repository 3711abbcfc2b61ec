/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The variables of the environment that the program reads, all in one table. Others are read by libraries
 * (libcurl: http_proxy and its kind) and by the log ($JOURNAL_STREAM). Any thread; nothing is written.
 */

#include <stdbool.h>

#include "conf/conf.h"

enum environment_variable {
	/* These give options their value. */
	ENVIRONMENT_NODE_NAME,
	ENVIRONMENT_GOOGLE_APPLICATION_CREDENTIALS,
	ENVIRONMENT_GOOGLE_CLOUD_UNIVERSE_DOMAIN,
	ENVIRONMENT_STATE_DIRECTORY,
	/* These have no option. */
	ENVIRONMENT_RUNTIME_DIRECTORY,
	ENVIRONMENT_HOME,
	ENVIRONMENT_CLOUDSDK_CONFIG,
	ENVIRONMENT_GOOGLE_CLOUD_QUOTA_PROJECT,
	ENVIRONMENT_GCE_METADATA_HOST,
	ENVIRONMENT_GCE_METADATA_ROOT,
	ENVIRONMENT_NO_GCE_CHECK,
	ENVIRONMENT_STORAGE_EMULATOR_HOST,
	ENVIRONMENT_VARIABLE_COUNT,
};

enum environment_use {
	ENVIRONMENT_OVERRIDES_FILE, /* the value of an option, unless the command line gives one */
	ENVIRONMENT_IS_FALLBACK,    /* the value of an option that nothing else gives */
	ENVIRONMENT_IS_NO_OPTION,
};

struct environment_row {
	const char *name;
	enum environment_use use;
	enum conf_option option;
	bool is_list; /* of folders, joined by colons: systemd.exec(5) */
};
extern const struct environment_row environment_rows[ENVIRONMENT_VARIABLE_COUNT];

/* The value; NULL if the variable is not set, or empty. */
const char *environment_get(enum environment_variable variable);
/* The same, of a list its first element. The caller frees. */
char *environment_copy(enum environment_variable variable) __attribute__((warn_unused_result));
