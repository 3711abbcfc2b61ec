/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/result/result_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define FOLDER_MODE 0750
#define NODE_MAX    200 /* of a file name */

/* Files of another query must not pass as those of this one. */
int result_folder_open(const char *path, struct error *err)
{
	cleanup_closedir DIR *folder = NULL;
	const struct dirent *entry;

	if (mkdir(path, FOLDER_MODE) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, "%s", path);
	folder = opendir(path);
	if (!folder)
		return error_errno(err, "%s", path);
	while ((entry = readdir(folder))) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' &&
		    (length < 5 || strcmp(entry->d_name + length - 5, ".part") != 0))
			return error_set(err, ERROR_USAGE,
					 "-w %s: the folder is not empty; give another one", path);
	}
	return 0;
}

/* A name from outside: no slash, no dot in front, and no other node has it. */
char *result_folder_name(struct interned *names, const char *folder, const char *node,
			 const char *extension)
{
	char name[NODE_MAX + 1], other[NODE_MAX + 16];
	size_t length = 0;

	for (const char *p = node; *p && length < NODE_MAX; p++, length++) {
		bool is_allowed = isalnum((unsigned char)*p) ||
				  strchr(length > 0 ? "._-" : "_-", *p);

		name[length] = is_allowed ? *p : '_';
	}
	name[length] = '\0';
	(void)snprintf(other, sizeof other, "%s", length > 0 ? name : "_");
	for (unsigned i = 2; interned_find(names, other) != INTERNED_NONE; i++)
		(void)snprintf(other, sizeof other, "%s~%u", name, i);
	(void)interned_add(names, other);
	return mem_printf("%s/%s%s", folder, other, extension);
}
