/* SPDX-License-Identifier: Apache-2.0 */
/* The options: rows, and errors about them. How a configuration is made is in conf_load.c. */
#include "conf/conf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

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
