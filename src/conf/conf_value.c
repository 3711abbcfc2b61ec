/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_private.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN    100 /* bytes of a wrong value that an error repeats */
#define SUFFIXES ": B, k, M, G, KiB, MiB, GiB"

static const struct {
	const char *word;
	bool value;
} switch_words[] = {
	{ "true", true }, { "false", false }, { "yes", true },
	{ "no", false },  { "on", true },     { "off", false },
};

/* The word at a position of "a|b|c", not terminated; NULL after the last. */
static const char *choice_word(const struct conf_row *row, unsigned position, size_t *ret_length)
{
	const char *word = row->argument;

	for (; position > 0; position--) {
		word = strchr(word, '|');
		if (!word)
			return NULL;
		word++;
	}
	*ret_length = strcspn(word, "|");
	return word;
}

static bool has_range(const struct conf_row *row)
{
	return row->type == CONF_NUMBER || row->type == CONF_SIZE || row->type == CONF_SECONDS;
}

void conf_value_allowed(const struct conf_row *row, struct text *out)
{
	const char *word;
	size_t length;

	if (row->type == CONF_SHARE) {
		text_append(out, "%" PRIu64 "%% to %" PRIu64 "%%, or a %s", row->min, row->max,
			    row->unit == 0 ? "size" : "number");
	} else if (has_range(row)) {
		text_append(out, "%" PRIu64 " to %" PRIu64, row->min, row->max);
		if (row->type == CONF_SIZE)
			text_append(out, "%s", row->unit == 1024 ? " KiB" : " MB");
	} else if (row->type == CONF_SWITCH) {
		text_append(out, "true, false");
	} else if (row->type == CONF_CHOICE) {
		for (unsigned i = 0; (word = choice_word(row, i, &length)); i++)
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
	uint64_t unit = is_size ? row->unit : 1, number;
	int result = is_size ? text_parse_size(text, unit, &number)
			     : text_parse_number(text, &number);

	if (result < 0)
		return refuse(row, text, is_size ? "not a size" : "not a number", reason);
	if (number < row->min * unit || number > row->max * unit)
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

static int parse_switch(const struct conf_row *row, const char *text, bool *field,
			struct text *reason)
{
	for (size_t i = 0; i < sizeof switch_words / sizeof *switch_words; i++) {
		if (strcmp(text, switch_words[i].word) == 0) {
			*field = switch_words[i].value;
			return 0;
		}
	}
	return refuse(row, text, "neither true nor false", reason);
}

static int parse_choice(const struct conf_row *row, const char *text, unsigned *field,
			struct text *reason)
{
	const char *word;
	size_t length;

	for (unsigned i = 0; (word = choice_word(row, i, &length)); i++) {
		if (strlen(text) == length && memcmp(text, word, length) == 0) {
			*field = i;
			return 0;
		}
	}
	return refuse(row, text, "not one of the words", reason);
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

int conf_value_parse(const struct conf_row *row, const char *text, void *field, struct text *reason)
{
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
		return parse_switch(row, text, field, reason);
	case CONF_CHOICE:
		return parse_choice(row, text, field, reason);
	}
	return -1;
}

char *conf_value_format(const struct conf_row *row, const void *field)
{
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
		word = choice_word(row, *(const unsigned *)field, &length);
		return mem_strndup(word ? word : "", length);
	}
	return mem_strdup(*(char *const *)field);
}
