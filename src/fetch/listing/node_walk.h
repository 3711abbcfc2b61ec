/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Walks over the nodes of a bucket that nobody has named. One question gives the first name from a place on, hence
 * its node, and the next place is behind all of that node's: NODE0, because '0' follows '/'. Threads share the work.
 */

#include "fetch/listing/key_ranges.h"
#include "fetch/listing/listing_private.h"

struct node_walk {
	struct listing_work *work;
	struct key_ranges ranges;
	struct node_names found; /* for the next run */
	size_t foreign_pages;    /* with nothing of ours */
};

void node_walk_begin(struct node_walk *walk, struct listing_work *work);
void node_walk_done(struct node_walk *walk);

/*
 * Find the next node of this thread's range, of which there is one, and list it. Blocks on the network; locks; signals
 * work->changed.
 */
int node_walk_step(struct node_walk *walk, unsigned thread, struct bucket_reader *reader,
		   struct error *err) __attribute__((warn_unused_result));
