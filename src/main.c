/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"

int main(int argc, char **argv)
{
	struct command_line line;
	struct error err;
	int status = command_line_parse(&line, commands, argc, argv, &err);

	if (status == 0)
		status = line.command->run(&line, &err);
	if (status < 0) {
		log_error(err.message);
		status = error_exit_status(&err);
	}
	if (line.is_hung)
		_exit(status);
	conf_cli_done(&line.conf);
	return status;
}
