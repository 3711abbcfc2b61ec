/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From root to an account that can do nothing but capture. Main thread, before any other is started.
 */

#include <stdbool.h>

#include "base/error.h"
#include "conf/conf.h"

/*
 * Started as root: become daemon.user and keep CAP_NET_RAW alone, so that interfaces can be opened again
 * later. A start gives the account the spool; --check-config leaves the spool as it is (is_check), and goes on
 * with the rights that a start would have. Otherwise nothing changes. An unknown account: ERROR_CONFIG or
 * ERROR_USAGE.
 */
int privileges_drop(const struct conf *conf, bool is_check, struct error *err)
	__attribute__((warn_unused_result));
/*
 * No core dump and no debugger, unless daemon.core_dumps allows them: before the first key is read.
 * privileges_drop() keeps it so.
 */
int privileges_close_memory(const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/*
 * As root, before anything is changed: is there such an account, may it be given the spool's folder, and can
 * it get there? ERROR_CONFIG or ERROR_USAGE. Memory has to be closed afterwards, not before.
 */
int privileges_check(const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
