/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The commands that ask the running daemon, over its control socket, and print what it answers. If there is no
 * answer within a second or a few, they report why and what to do about it: to people on standard error; with
 * --json, as {"error":"…"} on standard output. They never start, stop or wait for a daemon.
 */

#include "cli/command_line.h"

/* All return the exit status: 0; 1 for a refusal; EX_UNAVAILABLE, EX_NOPERM or EX_CONFIG where nobody answers. */
int client_status(struct command_line *line);
int client_rotate(struct command_line *line);
int client_reload(struct command_line *line);
int client_flush(struct command_line *line);
int client_healthz(struct command_line *line);
int client_readyz(struct command_line *line);
