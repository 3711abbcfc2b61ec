/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What find and fetch do alike: from an order to a plan, with what is said on the way. One thread, which blocks. */

#include "fetch/order.h"
#include "fetch/plan.h"

struct search {
	const struct fetch_order *order;
	struct window window;
	struct match *match;
	struct here here;
	struct bucket bucket;
	unsigned threads;
	uint64_t memory_bytes;
	bool has_bucket;
	struct listing listing;
	struct coverage *coverage;
	struct plan plan;
};

/*
 * Make the plan. The window and the filter as they were understood are the first two lines on standard error.
 * Returns 0, or an exit status that was explained, or -1. To be given to search_close() in any case.
 */
int search_open(const struct fetch_order *order, struct search *ret_search, struct error *err)
	__attribute__((warn_unused_result));
void search_close(struct search *search);
/* Set by Ctrl-C. */
const atomic_bool *search_cancel(void);
/* An exit status for a failure of the bucket: explains it, or returns -1. */
int search_explain(struct error *err);
/* Interfaces for which no file was found that begins before the window, though one may be further back. */
size_t search_count_late(const struct search *search);
/* Beneath the answer: what was not searched, and what it is worth. */
void search_say_coverage(const struct search *search, bool is_found);
/* FETCH_SHORT with --strict, where something is missing; else what it was. */
int search_strict(const struct search *search, int status);
