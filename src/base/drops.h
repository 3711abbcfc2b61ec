/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Packets that the kernel delivered but no file contains, by reason. A plain value. */

#include <stdint.h>

enum drop_reason {
	DROP_KERNEL, /* the ring was full */
	/*
	 * The hardware or driver had no room: rx_missed_errors and rx_fifo_errors in sysfs, which libpcap 1.10
	 * reads only in promiscuous mode, and never for "any".
	 */
	DROP_INTERFACE,
	DROP_BUDGET,   /* the spool was full */
	DROP_DISK,     /* the file could not be written */
	DROP_REJECTED, /* its segment can never be uploaded and was moved to rejected/ */
	DROP_REASON_COUNT,
};

/* "kernel", "interface", …: as in logs and object metadata. */
extern const char *const drop_reason_names[DROP_REASON_COUNT];

struct drops {
	uint64_t count[DROP_REASON_COUNT];
};

void drops_add(struct drops *drops, const struct drops *more);
uint64_t drops_sum(const struct drops *drops);
