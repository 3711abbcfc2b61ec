/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The commands that are the daemon itself: run, and check-config, which stops short of it. Main thread only. */

#include "cli/command_line.h"

int start_run(struct command_line *line);
int start_check_config(struct command_line *line);
