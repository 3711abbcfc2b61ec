/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/name_list.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool name_list_add(struct name_list *names, size_t sorted, char *name)
{
	bool is_known = sorted > 0 &&
			bsearch(&name, names->list, sorted, sizeof *names->list, compare_names);

	if (is_known || names->count == NAME_LIST_MAX) {
		free(name);
		return is_known;
	}
	if (names->count == names->capacity) {
		names->capacity = names->capacity > 0 ? 2 * names->capacity : 64;
		names->list = mem_realloc(names->list, names->capacity, sizeof *names->list);
	}
	names->list[names->count++] = name;
	return true;
}

void name_list_sort(struct name_list *names)
{
	size_t kept = 0;

	if (names->count > 0)
		qsort(names->list, names->count, sizeof *names->list, compare_names);
	for (size_t i = 0; i < names->count; i++)
		if (kept > 0 && strcmp(names->list[i], names->list[kept - 1]) == 0)
			free(names->list[i]);
		else
			names->list[kept++] = names->list[i];
	names->count = kept;
}

void name_list_free(struct name_list *names)
{
	while (names->count > 0)
		free(names->list[--names->count]);
	free(names->list);
}
