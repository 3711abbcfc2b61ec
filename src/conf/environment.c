/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/environment.h"

#include <string.h>

#include "base/mem.h"

const char *environment_get(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

char *environment_first_folder(const char *variable)
{
	const char *folders = environment_get(variable);

	return folders ? mem_strndup(folders, strcspn(folders, ":")) : NULL;
}
