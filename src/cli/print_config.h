/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command print-config: every value in effect, as a configuration file that says the same. */

#include <stdio.h>

#include "cli/command_line.h"

int print_config_run(struct command_line *line);
/* Passwords are hidden. */
void print_config_write(FILE *out, const struct conf *conf);
