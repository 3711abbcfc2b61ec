/* SPDX-License-Identifier: Apache-2.0 */
#include "base/counters.h"

const char *const drop_reason_names[DROP_REASON_COUNT] = {
	[DROP_KERNEL] = "kernel", [DROP_INTERFACE] = "interface", [DROP_BUDGET] = "budget",
	[DROP_DISK] = "disk",     [DROP_REJECTED] = "rejected",
};
