/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

const struct command commands[] = {
#define COMMAND(function, ...) { .run = function, __VA_ARGS__ },
#include "cli/commands.def"
#undef COMMAND
	{ .word = NULL },
};
