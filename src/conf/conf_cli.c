/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "conf/conf.h"

void conf_cli_set(struct conf_cli *cli, enum conf_option option, char *typed, const char *value)
{
	char *old = cli->value[option];

	if (old && conf_rows[option].type == CONF_LIST)
		cli->value[option] = mem_printf("%s,%s", old, value);
	else
		cli->value[option] = mem_strdup(value);
	free(old);
	free(cli->typed[option]);
	cli->typed[option] = typed;
}

void conf_cli_done(struct conf_cli *cli)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		free(cli->value[i]);
		free(cli->typed[i]);
	}
	*cli = (struct conf_cli){ .file = NULL };
}
