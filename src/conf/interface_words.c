/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/interface_words.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 15 /* IFNAMSIZ without its NUL */
#define SHOWN          100

/* Could an interface have this name, or one that matches it? */
static bool is_valid(const struct interface_word *word)
{
	if (!*word->text || strpbrk(word->text, " /:!\t"))
		return false;
	for (const char *open = word->text; (open = strchr(open, '[')); open++) {
		/* The first character, even a ']', is one of the set. */
		const char *set = open + 1 + (open[1] == '^');

		if (!*set || !strchr(set + 1, ']'))
			return false;
	}
	if (word->is_excluded &&
	    (word->kind == INTERFACE_WORD_ANY || word->kind == INTERFACE_WORD_AUTO))
		return false;
	return word->kind == INTERFACE_WORD_PATTERN || strlen(word->text) <= NAME_MAX_BYTES;
}

static int add_word(struct interface_words *words, const char *text, size_t length,
		    struct error *err)
{
	struct interface_word word = { .is_excluded = *text == '!' };
	size_t own_length = length - word.is_excluded, colon;

	if (words->count == INTERFACE_WORDS_MAX)
		return error_set(err, ERROR_CONFIG, "more than %d interfaces", INTERFACE_WORDS_MAX);
	(void)snprintf(word.text, sizeof word.text, "%.*s", (int)own_length,
		       text + word.is_excluded);
	if (strcmp(word.text, "any") == 0)
		word.kind = INTERFACE_WORD_ANY;
	else if (strcmp(word.text, "auto") == 0)
		word.kind = INTERFACE_WORD_AUTO;
	else if (strpbrk(word.text, "*?[\\"))
		word.kind = INTERFACE_WORD_PATTERN;
	colon = strcspn(word.text, ":");
	if (word.kind == INTERFACE_WORD_NAME && colon > 0 && word.text[colon])
		return error_set(
			err, ERROR_CONFIG,
			"'%s' is an alias of %.*s and no interface; use %.*s, and a filter "
			"if only its address is wanted",
			word.text, (int)colon, word.text, (int)colon, word.text);
	if (own_length > INTERFACE_WORD_MAX || !is_valid(&word))
		return error_set(
			err, ERROR_CONFIG,
			"'%.*s' is not the name of an interface; allowed, joined by commas: "
			"names of 1 to %d characters, patterns such as eth*, any, auto, and "
			"!NAME or !PATTERN to exclude",
			length > SHOWN ? SHOWN : (int)length, text, NAME_MAX_BYTES);
	for (unsigned i = 0; i < words->count; i++)
		if (words->list[i].is_excluded == word.is_excluded &&
		    strcmp(words->list[i].text, word.text) == 0)
			return error_set(err, ERROR_CONFIG, "'%.*s' appears twice", (int)length,
					 text);
	words->list[words->count++] = word;
	words->has_any |= word.kind == INTERFACE_WORD_ANY;
	words->has_auto |= word.kind == INTERFACE_WORD_AUTO;
	return 0;
}

/* Does an exclusion leave nothing of the word? */
static bool is_taken_away(const struct interface_words *words, const struct interface_word *word)
{
	for (unsigned i = 0; i < words->count; i++) {
		const char *excluded = words->list[i].text;

		if (words->list[i].is_excluded &&
		    (strcmp(excluded, "*") == 0 || strcmp(excluded, word->text) == 0 ||
		     (word->kind == INTERFACE_WORD_NAME && fnmatch(excluded, word->text, 0) == 0)))
			return true;
	}
	return false;
}

/* Do the words make sense together? */
static int check_together(const struct interface_words *words, const char *text, struct error *err)
{
	unsigned included = 0, left = 0;

	for (unsigned i = 0; i < words->count; i++) {
		included += !words->list[i].is_excluded;
		left += !words->list[i].is_excluded && !is_taken_away(words, &words->list[i]);
	}
	if (words->has_any && words->count > 1)
		return error_set(err, ERROR_CONFIG,
				 "'any' captures all interfaces as one, and cannot be combined; "
				 "'*,!lo' captures each separately, except lo");
	if (included == 0)
		return error_set(err, ERROR_CONFIG,
				 "only exclusions; say what they exclude from: '*,%s'", text);
	if (left == 0)
		return error_set(err, ERROR_CONFIG,
				 "'%.200s' selects no interface: all of it is excluded", text);
	return 0;
}

int interface_words_parse(const char *text, struct interface_words *ret_words, struct error *err)
{
	struct interface_words words = { .count = 0 };
	const char *rest = text, *end;

	do {
		end = strchrnul(rest, ',');
		if (add_word(&words, rest, (size_t)(end - rest), err) < 0)
			return -1;
		rest = end + 1;
	} while (*end);
	if (check_together(&words, text, err) < 0)
		return -1;
	*ret_words = words;
	return 0;
}
