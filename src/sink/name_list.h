/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of objects, as folders are listed one after the other, in which one name may be found more than once. */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

#define NAME_LIST_MAX 65536 /* different ones */

struct name_list {
	char **list; /* "NODE/FILE" */
	size_t count, capacity;
};

/* Takes a name over. The first `sorted` ones are in order; one that is among them is no other one. False: too many. */
bool name_list_add(struct name_list *names, size_t sorted, char *name)
	__attribute__((warn_unused_result));
/* In byte order, and each of them once. */
void name_list_sort(struct name_list *names);
void name_list_free(struct name_list *names);
#define cleanup_name_list cleanup(name_list_free)
