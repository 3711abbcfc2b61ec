/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <string.h>

#include "netif/netif.h"

static bool matches(const struct interface_word *word, const char *name, const char *auto_name)
{
	if (word->kind == INTERFACE_WORD_PATTERN)
		return fnmatch(word->text, name, 0) == 0;
	if (word->kind == INTERFACE_WORD_AUTO)
		return *auto_name && strcmp(name, auto_name) == 0;
	return strcmp(word->text, name) == 0;
}

bool interfaces_have(const struct interface_words *words, const char *name)
{
	for (unsigned i = 0; i < words->count; i++)
		if (!words->list[i].is_excluded && strcmp(words->list[i].text, name) == 0)
			return true;
	return false;
}

bool interfaces_want(const struct interface_words *words, const char *name, const char *auto_name)
{
	bool is_wanted = false;

	for (unsigned i = 0; i < words->count; i++) {
		if (!matches(&words->list[i], name, auto_name))
			continue;
		if (words->list[i].is_excluded)
			return false;
		is_wanted = true;
	}
	return is_wanted;
}

const struct link *interfaces_auto(const struct link *links, size_t count, const char *route_name,
				   unsigned before)
{
	const struct link *same = NULL, *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct link *link = &links[i];

		if (strcmp(link->name, route_name) == 0)
			return link;
		if (link->index == before)
			same = link;
		if (link->is_up && !link->is_loopback && !first)
			first = link;
	}
	return same ? same : first;
}

const char *interfaces_why_missing(const struct interface_words *words,
				   const struct interface_word *word, const struct link *links,
				   size_t count, const char *auto_name)
{
	const char *reason = word->kind == INTERFACE_WORD_AUTO      ? "there is no default route"
			     : word->kind == INTERFACE_WORD_PATTERN ? "none matches"
								    : "there is none of this name";

	if (word->is_excluded || word->kind == INTERFACE_WORD_ANY)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (!matches(word, links[i].name, auto_name))
			continue;
		if (!interfaces_want(words, links[i].name, auto_name))
			reason = "it is excluded";
		else if (links[i].is_up)
			return NULL;
		else
			reason = "it is down";
	}
	return reason;
}

bool interfaces_is_name(const struct interface_words *words, const struct interface_word *word)
{
	return word->kind == INTERFACE_WORD_NAME && interfaces_want(words, word->text, "");
}
