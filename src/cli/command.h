/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one table of commands: what the first word may be, which flags it takes and what it does. Help, manual and
 * completions are made from it; nothing else lists commands. To add one: a file with its function, its row, a test.
 */

#include "cli/command_line.h"

/* Ends with a row without a word. The first row is the command without a word. */
extern const struct command commands[];
