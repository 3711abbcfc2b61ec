/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The objects of a listing that are looked at together, a node's or (by time) all nodes': which are kept, and how far
 * the listing has to look back for them.
 */

#include "fetch/listing/listing_private.h"
#include "fetch/listing/object_name.h"

struct batch {
	struct listing_work *work;
	uint32_t number;
	bool is_whole_fleet;    /* nodes may be in it that nothing was listed of yet */
	struct object *objects; /* that are kept, as far as can be said */
	size_t count, capacity;
	uint32_t *sources; /* numbers */
	size_t source_count, source_capacity;
	size_t listed;      /* also of other interfaces */
	uint64_t newest_ns; /* the last beginning; 0: none */
	/* As the metadata say. */
	uint64_t max_age_s; /* the longest */
	bool is_unbounded;  /* or none, or not known */
	bool has_unnamed; /* there may be interfaces that nothing was listed of, and nothing names */
	char interfaces[256]; /* as they were noted last */
	bool is_full;
};

void batch_begin(struct batch *batch, struct listing_work *work, bool is_whole_fleet);
/* An object of a wanted node. Locks. False: there are too many (is_full). */
bool batch_add(struct batch *batch, const struct sink_item *item, const struct object_place *place);

/* The rest with work->lock held. */

/* How far before the window the listing must go, having gone so far; 0: no farther. */
uint64_t batch_next_lookback(const struct batch *batch, uint64_t looked_back_s);
/* Hand over what is kept. Anyway: batch_done(). */
int batch_finish(struct batch *batch, uint64_t looked_back_s, struct error *err)
	__attribute__((warn_unused_result));
void batch_done(struct batch *batch);
