/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sources that a listing has met, each with a number: nodes' interfaces. Not locked. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fetch/listing/object.h"

/* How far back the search for a source has come. */
struct source_state {
	/*
	 * The newest object that begins surely before the window: whatever began before that, with a smaller
	 * number, had ended by then.
	 */
	uint64_t newest_start_ns, newest_sequence;
	bool is_covered; /* what is older than all that was listed cannot reach into the window */
	bool is_late;    /* that was given up */
	uint32_t batch;  /* the last one that it was in */
};

struct sources {
	struct source *list;
	struct source_state *states;
	size_t count, capacity;
	uint32_t *
		slots; /* a hash table: numbers + 1; 0: empty. A power of two, at most half full. */
	size_t slot_count;
};

#define SOURCES_MAX (UINT32_C(1) << 20)

/* The number of this source, a new one if it was not met before; UINT32_MAX: there are too many. */
uint32_t sources_number(struct sources *sources, const char *node, size_t node_length,
			const char *interface, size_t interface_length);
void sources_done(struct sources *sources);
