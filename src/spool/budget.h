/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How many segments have to go when the spool is over its limits. Pure: numbers in, a number out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
	uint64_t max_segments;
	uint64_t max_bytes;        /* 0: no limit */
	unsigned min_free_percent; /* of the file system */
};

struct budget_state {
	uint64_t segments, bytes;       /* everything that waits, also what is being sent */
	uint64_t disk_total, disk_free; /* of the file system, in bytes; total 0: unknown */
};

/*
 * Given the sizes of what may be deleted, in the order in which it would be, return how many to delete.
 * ret_is_short is set if even deleting them all leaves less free space than the floor.
 */
size_t budget_excess(const struct budget *budget, struct budget_state state, const uint64_t *sizes,
		     size_t count, bool *ret_is_short);
