/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"

static int report_error(const struct error *err)
{
	log_error(err->message);
	return error_exit_status(err);
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct error err;
	int status;

	if (command_line_parse(&line, commands, argc, argv, &err) < 0)
		return report_error(&err);
	status = line.command->run(&line, &err);
	if (status < 0)
		status = report_error(&err);
	if (line.is_hung)
		_exit(status);
	command_line_done(&line);
	return status;
}
