/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options: their rows, and one option's value from and to text, the same for file, environment and command line.
 * How a configuration is made is in conf_load.c.
 */
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "conf/conf.h"

#define TEXT_MAX 65535 /* bytes of a value */
#define SHOWN    100   /* bytes of a wrong value that an error repeats */
#define SUFFIXES ": B, k, M, G, KiB, MiB, GiB"

/* The words of a SWITCH: what is off, then what is on, alternately. */
#define SWITCH_WORDS "false|true|no|yes|off|on"

const struct conf_row conf_rows[CONF_OPTION_COUNT] = {
#define OPTION(type_, group_, name_, letter_, default_, unit_, min_, max_, reload_, argument_, \
	       help_)                                                                          \
	[CONF_##group_##_##name_] = {                                                          \
		.type = CONF_##type_,                                                          \
		.reload = CONF_RELOAD_##reload_,                                               \
		.group = #group_,                                                              \
		.name = #name_,                                                                \
		.key = #group_ "." #name_,                                                     \
		.letter = letter_,                                                             \
		.default_text = default_,                                                      \
		.unit = unit_,                                                                 \
		.min = min_,                                                                   \
		.max = max_,                                                                   \
		.argument = argument_,                                                         \
		.help = help_,                                                                 \
		.offset = offsetof(struct conf, group_##_##name_),                             \
	},
#define WORD(constant, text) text
#define OR(constant, text)   "|" text
#include "conf/options.def"
#undef OR
#undef WORD
#undef OPTION
};

void conf_flag(const struct conf_row *row, char out[CONF_FLAG_MAX])
{
	(void)snprintf(out, CONF_FLAG_MAX, "%s-%s", row->group, row->name);
	for (char *p = out; *p; p++)
		if (*p == '_')
			*p = '-';
}

int conf_error(const struct conf *conf, enum conf_option option, struct error *err,
	       const char *format, ...)
{
	enum conf_source source = conf->source[option];
	char sentence[sizeof err->message];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	(void)error_set(err, source == CONF_SOURCE_COMMAND_LINE ? ERROR_USAGE : ERROR_CONFIG, "%s",
			sentence);
	if (source == CONF_SOURCE_DEFAULT || source == CONF_SOURCE_FILE)
		(void)error_wrap(err, "%s", conf_rows[option].key);
	return source == CONF_SOURCE_DEFAULT ? -1 : error_wrap(err, "%s", conf->origin[option]);
}

void conf_setup_log(const struct conf *conf)
{
	/* The words of both options stand in the order of log.h. */
	_Static_assert(LOG_LEVEL_ERROR + CONF_LOG_LEVEL_DEBUG == (int)LOG_LEVEL_DEBUG, "levels");
	_Static_assert((int)CONF_LOG_FORMAT_JSON == (int)LOG_FORMAT_JSON, "formats");

	log_setup(LOG_LEVEL_ERROR + (enum log_level)conf->log_level,
		  (enum log_format)conf->log_format);
}

const struct conf *conf_ref(const struct conf *shared)
{
	struct conf *conf = (struct conf *)(uintptr_t)shared; /* const is for the values */

	atomic_fetch_add(&conf->references, 1);
	return shared;
}

struct conf *conf_free(const struct conf *shared)
{
	struct conf *conf = (struct conf *)(uintptr_t)shared;

	if (!conf || atomic_fetch_sub(&conf->references, 1) > 0)
		return NULL;
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		if (conf_rows[i].type == CONF_TEXT || conf_rows[i].type == CONF_LIST)
			free(*(char **)((char *)conf + conf_rows[i].offset));
		free(conf->origin[i]);
	}
	free(conf->file);
	free(conf);
	return NULL;
}

/* Values ----------------------------------------------------------------------------------------- */

/* The position of text among the words "a|b|c"; -1: it is none of them. */
static int find_word(const char *words, const char *text)
{
	for (int position = 0;; position++) {
		size_t length = strcspn(words, "|");

		if (strlen(text) == length && memcmp(text, words, length) == 0)
			return position;
		if (!words[length])
			return -1;
		words += length + 1;
	}
}

void conf_value_allowed(const struct conf_row *row, struct text *out)
{
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
		for (const char *p = row->argument; *p; p++)
			text_append(out, "%.*s", *p == '|' ? 2 : 1, *p == '|' ? ", " : p);
	}
}

static int refuse(const struct conf *conf, enum conf_option option, const char *text,
		  const char *what, struct error *err)
{
	const struct conf_row *row = &conf_rows[option];
	char bytes[256];
	struct text allowed = text_over(bytes, sizeof bytes);

	conf_value_allowed(row, &allowed);
	if (row->type == CONF_SECONDS)
		text_append(&allowed, " seconds, or with a suffix s, m, h");
	if (row->type == CONF_SIZE)
		text_append(&allowed, ", or with a suffix" SUFFIXES);
	if (row->type == CONF_SHARE && row->unit == 0)
		text_append(&allowed, " with a suffix" SUFFIXES);
	return conf_error(conf, option, err, "'%.*s' is %s; allowed: %s", SHOWN, text, what, bytes);
}

/* The parsers return what the text is instead of a value; NULL: it was one. */

static const char *parse_seconds(const struct conf_row *row, const char *text, uint64_t *field)
{
	static const uint64_t units[] = { ['s'] = 1, ['m'] = 60, ['h'] = 3600 };
	size_t digits = strspn(text, "0123456789");
	unsigned char suffix = text[digits] ? (unsigned char)text[digits] : 's';
	uint64_t number = strtoull(text, NULL, 10);

	if (digits == 0 || suffix >= sizeof units / sizeof *units || units[suffix] == 0 ||
	    (text[digits] && text[digits + 1]))
		return "not a number";
	if (number > row->max || number * units[suffix] < row->min ||
	    number * units[suffix] > row->max)
		return "out of range";
	*field = number * units[suffix];
	return NULL;
}

static const char *parse_number(const struct conf_row *row, const char *text, uint64_t *field)
{
	bool is_size = row->type == CONF_SIZE;
	uint64_t number;

	if ((is_size ? text_parse_size(text, row->unit, &number)
		     : text_parse_number(text, &number)) < 0)
		return is_size ? "not a size" : "not a number";
	if (number < row->min * row->unit || number > row->max * row->unit)
		return "out of range";
	*field = number;
	return NULL;
}

/* "5%", or an amount; if the unit is 0, a plain number is a percentage. */
static const char *parse_share(const struct conf_row *row, const char *text,
			       struct conf_share *field)
{
	size_t digits = strspn(text, "0123456789");
	bool is_percent = strcmp(text + digits, "%") == 0 || (!text[digits] && row->unit == 0);
	uint64_t amount = strtoull(text, NULL, 10);

	if (digits == 0 || (!is_percent && text_parse_size(text, row->unit, &amount) < 0))
		return row->unit == 0 ? "not a size" : "not a number";
	if (is_percent && (amount < row->min || amount > row->max))
		return "out of range";
	*field = (struct conf_share){ .amount = amount, .is_percent = is_percent };
	return NULL;
}

/* The error does not repeat the text: it may be long, or hold a proxy's password. */
static int set_text(struct conf *conf, enum conf_option option, const char *text, char **field,
		    struct error *err)
{
	/* A long filter may span lines; nothing else needs control characters. */
	const char *blanks = option == CONF_capture_filter ? "\t\r\n" : "";

	if (strlen(text) > TEXT_MAX)
		return conf_error(conf, option, err, "longer than %d bytes", TEXT_MAX);
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p) && !strchr(blanks, *p))
			return conf_error(conf, option, err, "has a control character at byte %zu",
					  (size_t)(p - text) + 1);
	free(*field);
	*field = mem_strdup(text);
	return 0;
}

int conf_set(struct conf *conf, enum conf_option option, enum conf_source source,
	     const char *origin, const char *text, struct error *err)
{
	const struct conf_row *row = &conf_rows[option];
	void *field = (char *)conf + row->offset;
	const char *wrong = NULL;
	int position;

	free(conf->origin[option]);
	conf->origin[option] = mem_strdup(origin);
	conf->source[option] = source;
	switch (row->type) {
	case CONF_TEXT:
	case CONF_LIST:
		return set_text(conf, option, text, field, err);
	case CONF_NUMBER:
	case CONF_SIZE:
		wrong = parse_number(row, text, field);
		break;
	case CONF_SECONDS:
		wrong = parse_seconds(row, text, field);
		break;
	case CONF_SHARE:
		wrong = parse_share(row, text, field);
		break;
	case CONF_SWITCH:
		position = find_word(SWITCH_WORDS, text);
		*(bool *)field = position % 2 == 1;
		wrong = position < 0 ? "neither true nor false" : NULL;
		break;
	case CONF_CHOICE:
		position = find_word(row->argument, text);
		*(unsigned *)field = position < 0 ? 0 : (unsigned)position;
		wrong = position < 0 ? "not one of the words" : NULL;
	}
	return wrong ? refuse(conf, option, text, wrong, err) : 0;
}

char *conf_format(const struct conf *conf, enum conf_option option)
{
	const struct conf_row *row = &conf_rows[option];
	const void *field = (const char *)conf + row->offset;
	const struct conf_share *share = field;
	const uint64_t *number = field;
	const char *word = row->argument;

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
		for (unsigned i = *(const unsigned *)field; i > 0; i--)
			word = strchr(word, '|') + 1;
		return mem_strndup(word, strcspn(word, "|"));
	}
	return mem_strdup(*(char *const *)field);
}

bool conf_differs(const struct conf *a, const struct conf *b, enum conf_option option)
{
	cleanup_free char *text_a = conf_format(a, option), *text_b = conf_format(b, option);

	return strcmp(text_a, text_b) != 0;
}

bool conf_needs(const struct conf *old, const struct conf *new, enum conf_reload reload)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_rows[i].reload == reload && conf_differs(old, new, i))
			return true;
	return false;
}

void conf_keep(struct conf *conf, const struct conf *old, enum conf_option option)
{
	cleanup_free char *text = conf_format(old, option);
	struct error err;
	int result = conf_set(conf, option, old->source[option], old->origin[option], text, &err);

	assert(result == 0); /* it was parsed from such a text */
	(void)result;
	if (option == CONF_capture_interface)
		conf->interfaces = old->interfaces;
}
