/* SPDX-License-Identifier: Apache-2.0 */
/* Making a configuration: defaults, file, environment, command line, then the checks. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf_private.h"
#include "conf/environment.h"

static bool is_empty(const struct conf *conf, enum conf_option option)
{
	return !**(const char *const *)conf_field_const(conf, option);
}

static int set_from_environment(struct conf *conf, enum environment_use use, struct error *err)
{
	for (unsigned i = 0; i < ENVIRONMENT_VARIABLE_COUNT; i++) {
		const struct environment_row *row = &environment_rows[i];
		cleanup_free char *value = environment_copy(i);

		if (row->use != use || !value)
			continue;
		if (use == ENVIRONMENT_IS_FALLBACK && !is_empty(conf, row->option))
			continue;
		if (conf_set(conf, row->option, CONF_SOURCE_ENVIRONMENT,
			     mem_printf("$%s", row->name), value, err) < 0)
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

/* The control socket may be in it, and needs an absolute address. */
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

/* Defaults that are not constants of the table, for options that are still empty. */
static int set_computed_defaults(struct conf *conf, struct error *err)
{
	char host[HOST_NAME_MAX + 1];

	if (set_from_environment(conf, ENVIRONMENT_IS_FALLBACK, err) < 0)
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
	    set_from_environment(conf, ENVIRONMENT_OVERRIDES_FILE, err) < 0 ||
	    set_from_command_line(conf, cli, err) < 0 || set_computed_defaults(conf, err) < 0)
		return -1;
	if (conf_check(conf, err) < 0)
		return -1;
	*ret_conf = take_ptr(conf);
	return 0;
}
