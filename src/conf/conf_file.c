/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "conf/conf_private.h"

#define FILE_MAX_BYTES (1 << 20)
#define TYPOS_MAX      2 /* in what is suggested */

#define NUMBER_MAX     INT32_MAX

/* What a number may consist of, and a name behind its first character. */
#define NUMBER_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ."
#define NAME_CHARACTERS   "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-*_"

/* Read the whole file, NUL-terminated. Returns 1, or 0 if it is missing and may be. */
static int read_whole(const char *path, bool must_exist, char **ret_content, struct error *err)
{
	cleanup_free char *content = NULL, *account = NULL;
	struct error reason;
	size_t length;

	if (file_read_text(AT_FDCWD, path, FILE_MAX_BYTES, &content, &length, &reason) == 0) {
		if (memchr(content, '\0', length))
			return error_set(err, ERROR_CONFIG,
					 "configuration file %s: not a text file", path);
		*ret_content = take_ptr(content);
		return 1;
	}
	if (reason.errnum == ENOENT && !must_exist)
		return 0;
	if (reason.errnum != EACCES)
		return error_set(err, ERROR_CONFIG, "configuration file %s", reason.message);
	/* At start root reads it; at a reload, the account that the daemon has changed to. */
	account = file_account();
	return error_set(err, ERROR_CONFIG,
			 "configuration file %s: %s cannot read it: Permission denied; chgrp it to "
			 "a group of that account, and chmod 640",
			 path, account);
}

/* Can a become b by so many characters inserted, deleted or changed? */
static bool is_near(const char *a, const char *b, unsigned typos)
{
	for (; *a && *a == *b; a++)
		b++;
	if (*a == *b)
		return true;
	return typos > 0 &&
	       ((*a && is_near(a + 1, b, typos - 1)) || (*b && is_near(a, b + 1, typos - 1)) ||
		(*a && *b && is_near(a + 1, b + 1, typos - 1)));
}

/* The known key or group that is nearest to what was written; NULL if none is near. */
static const char *find_nearest(const char *written, bool is_group)
{
	for (unsigned typos = 0; typos <= TYPOS_MAX; typos++) {
		for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
			const struct conf_row *row = &conf_rows[i];
			const char *candidate = is_group ? row->group : row->key;

			/* The option's name without its group deserves the same hint. */
			if (is_near(written, candidate, typos) ||
			    (!is_group && strcmp(written, row->name) == 0))
				return candidate;
		}
	}
	return NULL;
}

/* Put the setting's place before what err says. */
static int wrap_place(struct error *err, const config_setting_t *setting, const char *path)
{
	return error_wrap(err, "%s:%u", path, config_setting_source_line(setting));
}

static int refuse_unknown(const config_setting_t *setting, const char *path, const char *what,
			  const char *written, struct error *err)
{
	const char *near = find_nearest(written, strcmp(what, "group") == 0);

	(void)error_set(err, ERROR_CONFIG, "unknown %s '%s'%s%s%s", what, written,
			near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return wrap_place(err, setting, path);
}

/* A setting's value as text, for the parser that all sources share; NULL if it is not a scalar. */
static char *scalar_text(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
		return mem_printf("%d", config_setting_get_int(setting));
	case CONFIG_TYPE_INT64:
		return mem_printf("%lld", config_setting_get_int64(setting));
	case CONFIG_TYPE_FLOAT:
		return mem_printf("%g", config_setting_get_float(setting));
	case CONFIG_TYPE_BOOL:
		return mem_strdup(config_setting_get_bool(setting) ? "true" : "false");
	case CONFIG_TYPE_STRING:
		return mem_strdup(config_setting_get_string(setting));
	default:
		return NULL;
	}
}

/* An array or list of strings, joined by commas; NULL if it is something else. */
static char *list_text(const config_setting_t *setting)
{
	cleanup_free char *joined = mem_strdup("");

	if (!config_setting_is_array(setting) && !config_setting_is_list(setting))
		return NULL;
	for (int i = 0; i < config_setting_length(setting); i++) {
		const char *word = config_setting_get_string_elem(setting, i);
		char *longer;

		if (!word)
			return NULL;
		longer = mem_printf("%s%s%s", joined, i ? "," : "", word);
		free(joined);
		joined = longer;
	}
	return take_ptr(joined);
}

static int set_option(struct conf *conf, const config_setting_t *setting, enum conf_option option,
		      const char *path, struct error *err)
{
	bool is_list = conf_rows[option].type == CONF_LIST;
	cleanup_free char *text = scalar_text(setting);

	if (!text && is_list)
		text = list_text(setting);
	if (text)
		return conf_set(conf, option, CONF_SOURCE_FILE,
				mem_printf("%s:%u", path, config_setting_source_line(setting)),
				text, err);
	(void)error_set(err, ERROR_CONFIG, "%s: must be one value%s", conf_rows[option].key,
			is_list ? " or a list of strings" : "");
	return wrap_place(err, setting, path);
}

static bool is_group_known(const char *name)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (strcmp(conf_rows[i].group, name) == 0)
			return true;
	return false;
}

static int set_group(struct conf *conf, const config_setting_t *group, const char *path,
		     struct error *err)
{
	const char *name = config_setting_name(group);
	bool is_group = config_setting_is_group(group);

	if (!is_group_known(name))
		return refuse_unknown(group, path, is_group ? "group" : "key", name, err);
	if (!is_group) {
		(void)error_set(err, ERROR_CONFIG, "%s: must be a group: %s: { ... }", name, name);
		return wrap_place(err, group, path);
	}
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		cleanup_free char *key = mem_printf("%s.%s", name, config_setting_name(setting));
		unsigned option = 0;

		while (option < CONF_OPTION_COUNT && strcmp(conf_rows[option].key, key) != 0)
			option++;
		if (option == CONF_OPTION_COUNT)
			return refuse_unknown(setting, path, "key", key, err);
		if (set_option(conf, setting, option, path, err) < 0)
			return -1;
	}
	return 0;
}

/* The length of the string or comment at the beginning of text; 0: there is none. */
static size_t length_of_quoted(const char *text)
{
	const char *end;

	if (*text == '#' || strncmp(text, "//", 2) == 0)
		return strcspn(text, "\n");
	if (strncmp(text, "/*", 2) == 0) {
		end = strstr(text + 2, "*/");
		return end ? (size_t)(end - text) + 2 : strlen(text);
	}
	if (*text != '"')
		return 0;
	for (end = text + 1; *end && *end != '"'; end++)
		end += end[0] == '\\' && end[1];
	return (size_t)(end - text) + (*end == '"');
}

/*
 * What libconfig must not see: it would include other files, and end the process if it cannot (a directory, say);
 * and version 1.5 takes a whole number modulo 2^32, and says nothing. No option needs a larger one: sizes have
 * suffixes.
 */
static int check_content(const char *path, const char *content, struct error *err)
{
	unsigned line = 1;

	while (*content) {
		size_t length = length_of_quoted(content);

		if (strncmp(content, "@include", strlen("@include")) == 0) {
			return error_set(
				err, ERROR_CONFIG,
				"%s:%u: @include is not supported; put everything into this file",
				path, line);
		} else if (length == 0 && isdigit((unsigned char)*content)) {
			bool is_hex = strncasecmp(content, "0x", 2) == 0;

			length = strspn(content, NUMBER_CHARACTERS);
			if (strtoull(content, NULL, is_hex ? 16 : 10) > NUMBER_MAX)
				return error_set(
					err, ERROR_CONFIG,
					"%s:%u: %.*s is too large for a number; allowed: at "
					"most %d, or a text such as \"5GiB\"",
					path, line, length > 100 ? 100 : (int)length, content,
					NUMBER_MAX);
		} else if (length == 0) { /* a name, or one other character */
			bool is_name = isalpha((unsigned char)*content) || *content == '*';

			length = is_name ? strspn(content, NAME_CHARACTERS) : 1;
		}
		for (const char *end = content + length; content < end; content++)
			line += *content == '\n';
	}
	return 0;
}

/* libconfig's words, and what to do about them. */
static int refuse_syntax(const char *path, const config_t *config, struct error *err)
{
	const char *text = config_error_text(config), *remedy = "";

	if (strcmp(text, "syntax error") == 0)
		remedy = "; strings need double quotes, and each value ends with ';'";
	else if (strncmp(text, "duplicate setting", strlen("duplicate setting")) == 0)
		remedy = "; each group, and each key in it, may appear only once";
	return error_set(err, ERROR_CONFIG, "%s:%d: %s%s", path, config_error_line(config), text,
			 remedy);
}

static int set_all(struct conf *conf, config_t *config, const char *path, const char *content,
		   struct error *err)
{
	const config_setting_t *root;

	if (check_content(path, content, err) < 0)
		return -1;
	if (!config_read_string(config, content))
		return refuse_syntax(path, config, err);
	root = config_root_setting(config);
	for (int i = 0; i < config_setting_length(root); i++)
		if (set_group(conf, config_setting_get_elem(root, (unsigned)i), path, err) < 0)
			return -1;
	return 0;
}

int conf_file_read(struct conf *conf, const char *path, bool must_exist, struct error *err)
{
	cleanup_free char *content = NULL;
	config_t config;
	int result = read_whole(path, must_exist, &content, err);

	if (result <= 0)
		return result;
	conf->file = mem_strdup(path);
	config_init(&config);
	result = set_all(conf, &config, path, content, err);
	config_destroy(&config);
	return result;
}
