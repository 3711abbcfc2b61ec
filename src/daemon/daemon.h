/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The whole: builds the stages, connects them, and runs the event loop of the main thread: signals,
 * timers, notifications, reload, and the stop in flow order.
 */

#include "base/error.h"
#include "conf/conf.h"

/*
 * Run until a signal says stop. The command line is read again at a reload. Takes a reference to conf.
 * Returns 0 after a clean stop; -1 with err where start-up failed or the process can no longer do its job.
 * ret_is_hung: threads are left that a disk keeps from ending; the caller has to end the process by _exit().
 */
int daemon_run(const struct conf *conf, const struct conf_cli *cli, bool *ret_is_hung,
	       struct error *err) __attribute__((warn_unused_result));

/*
 * check-config: everything that a start would check, in that order, without changing anything. Offline: what another
 * machine, such as one that builds an image for this configuration, can know of it.
 */
int daemon_check(const struct conf *conf, bool is_offline, struct error *err)
	__attribute__((warn_unused_result));
