/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* --node and --interface: names and patterns (*, ?, [...]), joined by commas. Pure. */

#include <stdbool.h>
#include <stddef.h>

struct pattern {
	char *text;
	char *in_names; /* as file names have it */
	bool is_name;   /* matches only itself */
};

struct patterns {
	struct pattern *list;
	size_t count; /* 0: all match */
};

/* text: NULL for none. in_names says how file names have a word; the caller frees what it returns. */
void patterns_init(struct patterns *patterns, const char *text,
		   char *(*in_names)(const char *word));
void patterns_done(struct patterns *patterns);

/* in_names: the name as file names have it; full: as it is, or NULL where that is not known. */
bool patterns_match(const struct patterns *patterns, const char *in_names, const char *full);
bool patterns_are_names(const struct patterns *patterns);
/* How many characters of a pattern are itself. */
size_t pattern_fixed_length(const struct pattern *pattern);
