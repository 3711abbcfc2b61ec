/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where the daemon listens that a command is for. */

#include "conf/conf.h"
#include "spool/spool.h"

/* Where the packaged unit has its RuntimeDirectory=. */
#define FIND_DAEMON_PACKAGED "/run/kube-node-tracer/" SPOOL_CONTROL_SOCKET

/*
 * The socket in the spool is that of this very configuration; unless the command line names a spool, other places to
 * look are that of the packaged unit, and wherever a single daemon of a trusted account listens. A configuration that
 * was broken since the daemon's start does not keep anybody from asking it. The caller frees both.
 */
void find_daemon(const struct conf_cli *typed, char **ret_path, char **ret_spool);
