/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All names of a bucket, shared out to threads that walk over them: each has a range, and who has none takes over a
 * part of the largest one. Together they are always all names that were not walked over yet. Not locked.
 */

#include "fetch/listing/node_names.h"
#include "fetch/listing/patterns.h"

/* Names below the prefix. */
struct range {
	char *position; /* from here on; NULL: there is none */
	char *floor;    /* no folder from position on is cut by a key beyond this one */
	char *end;      /* below this; NULL: to the last */
	size_t guess;   /* where nodes differ at the latest, see cut_range() */
	bool is_inside; /* position is in the folder that ends at floor */
	bool is_stolen; /* and nothing was found in it yet */
	bool has_found;
};

struct key_ranges {
	unsigned threads;
	struct range *list;    /* one for each thread */
	struct range *waiting; /* for the first who come */
	size_t waiting_count;
	struct node_names known; /* of an earlier run */
	size_t nodes;            /* that were found */
	size_t wasted;           /* thefts of nothing, or that are not known to be more */
};

/* All names that match, but none if they are all of nodes that are named. ranges->known may be filled before. */
void key_ranges_begin(struct key_ranges *ranges, unsigned threads, const struct patterns *patterns);
void key_ranges_done(struct key_ranges *ranges);

/* Whether this thread has a range, or is given one now. */
bool key_ranges_take(struct key_ranges *ranges, unsigned thread);
/* Whether no thread has. */
bool key_ranges_are_over(const struct key_ranges *ranges);
/* After each question for the first name of a range: without one the range is over. */
void key_ranges_settle(struct key_ranges *ranges, struct range *range, bool is_found);
void range_clear(struct range *range);
