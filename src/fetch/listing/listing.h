/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which objects of the bucket may have packets of a window. Both layouts are recognised, whatever the configuration
 * says. Blocks on the network; for one thread, which starts others. Never reads an object.
 *
 * What is found: each object of the wanted nodes and interfaces that may have a packet of [from, to). Metadata decide
 * that where they know the times of packets; without them an object is left out only if it begins 2 s after the
 * window, or another one of its source was begun since, 2 s before the window.
 *
 * A file that began long before the window is looked for until, for each interface, one is found that begins before
 * it, or nothing older can reach so far by segment.age; at most 25 h back. What this cannot know of: with
 * the layout by time, a node that has nothing in reach by the segment.age of those that have.
 */

#include "fetch/bucket.h"
#include "fetch/listing/listing_order.h"
#include "fetch/listing/object.h"

struct listing {
	struct object *objects; /* by node, interface, start, sequence */
	size_t count;
	/* All that were met, also without an object here; in no order. An object's number stays what it was. */
	struct source *sources;
	size_t sources_count;
	/* By source: looked back as far as allowed, and what is older may still reach into the window. */
	bool *is_late;
	size_t nodes;           /* that have something near the window */
	size_t silent_nodes;    /* that have objects, but none near it */
	size_t foreign;         /* objects that are not ours, as far as they were met */
	uint64_t looked_back_s; /* at most */
};

/*
 * on_metadata (may be NULL) is called for each object of the wanted sources that was listed with metadata, also for
 * those before the window that are not in the result: by any thread, one at a time; both are borrowed.
 * ERROR_CONFIG: the bucket cannot be listed, or holds other things; ERROR_USAGE: the window has too many objects;
 * ERROR_TRANSIENT: no answer, or bucket->cancel. The result is to be freed by listing_free().
 */
int listing_make(struct bucket *bucket, const struct listing_order *order,
		 void (*on_metadata)(void *context, const struct object *object,
				     const struct segment *segment),
		 void *context, struct listing *ret_listing, struct error *err)
	__attribute__((warn_unused_result));
void listing_free(struct listing *listing);
/* What can be said of one of its objects by the name. */
void listing_describe(const struct listing *listing, const struct object *object,
		      struct segment *ret_segment);
