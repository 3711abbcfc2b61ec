/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The environment, which nobody else reads but libraries (libcurl: http_proxy and its kind) and the log
 * ($JOURNAL_STREAM). Which variables give options their value is in conf_load.c. Any thread; nothing is written.
 */

#include <string.h>

#include "base/mem.h"

/* The value; NULL if the variable is not set, or empty. */
static inline const char *environment_get(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

/* The first of a list of folders joined by colons (systemd.exec(5)), or NULL. The caller frees. */
static inline char *environment_first_folder(const char *variable)
{
	const char *folders = environment_get(variable);

	return folders ? mem_strndup(folders, strcspn(folders, ":")) : NULL;
}
