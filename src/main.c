/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
	struct command_line line;
	struct error err;
	int status;

	if (command_line_parse(&line, commands, argc, argv, &err) < 0)
		return command_fail(&err);
	status = line.command->run(&line);
	if (line.is_hung)
		_exit(status);
	command_line_done(&line);
	return status;
}
