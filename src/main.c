/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "cli/control_client.h"

static int print_version(void)
{
	return puts("kube-node-tracer " PACKAGE_VERSION) < 0 ? -1 : 0;
}

/* A configuration that was broken since the recorder's start is no reason not to ask it. */
static int run_command(const struct conf_cli *cli)
{
	cleanup_conf struct conf *conf = NULL;
	struct error err;

	if (conf_load(cli, &conf, &err) < 0)
		log_warning("configuration cannot be used, looking for the recorder without it",
			    log_reason(&err));
	return client_run(cli, conf);
}

static int do_action(const struct conf_cli *cli, bool *ret_is_hung, int *ret_status,
		     struct error *err)
{
	cleanup_conf struct conf *conf = NULL;

	switch (cli->action) {
	case CONF_ACTION_HELP:
		conf_docs_help(stdout);
		return 0;
	case CONF_ACTION_VERSION:
		return print_version();
	case CONF_ACTION_RUN:
	case CONF_ACTION_CHECK:
	case CONF_ACTION_PRINT:
		break;
	case CONF_ACTION_STATUS:
	case CONF_ACTION_ROTATE:
	case CONF_ACTION_RELOAD:
	case CONF_ACTION_FLUSH:
	case CONF_ACTION_HEALTHZ:
	case CONF_ACTION_READYZ:
		*ret_status = run_command(cli);
		return 0;
	}
	if (conf_load(cli, &conf, err) < 0)
		return -1;
	if (cli->action == CONF_ACTION_PRINT) {
		conf_docs_print(stdout, conf);
		return 0;
	}
	conf_setup_log(conf);
	if (cli->action == CONF_ACTION_CHECK)
		return daemon_check(conf, err);
	return daemon_run(conf, cli, ret_is_hung, err);
}

int main(int argc, char **argv)
{
	struct conf_cli cli = { 0 };
	struct error err = { .kind = ERROR_NONE };
	bool is_hung = false;
	int status = 0;

	if (conf_cli_parse(&cli, argc, argv, &err) < 0 ||
	    do_action(&cli, &is_hung, &status, &err) < 0) {
		log_error(err.message);
		status = error_exit_status(&err);
	}
	if (is_hung)
		_exit(status);
	conf_cli_done(&cli);
	return status;
}
