/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/patterns.h"

#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"

size_t pattern_fixed_length(const struct pattern *pattern)
{
	return strcspn(pattern->text, "*?[");
}

void patterns_init(struct patterns *patterns, const char *text, char *(*in_names)(const char *word))
{
	cleanup_free char *copy = mem_strdup(text ? text : "");
	char *rest = copy;

	*patterns = (struct patterns){ .count = 0 };
	for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ",")) {
		struct pattern *pattern;

		if (!*word)
			continue;
		patterns->list = mem_realloc(patterns->list, patterns->count + 1,
					     sizeof *patterns->list);
		pattern = &patterns->list[patterns->count++];
		pattern->text = mem_strdup(word);
		pattern->is_name = !word[pattern_fixed_length(pattern)];
		pattern->in_names = pattern->is_name ? in_names(word) : mem_strdup(word);
	}
}

void patterns_done(struct patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		free(patterns->list[i].text);
		free(patterns->list[i].in_names);
	}
	free(patterns->list);
}

static bool is_match(const struct pattern *pattern, const char *in_names, const char *full)
{
	if (pattern->is_name)
		return strcmp(pattern->in_names, in_names) == 0;
	return fnmatch(pattern->text, in_names, FNM_NOESCAPE) == 0 ||
	       (full && fnmatch(pattern->text, full, FNM_NOESCAPE) == 0);
}

bool patterns_match(const struct patterns *patterns, const char *in_names, const char *full)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (is_match(&patterns->list[i], in_names, full))
			return true;
	return patterns->count == 0;
}

bool patterns_are_names(const struct patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (!patterns->list[i].is_name)
			return false;
	return patterns->count > 0;
}
