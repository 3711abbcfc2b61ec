/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packets of a plan, of all files in one order of time. Pieces are read, unpacked and filtered by many threads, in
 * order of their earliest packet; what they yield are sorted runs, and a packet is written as soon as no piece that is
 * still to come can hold an earlier one. Memory is bounded: runs for which there is none wait in a temporary file.
 */

#include "fetch/plan.h"
#include "fetch/result/result.h"

struct merge_order {
	struct bucket *bucket;
	const struct listing *listing;
	const struct window *window;
	struct match *match;
	struct plan *plan; /* what is learned of its objects goes there */
	struct result *result;
	unsigned threads;
	uint64_t memory_bytes;        /* of pieces and runs */
	const char *temporary_folder; /* for runs */
	/* Called by any thread, one at a time, at least for each piece: how far it is. May be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t time_ns);
	void *progress_context;
};

struct merge_total {
	uint64_t packets, earliest_ns, latest_ns;
	uint64_t unordered;  /* written behind later ones: their file's times say otherwise */
	uint64_t unwritable; /* no reader would take them */
	size_t interfaces;
	uint32_t *sources; /* of the listing, by interface of the result; the caller frees */
	uint64_t spilled_bytes;
};

enum merge_end {
	MERGE_DONE,
	MERGE_STOPPED,   /* Ctrl-C */
	MERGE_NO_OUTPUT, /* the result cannot be written: err says why */
	MERGE_NO_BUCKET, /* nor the bucket be read */
};

/* Blocks until the end. Files that cannot be read are told to coverage, and the rest goes on. */
enum merge_end merge_run(const struct merge_order *order, struct coverage *coverage,
			 struct merge_total *ret_total, struct error *err);
