/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include "cli/control_client.h"
#include "cli/help.h"
#include "cli/print_config.h"
#include "cli/start.h"

const struct command commands[] = {
	{ .word = "run",
	  .kind = COMMAND_CONFIGURES,
	  .words = "[FILTER...]",
	  .help = "Record packets and upload them until stopped. This is the default: the word run can "
		  "be left out.",
	  .run = start_run },
	{ .word = "check-config",
	  .kind = COMMAND_CONFIGURES,
	  .words = "[FILTER...]",
	  .help = "Check the configuration and everything it names, and exit. That is: interfaces, "
		  "filter, spool, credentials and destination. Nothing is changed. Run as root, it "
		  "continues with the rights of daemon.user.",
	  .run = start_check_config,
	  .is_flag = true },
	{ .word = "print-config",
	  .kind = COMMAND_CONFIGURES,
	  .words = "[FILTER...]",
	  .help = "Print every value in effect and where it comes from, and exit. The output is a valid "
		  "configuration file.",
	  .run = print_config_run,
	  .is_flag = true },
	{ .word = "status",
	  .kind = COMMAND_ASKS,
	  .help = "Show what the running daemon does, how fast, and what is wrong.",
	  .run = client_status,
	  .flags = { { "json", 0, NULL, "Print one JSON object." },
		     { "watch", 0, NULL, "Repeat every two seconds until interrupted." } } },
	{ .word = "rotate",
	  .kind = COMMAND_ASKS,
	  .help = "End the open segments now.",
	  .run = client_rotate },
	{ .word = "reload",
	  .kind = COMMAND_ASKS,
	  .help = "Reload the configuration. Options that need a restart are listed; if the "
		  "configuration is refused, the reason is printed and the exit status is 1.",
	  .run = client_reload },
	{ .word = "flush",
	  .kind = COMMAND_ASKS,
	  .help = "End the open segments and wait until everything is uploaded. There is no time "
		  "limit; the exit status is 1 if anything was lost.",
	  .run = client_flush },
	{ .word = "healthz",
	  .kind = COMMAND_ASKS,
	  .help = "Print liveness, as /healthz does. The exit status is 1 if it fails.",
	  .run = client_healthz },
	{ .word = "readyz",
	  .kind = COMMAND_ASKS,
	  .help = "Print readiness, as /readyz does. The exit status is 1 if it fails.",
	  .run = client_readyz },
	{ .word = "help",
	  .kind = COMMAND_HELPS,
	  .words = "[COMMAND]",
	  .help = "Show the commands and the most used flags, or the help of one command. --help shows "
		  "everything.",
	  .run = help_run,
	  .is_flag = true,
	  .letter = 'h',
	  .flags = { { "all", 0, NULL, "Show everything." } } },
	{ .word = "version",
	  .kind = COMMAND_INFORMS,
	  .help = "Print the version.",
	  .run = help_version,
	  .is_flag = true,
	  .letter = 'V' },
	{ .word = NULL },
};
_Static_assert(sizeof commands / sizeof *commands <= COMMANDS_MAX, "too many commands");
