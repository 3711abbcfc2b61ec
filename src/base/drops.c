/* SPDX-License-Identifier: Apache-2.0 */
#include "base/drops.h"

const char *const drop_reason_names[DROP_REASON_COUNT] = {
	[DROP_KERNEL] = "kernel", [DROP_INTERFACE] = "interface", [DROP_BUDGET] = "budget",
	[DROP_DISK] = "disk",     [DROP_REJECTED] = "rejected",
};

void drops_add(struct drops *drops, const struct drops *more)
{
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		drops->count[i] += more->count[i];
}

uint64_t drops_sum(const struct drops *drops)
{
	uint64_t sum = 0;

	for (int i = 0; i < DROP_REASON_COUNT; i++)
		sum += drops->count[i];
	return sum;
}
