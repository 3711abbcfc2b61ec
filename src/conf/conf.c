/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf_private.h"

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
#include "conf/options.def"
#undef OPTION
};

/*
 * Variables of the environment. What systemd says of the state directory holds only where the user
 * said nothing: under systemd it is always set, and a spool.directory in the file must have effect.
 */
static const struct {
	const char *variable;
	enum conf_option option;
	bool yields;  /* to file and command line */
	bool is_list; /* joined by colons: the first counts */
} environment[] = {
	{ "NODE_NAME", CONF_node_name, false, false },
	{ "GOOGLE_APPLICATION_CREDENTIALS", CONF_gcs_credentials, false, false },
	{ "GOOGLE_CLOUD_UNIVERSE_DOMAIN", CONF_gcs_universe_domain, false, false },
	{ "STATE_DIRECTORY", CONF_spool_directory, true, true },
};

void conf_flag(const struct conf_row *row, char out[CONF_FLAG_MAX])
{
	(void)snprintf(out, CONF_FLAG_MAX, "%s-%s", row->group, row->name);
	for (char *p = out; *p; p++)
		if (*p == '_')
			*p = '-';
}

void *conf_field(struct conf *conf, enum conf_option option)
{
	return (char *)conf + conf_rows[option].offset;
}

const void *conf_field_const(const struct conf *conf, enum conf_option option)
{
	return (const char *)conf + conf_rows[option].offset;
}

static bool is_text(enum conf_option option)
{
	return conf_rows[option].type == CONF_TEXT || conf_rows[option].type == CONF_LIST;
}

int conf_error(const struct conf *conf, enum conf_option option, struct error *err,
	       const char *format, ...)
{
	char sentence[sizeof err->message];
	const char *key = conf_rows[option].key, *origin = conf->origin[option];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	switch (conf->source[option]) {
	case CONF_SOURCE_COMMAND_LINE:
		return error_set(err, ERROR_USAGE, "%s: %s", origin, sentence);
	case CONF_SOURCE_FILE:
		return error_set(err, ERROR_CONFIG, "%s: %s: %s", origin, key, sentence);
	case CONF_SOURCE_ENVIRONMENT:
		return error_set(err, ERROR_CONFIG, "%s: %s", origin, sentence);
	case CONF_SOURCE_DEFAULT:
		break;
	}
	return error_set(err, ERROR_CONFIG, "%s: %s", key, sentence);
}

int conf_set(struct conf *conf, enum conf_option option, enum conf_source source, char *origin,
	     const char *text, struct error *err)
{
	char bytes[512];
	struct text reason = text_over(bytes, sizeof bytes);

	free(conf->origin[option]);
	conf->origin[option] = origin;
	conf->source[option] = source;
	if (conf_value_parse(&conf_rows[option], text, conf_field(conf, option), &reason) < 0)
		return conf_error(conf, option, err, "%s", bytes);
	return 0;
}

static int set_from_environment(struct conf *conf, bool yielding, struct error *err)
{
	for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
		enum conf_option option = environment[i].option;
		const char *value = getenv(environment[i].variable);
		cleanup_free char *first = NULL;

		if (environment[i].yields != yielding || !value || !*value)
			continue;
		if (yielding && **(const char *const *)conf_field_const(conf, option))
			continue;
		first = mem_strndup(value,
				    environment[i].is_list ? strcspn(value, ":") : strlen(value));
		if (conf_set(conf, option, CONF_SOURCE_ENVIRONMENT,
			     mem_printf("$%s", environment[i].variable), first, err) < 0)
			return -1;
	}
	return 0;
}

static int set_from_command_line(struct conf *conf, const struct conf_cli *cli, struct error *err)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (cli->value[i] && conf_set(conf, i, CONF_SOURCE_COMMAND_LINE,
					      mem_strdup(cli->typed[i]), cli->value[i], err) < 0)
			return -1;
	return 0;
}

/* The control socket may be in it, and its address has to be absolute. */
static int make_spool_absolute(struct conf *conf, struct error *err)
{
	char here[PATH_MAX], *relative = conf->spool_directory;

	if (relative[0] == '/')
		return 0;
	if (!getcwd(here, sizeof here))
		return error_errno(err, "current directory");
	conf->spool_directory = mem_printf("%s/%s", here, relative);
	free(relative);
	return 0;
}

/* What is still empty and has an answer that is not a constant of the table. */
static int set_what_is_missing(struct conf *conf, struct error *err)
{
	char host[HOST_NAME_MAX + 1];

	if (set_from_environment(conf, true, err) < 0)
		return -1;
	if (!*conf->spool_directory &&
	    conf_set(conf, CONF_spool_directory, CONF_SOURCE_DEFAULT, mem_strdup("default"),
		     DEFAULT_SPOOL_DIRECTORY, err) < 0)
		return -1;
	if (make_spool_absolute(conf, err) < 0)
		return -1;
	if (*conf->node_name)
		return 0;
	if (gethostname(host, sizeof host) < 0)
		return error_errno(err, "read the host name");
	host[sizeof host - 1] = '\0';
	return conf_set(conf, CONF_node_name, CONF_SOURCE_DEFAULT, mem_strdup("host name"), host,
			err);
}

int conf_load(const struct conf_cli *cli, struct conf **ret_conf, struct error *err)
{
	cleanup_conf struct conf *conf = mem_calloc(1, sizeof *conf);

	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_set(conf, i, CONF_SOURCE_DEFAULT, mem_strdup("default"),
			     conf_rows[i].default_text, err) < 0)
			return -1;
	if (conf_file_read(conf, cli->file ? cli->file : DEFAULT_CONFIG_FILE, cli->file, err) < 0 ||
	    set_from_environment(conf, false, err) < 0 ||
	    set_from_command_line(conf, cli, err) < 0 || set_what_is_missing(conf, err) < 0)
		return -1;
	if (conf_check(conf, err) < 0)
		return -1;
	*ret_conf = take_ptr(conf);
	return 0;
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
		if (is_text(i))
			free(*(char **)conf_field(conf, i));
		free(conf->origin[i]);
	}
	free(conf->file);
	free(conf);
	return NULL;
}

bool conf_differs(const struct conf *a, const struct conf *b, enum conf_option option)
{
	return !conf_value_equals(&conf_rows[option], conf_field_const(a, option),
				  conf_field_const(b, option));
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
	conf_value_copy(&conf_rows[option], conf_field(conf, option),
			conf_field_const(old, option));
	free(conf->origin[option]);
	conf->origin[option] = mem_strdup(old->origin[option]);
	conf->source[option] = old->source[option];
}
