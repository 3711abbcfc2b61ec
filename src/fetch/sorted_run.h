/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A run: packets of one stretch of one file, in order of time. A thread makes it, and hands it to the merge. In memory,
 * or in a temporary file that the merge has for those that it has no memory for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct run_packet {
	uint64_t time_ns;
	uint32_t captured, original;
	uint32_t stream;       /* its number, see merge.h */
	const uint8_t *packet; /* borrowed; of a run in a file: until the next call for it */
};

struct run;

struct run *run_new(void);
struct run *run_free(struct run *run);
/* In any order; memory for it grows as needed. */
void run_add(struct run *run, const struct run_packet *packet);
size_t run_bytes(const struct run *run); /* of memory */
/* No more are added: put them in order of time, those of the same time as they came. */
void run_sort(struct run *run);
/* Move it to the end of a file, at *offset, which moves on; it reads on from there. */
int run_spill(struct run *run, int fd, uint64_t *offset, struct error *err)
	__attribute__((warn_unused_result));

/* The time of the first packet that is left; false: there is none. */
bool run_next_time(const struct run *run, uint64_t *ret_time_ns);
/* Take it. */
int run_take(struct run *run, struct run_packet *ret_packet, struct error *err)
	__attribute__((warn_unused_result));
