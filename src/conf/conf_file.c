/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "conf/conf.h"

#define FILE_MAX_BYTES (1 << 20)
#define TYPOS_MAX      2 /* in what is suggested */

#define NUMBER_MAX     INT32_MAX

/* What a number may consist of, and a name behind its first character. */
#define NUMBER_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ."
#define NAME_CHARACTERS   "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-*_"

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

/* The known key or group that was written, or else the nearest to it; NULL if none is near. */
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

static int refuse_unknown(const char *place, const char *what, const char *written,
			  struct error *err)
{
	const char *near = find_nearest(written, strcmp(what, "group") == 0);

	return error_set(err, ERROR_CONFIG, "%s: unknown %s '%s'%s%s%s", place, what, written,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* An array or list of strings, joined by commas; NULL if not all are strings. */
static char *list_text(const config_setting_t *setting)
{
	cleanup_free char *joined = mem_strdup("");

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

/* A setting's value as text, for the parser that all sources share; NULL if it is none for such an option. */
static char *setting_text(const config_setting_t *setting, bool is_list)
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
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return is_list ? list_text(setting) : NULL;
	default:
		return NULL;
	}
}

static int set_option(struct conf *conf, const config_setting_t *setting, const char *group,
		      const char *path, struct error *err)
{
	cleanup_free char *key = mem_printf("%s.%s", group, config_setting_name(setting));
	cleanup_free char *place = mem_printf("%s:%u", path, config_setting_source_line(setting));
	cleanup_free char *text = NULL;
	unsigned option = 0;
	bool is_list;

	while (option < CONF_OPTION_COUNT && strcmp(conf_rows[option].key, key) != 0)
		option++;
	if (option == CONF_OPTION_COUNT)
		return refuse_unknown(place, "key", key, err);
	is_list = conf_rows[option].type == CONF_LIST;
	text = setting_text(setting, is_list);
	if (!text)
		return error_set(err, ERROR_CONFIG, "%s: %s: must be one value%s", place, key,
				 is_list ? " or a list of strings" : "");
	return conf_set(conf, option, CONF_SOURCE_FILE, place, text, err);
}

static int set_group(struct conf *conf, const config_setting_t *group, const char *path,
		     struct error *err)
{
	const char *name = config_setting_name(group), *nearest = find_nearest(name, true);
	cleanup_free char *place = mem_printf("%s:%u", path, config_setting_source_line(group));
	bool is_group = config_setting_is_group(group);

	if (!nearest || strcmp(nearest, name) != 0)
		return refuse_unknown(place, is_group ? "group" : "key", name, err);
	if (!is_group)
		return error_set(err, ERROR_CONFIG, "%s: %s: must be a group: %s: { ... }", place,
				 name, name);
	for (int i = 0; i < config_setting_length(group); i++)
		if (set_option(conf, config_setting_get_elem(group, (unsigned)i), name, path, err) <
		    0)
			return -1;
	return 0;
}

/* The length of the string, comment, number, name or other character at the beginning of text. */
static size_t token_length(const char *text)
{
	const char *end = text + 1;

	if (*text == '#' || strncmp(text, "//", 2) == 0)
		return strcspn(text, "\n");
	if (strncmp(text, "/*", 2) == 0) {
		end = strstr(text + 2, "*/");
		return end ? (size_t)(end - text) + 2 : strlen(text);
	}
	if (isdigit((unsigned char)*text))
		return strspn(text, NUMBER_CHARACTERS);
	if (isalpha((unsigned char)*text) || *text == '*')
		return strspn(text, NAME_CHARACTERS);
	if (*text != '"')
		return 1;
	for (; *end && *end != '"'; end++)
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
		size_t length = token_length(content);
		int base = strncasecmp(content, "0x", 2) == 0 ? 16 : 10;

		if (strncmp(content, "@include", strlen("@include")) == 0)
			return error_set(
				err, ERROR_CONFIG,
				"%s:%u: @include is not supported; put everything into this file",
				path, line);
		if (isdigit((unsigned char)*content) && strtoull(content, NULL, base) > NUMBER_MAX)
			return error_set(err, ERROR_CONFIG,
					 "%s:%u: %.*s is too large for a number; allowed: at most "
					 "%d, or a text such as \"5GiB\"",
					 path, line, length > 100 ? 100 : (int)length, content,
					 NUMBER_MAX);
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

int conf_file_read(struct conf *conf, const char *path, bool must_exist, struct error *err)
{
	cleanup_free char *content = NULL, *account = NULL;
	cleanup(config_destroy) config_t config;
	const config_setting_t *root;
	struct error reason;
	size_t length;

	config_init(&config);
	if (file_read_text(AT_FDCWD, path, FILE_MAX_BYTES, &content, &length, &reason) < 0) {
		if (reason.errnum == ENOENT && !must_exist)
			return 0;
		if (reason.errnum != EACCES)
			return error_set(err, ERROR_CONFIG, "configuration file %s",
					 reason.message);
		/* At start root reads it; at a reload, the account that the daemon has changed to. */
		account = file_account();
		return error_set(err, ERROR_CONFIG,
				 "configuration file %s: %s cannot read it: Permission denied; "
				 "chgrp it to a group of that account, and chmod 640",
				 path, account);
	}
	if (memchr(content, '\0', length))
		return error_set(err, ERROR_CONFIG, "configuration file %s: not a text file", path);
	conf->file = mem_strdup(path);
	if (check_content(path, content, err) < 0)
		return -1;
	if (!config_read_string(&config, content))
		return refuse_syntax(path, &config, err);
	root = config_root_setting(&config);
	for (int i = 0; i < config_setting_length(root); i++)
		if (set_group(conf, config_setting_get_elem(root, (unsigned)i), path, err) < 0)
			return -1;
	return 0;
}
