/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_private.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN    100 /* bytes of a wrong value that an error repeats */
#define SUFFIXES ": B, k, M, G, KiB, MiB, GiB"

/* The words of a SWITCH: what is off, then what is on, alternately. */
#define SWITCH_WORDS "false|true|no|yes|off|on"

/* The word at a position of "a|b|c", not terminated; NULL after the last. */
static const char *word_at(const char *words, unsigned position, size_t *ret_length)
{
	for (; position > 0; position--) {
		words = strchr(words, '|');
		if (!words)
			return NULL;
		words++;
	}
	*ret_length = strcspn(words, "|");
	return words;
}

/* Its position; -1: it is none of them. */
static int find_word(const char *words, const char *text)
{
	const char *word;
	size_t length;

	for (unsigned i = 0; (word = word_at(words, i, &length)); i++)
		if (strlen(text) == length && memcmp(text, word, length) == 0)
			return (int)i;
	return -1;
}

void conf_value_allowed(const struct conf_row *row, struct text *out)
{
	const char *word;
	size_t length;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_LIST:
		break;
	case CONF_NUMBER:
	case CONF_SECONDS:
	case CONF_SIZE:
		text_append(out, "%" PRIu64 " to %" PRIu64 "%s", row->min, row->max,
			    row->type != CONF_SIZE ? "" : (row->unit == 1024 ? " KiB" : " MB"));
		break;
	case CONF_SHARE:
		text_append(out, "%" PRIu64 "%% to %" PRIu64 "%%, or a %s", row->min, row->max,
			    row->unit == 0 ? "size" : "number");
		break;
	case CONF_SWITCH:
		text_append(out, "true, false");
		break;
	case CONF_CHOICE:
		for (unsigned i = 0; (word = word_at(row->argument, i, &length)); i++)
			text_append(out, "%s%.*s", i ? ", " : "", (int)length, word);
	}
}

static int refuse(const struct conf_row *row, const char *text, const char *what,
		  struct text *reason)
{
	text_append(reason, "'%.*s' is %s; allowed: ", SHOWN, text, what);
	conf_value_allowed(row, reason);
	if (row->type == CONF_SECONDS)
		text_append(reason, " seconds");
	if (row->type == CONF_SIZE)
		text_append(reason, ", or with a suffix" SUFFIXES);
	if (row->type == CONF_SHARE && row->unit == 0)
		text_append(reason, " with a suffix" SUFFIXES);
	return -1;
}

static int parse_number(const struct conf_row *row, const char *text, uint64_t *field,
			struct text *reason)
{
	bool is_size = row->type == CONF_SIZE;
	uint64_t number;

	if ((is_size ? text_parse_size(text, row->unit, &number)
		     : text_parse_number(text, &number)) < 0)
		return refuse(row, text, is_size ? "not a size" : "not a number", reason);
	if (number < row->min * row->unit || number > row->max * row->unit)
		return refuse(row, text, "out of range", reason);
	*field = number;
	return 0;
}

/* "5%", or an amount; if the unit is 0, a plain number is a percentage. */
static int parse_share(const struct conf_row *row, const char *text, struct conf_share *field,
		       struct text *reason)
{
	char number[24];
	size_t digits = strspn(text, "0123456789");
	bool is_percent = strcmp(text + digits, "%") == 0 || (!text[digits] && row->unit == 0);
	struct conf_share share = { .is_percent = is_percent };

	(void)snprintf(number, sizeof number, "%.*s", (int)digits, text);
	if (digits >= sizeof number ||
	    (is_percent ? text_parse_number(number, &share.amount)
			: text_parse_size(text, row->unit, &share.amount)) < 0)
		return refuse(row, text, row->unit == 0 ? "not a size" : "not a number", reason);
	if (is_percent && (share.amount < row->min || share.amount > row->max))
		return refuse(row, text, "out of range", reason);
	*field = share;
	return 0;
}

/* The error does not repeat the text: it may be long, or hold a proxy's password. */
static int parse_text(const struct conf_row *row, const char *text, char **field,
		      struct text *reason)
{
	/* A long filter may span lines; nothing else needs control characters. */
	const char *blanks = strcmp(row->key, "capture.filter") == 0 ? "\t\r\n" : "";

	if (strlen(text) > CONF_TEXT_MAX) {
		text_append(reason, "longer than %d bytes", CONF_TEXT_MAX);
		return -1;
	}
	for (const char *p = text; *p; p++) {
		if (iscntrl((unsigned char)*p) && !strchr(blanks, *p)) {
			text_append(reason, "has a control character at byte %zu",
				    (size_t)(p - text) + 1);
			return -1;
		}
	}
	free(*field);
	*field = mem_strdup(text);
	return 0;
}

int conf_value_parse(struct conf *conf, enum conf_option option, const char *text,
		     struct text *reason)
{
	const struct conf_row *row = &conf_rows[option];
	void *field = (char *)conf + row->offset;
	int position;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_LIST:
		return parse_text(row, text, field, reason);
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_SECONDS:
		return parse_number(row, text, field, reason);
	case CONF_SHARE:
		return parse_share(row, text, field, reason);
	case CONF_SWITCH:
		position = find_word(SWITCH_WORDS, text);
		if (position < 0)
			return refuse(row, text, "neither true nor false", reason);
		*(bool *)field = position % 2;
		return 0;
	case CONF_CHOICE:
		position = find_word(row->argument, text);
		if (position < 0)
			return refuse(row, text, "not one of the words", reason);
		*(unsigned *)field = (unsigned)position;
		return 0;
	}
	return -1;
}

char *conf_format(const struct conf *conf, enum conf_option option)
{
	const struct conf_row *row = &conf_rows[option];
	const void *field = (const char *)conf + row->offset;
	const struct conf_share *share = field;
	const uint64_t *number = field;
	const char *word;
	size_t length = 0;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_LIST:
		break;
	case CONF_NUMBER:
	case CONF_SECONDS:
		return mem_printf("%" PRIu64, *number);
	case CONF_SIZE:
		if (*number % row->unit)
			return mem_printf("%" PRIu64 "B", *number);
		return mem_printf("%" PRIu64, *number / row->unit);
	case CONF_SHARE:
		return mem_printf("%" PRIu64 "%s", share->amount,
				  share->is_percent ? "%" : (row->unit == 0 ? "B" : ""));
	case CONF_SWITCH:
		return mem_strdup(*(const bool *)field ? "true" : "false");
	case CONF_CHOICE:
		word = word_at(row->argument, *(const unsigned *)field, &length);
		return mem_strndup(word ? word : "", length);
	}
	return mem_strdup(*(char *const *)field);
}
