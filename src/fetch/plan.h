/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What has to be read of each object, by its index and the filter: first its tail, which often says that there is
 * nothing in it, then the conversations. A file without an index, or with a damaged one, is read whole. Nothing
 * that may hold a match is left out.
 */

#include "fetch/bucket.h"
#include "fetch/coverage/coverage.h"
#include "fetch/listing/listing.h"
#include "fetch/pieces.h"
#include "fetch/when.h"
#include "index/index.h"
#include "match/match.h"

enum planned_state {
	PLANNED_NOTHING,      /* no packet of it can match */
	PLANNED_MEMBERS,      /* some of its members */
	PLANNED_WHOLE,        /* it has no index that can be used */
	PLANNED_NOT_SEARCHED, /* the filter cannot be used for its type of link */
	PLANNED_LOST,         /* it cannot be read */
};

/* One object, by its number in the listing. */
struct planned {
	enum planned_state state;
	uint32_t members, wanted;
	uint64_t wanted_bytes;           /* of these members */
	uint64_t earliest_ns, latest_ns; /* and of their packets; of a whole file 0 */
	struct index_file file;          /* with an index */
	bool has_problem;                /* counted in not_searched */
};

struct plan_order {
	struct bucket *bucket;
	const struct listing *listing;
	const struct window *window;
	struct match *match;
	bool has_filter;
	unsigned threads;
};

struct plan {
	struct planned *objects;   /* as many as the listing has */
	struct pieces pieces;      /* in order of time */
	uint64_t window_bytes;     /* of all objects that may have packets of the window */
	size_t admitted, searched; /* objects: with something to read; that were looked at */
	size_t with_tunnels; /* objects with packets in tunnels, as far as their indexes were asked */
	size_t too_complex; /* objects where the filter took too long to judge: all was taken */
	/*
	 * Files with packets of a type of link for which the filter cannot be used, and why not for the first one. Of a
	 * file that has no index this is known when it was read.
	 */
	size_t not_searched;
	char not_searched_why[256];
};

/*
 * Look at all objects of the listing. What is learned about them goes to coverage. Returns ERROR_CONFIG (no right to
 * read) or ERROR_TRANSIENT (the bucket does not answer): an object that cannot be read is only lost.
 */
int plan_make(const struct plan_order *order, struct coverage *coverage, struct plan *ret_plan,
	      struct error *err) __attribute__((warn_unused_result));
/* The filter cannot be used for packets of this object, and this is why. */
void plan_note_problem(struct plan *plan, struct planned *planned, const char *problem);
void plan_free(struct plan *plan);
