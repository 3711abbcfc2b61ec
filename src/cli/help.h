/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The commands help and version: the tables of commands and options as text, 80 columns wide. */

#include <stdio.h>

#include "cli/command_line.h"

int help_run(struct command_line *line);
int help_version(struct command_line *line);

/* -h: a page of at most 40 lines. */
void help_write_short(FILE *out, const struct command *commands);
/* --help */
void help_write_all(FILE *out, const struct command *commands);
/* help COMMAND */
void help_write_command(FILE *out, const struct command *command);
