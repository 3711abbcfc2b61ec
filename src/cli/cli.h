/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one table of commands: what the first word may be, which flags it takes and what it does. Help, manual and
 * completions are made from it; nothing else lists commands. To add one: a file with its function, its prototype here, its row, a test.
 */

#include <stdio.h>

#include "cli/command_line.h"

/* Ends with a row without a word. The first row is the command without a word. */
extern const struct command commands[];

/* start.c: those that are the daemon itself; check-config stops short of it. */
int start_run(struct command_line *line, struct error *err);
int start_check_config(struct command_line *line, struct error *err);

/* print_config.c: every value in effect, as a configuration file that says the same. Passwords are hidden. */
int print_config_run(struct command_line *line, struct error *err);
void print_config_write(FILE *out, const struct conf *conf);

/* control_client.c: those that ask the running daemon; client_probe() is healthz and readyz. */
int client_status(struct command_line *line, struct error *err);
int client_rotate(struct command_line *line, struct error *err);
int client_reload(struct command_line *line, struct error *err);
int client_flush(struct command_line *line, struct error *err);
int client_probe(struct command_line *line, struct error *err);

/* help.c: the tables of commands and options as text, 80 columns wide. */
int help_run(struct command_line *line, struct error *err);
int help_version(struct command_line *line, struct error *err);
/* -h: a page of at most 40 lines; --help; help COMMAND */
void help_write_short(FILE *out, const struct command *table);
void help_write_all(FILE *out, const struct command *table);
void help_write_command(FILE *out, const struct command *command);
