/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply_match.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

bool reply_says(const char *text, const char *words)
{
	char word[WORD_MAX];

	for (size_t length; *words; words += length + (words[length] == '|')) {
		length = strcspn(words, "|");
		(void)snprintf(word, sizeof word, "%.*s", (int)length, words);
		if (strcasestr(text, word))
			return true;
	}
	return false;
}

static bool fits(const struct reply_rule *rule, const struct reply_evidence *evidence)
{
	bool is_said = !rule->words;

	for (size_t i = 0; rule->words && i < 2; i++)
		is_said |= evidence->texts[i] && reply_says(evidence->texts[i], rule->words);
	return evidence->status >= rule->first && evidence->status <= rule->last &&
	       (rule->requests & evidence->request) &&
	       (rule->traits & evidence->traits) == rule->traits && is_said;
}

const struct reply_rule *reply_match(const struct reply_rule *rules, size_t count,
				     const struct reply_evidence *evidence)
{
	for (size_t i = 0; i < count; i++)
		if (fits(&rules[i], evidence))
			return &rules[i];
	return NULL;
}
