/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The objects of all nodes, in the layout by time. One question finds out whether there are any; then several threads
 * list the folders of the window, and, when all of them are done, those before it if that is necessary.
 */

#include "fetch/listing/batch.h"

struct by_time {
	struct batch batch;
	enum by_time_stage {
		BY_TIME_PROBE,
		BY_TIME_LIST,
		BY_TIME_OVER
	} stage;
	/* Folders, by their number since 1970: [next, end) are still to be taken, pieces at a time. */
	uint64_t next, end, piece;
	uint64_t first; /* of this round */
	uint64_t looked_back_s;
	unsigned running;
};

/* Some folders to be listed. */
struct by_time_job {
	uint64_t first, end;
	bool is_probe;
};

void by_time_begin(struct by_time *by_time, struct listing_work *work);
void by_time_done(struct by_time *by_time);

/* With work->lock held: take a job if there is one. While another is running there may be one again. */
bool by_time_take(struct by_time *by_time, struct by_time_job *ret_job);
/* Blocks on the network; locks. Afterwards work->changed is to be signalled. */
int by_time_run(struct by_time *by_time, const struct by_time_job *job,
		struct bucket_reader *reader, struct error *err)
	__attribute__((warn_unused_result));
