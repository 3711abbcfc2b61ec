/* SPDX-License-Identifier: Apache-2.0 */
/* Making a configuration: defaults, file, environment, command line, then the checks. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf_private.h"
#include "conf/environment.h"

/* They win over the file. */
static const struct {
	const char *variable;
	enum conf_option option;
} environment_options[] = {
	{ "NODE_NAME", CONF_node_name },
	{ "GOOGLE_APPLICATION_CREDENTIALS", CONF_gcs_credentials },
	{ "GOOGLE_CLOUD_UNIVERSE_DOMAIN", CONF_gcs_universe_domain },
};

void conf_cli_done(struct conf_cli *cli)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		free(cli->value[i]);
		free(cli->typed[i]);
	}
	*cli = (struct conf_cli){ .file = NULL };
}

static int set_default(struct conf *conf, enum conf_option option, const char *origin,
		       const char *value, struct error *err)
{
	return conf_set(conf, option, CONF_SOURCE_DEFAULT, mem_strdup(origin), value, err);
}

static int set_from_variable(struct conf *conf, enum conf_option option, const char *variable,
			     const char *value, struct error *err)
{
	return conf_set(conf, option, CONF_SOURCE_ENVIRONMENT, mem_printf("$%s", variable), value,
			err);
}

static int set_from_environment(struct conf *conf, struct error *err)
{
	for (size_t i = 0; i < sizeof environment_options / sizeof *environment_options; i++) {
		const char *variable = environment_options[i].variable;
		const char *value = environment_get(variable);

		if (value && set_from_variable(conf, environment_options[i].option, variable, value,
					       err) < 0)
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

/* An absolute path: the control socket may be in it, and needs an absolute address. */
static int complete_spool(struct conf *conf, struct error *err)
{
	cleanup_free char *state = environment_first_folder("STATE_DIRECTORY");
	char here[PATH_MAX], *relative;
	int result = 0;

	/* systemd always sets the variable: it must not undo what the file says. */
	if (!*conf->spool_directory && state)
		result = set_from_variable(conf, CONF_spool_directory, "STATE_DIRECTORY", state,
					   err);
	else if (!*conf->spool_directory)
		result = set_default(conf, CONF_spool_directory, "default", DEFAULT_SPOOL_DIRECTORY,
				     err);
	if (result < 0 || conf->spool_directory[0] == '/')
		return result;
	if (!getcwd(here, sizeof here))
		return error_errno(err, "current directory");
	relative = conf->spool_directory;
	conf->spool_directory = mem_printf("%s/%s", here, relative);
	free(relative);
	return 0;
}

static int complete_node_name(struct conf *conf, struct error *err)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (*conf->node_name)
		return 0;
	if (gethostname(host, HOST_NAME_MAX) < 0)
		return error_errno(err, "read the host name");
	return set_default(conf, CONF_node_name, "host name", host, err);
}

int conf_load(const struct conf_cli *cli, struct conf **ret_conf, struct error *err)
{
	cleanup_conf struct conf *conf = mem_calloc(1, sizeof *conf);

	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (set_default(conf, i, "default", conf_rows[i].default_text, err) < 0)
			return -1;
	if (conf_file_read(conf, cli->file ? cli->file : DEFAULT_CONFIG_FILE, cli->file, err) < 0 ||
	    set_from_environment(conf, err) < 0 || set_from_command_line(conf, cli, err) < 0 ||
	    complete_spool(conf, err) < 0 || complete_node_name(conf, err) < 0 ||
	    conf_check(conf, err) < 0)
		return -1;
	*ret_conf = take_ptr(conf);
	return 0;
}
