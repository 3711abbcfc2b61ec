/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A capture file in the bucket that may have packets of the window. Plain values, of which there may be very many. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose packets: a node's interface, as file names have it. */
struct source {
	char *node, *interface;
};

struct object {
	char *name;    /* below the destination: [PREFIX/]NODE/FILE, or by time */
	char *version; /* see struct sink_item */
	uint64_t bytes;
	uint32_t source;             /* its number in struct listing */
	uint64_t sequence, start_ns; /* by its name */
	/* As its metadata say. */
	bool has_metadata;
	bool is_growing; /* it is being written, and ends where it can no longer be read */
	uint64_t earliest_ns, latest_ns; /* of its packets; 0 without any */
	uint64_t end_ns;
	uint32_t index_tail_bytes; /* of its index, all but conversations; 0: not known */
};
