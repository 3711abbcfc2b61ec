/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Texts that come again and again, each kept once and known by its number. Zeroed is empty. For one thread. */

#include <stddef.h>
#include <stdint.h>

#include "index/hash.h"

#define INTERNED_NONE UINT32_MAX

struct interned {
	char **list;
	uint32_t count;
	uint32_t *places; /* numbers, by hash; a power of two of them */
	uint32_t place_count;
	struct hash_keys keys; /* names come from outside */
};

/* The number of this text, from 0 in the order in which they were added. */
uint32_t interned_add(struct interned *interned, const char *text);
/* The same; INTERNED_NONE: it was never added. */
uint32_t interned_find(const struct interned *interned, const char *text);
void interned_done(struct interned *interned);
