/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"

/* One that is closed would become a file of ours, and a line of the log its contents. */
static int open_standard_descriptors(struct error *err)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return error_errno(err, "open /dev/null");
	(void)close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	struct error err;
	int status = open_standard_descriptors(&err);

	mem_setup();
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_AUTO); /* until the configuration says otherwise */
	if (status == 0)
		status = command_line_parse(&line, commands, argc, argv, &err);
	if (status == 0)
		status = line.command->run(&line, &err);
	if (status < 0) {
		log_error(err.message);
		status = error_exit_status(&err);
	}
	log_finish_writing();
	if (line.is_hung)
		_exit(status);
	conf_cli_done(&line.conf);
	return status;
}
