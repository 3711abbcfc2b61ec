/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The commands: they ask a running recorder over its control socket, and print what it says. Always an
 * answer within a second or a few, also when there is no recorder, or one that is busy.
 */

#include "conf/conf.h"

/*
 * Do what cli->action, a command, says. conf is NULL where there is none that can be used. Returns the exit
 * status of the process.
 */
int client_run(const struct conf_cli *cli, const struct conf *conf);
