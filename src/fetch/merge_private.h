/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside merge: merge.c reads pieces and makes runs of them, in many threads; merge_output.c takes from the runs what
 * can be written.
 */

#include "base/thread.h"
#include "fetch/merge.h"
#include "fetch/sorted_run.h"

/* Packets that have one description in the result. */
struct stream {
	uint32_t source;    /* in the listing */
	uint32_t interface; /* of a pcapng file that has several */
	uint32_t object;    /* one that has it: for its folder */
	uint16_t link_type;
	bool is_nano, is_known; /* to the result */
	uint32_t result_id;
};

/* A run in the heap, by the time of its next packet. */
struct head {
	uint64_t time_ns;
	uint64_t offset; /* of its piece, and its number there: for packets of the same time */
	uint32_t object, number;
	struct run *run;
};

struct merge {
	const struct merge_order *order;
	struct coverage *coverage;
	struct merge_total *total;

	pthread_mutex_t large; /* see decode_file(); never waited for with the lock held */
	pthread_mutex_t lock;  /* of all that follows */
	pthread_cond_t changed;
	size_t next;            /* piece to be read */
	size_t first_undone;    /* all before it are done */
	uint8_t *is_done;       /* by piece */
	uint64_t reading_bytes; /* of memory */
	uint64_t read_bytes;
	struct head *heap;
	size_t heap_count, heap_capacity;
	uint64_t run_bytes; /* in memory */
	int spill_fd;
	uint64_t spill_offset;
	struct stream *streams;
	size_t stream_count, stream_capacity;
	enum merge_end end;
	struct error failure;
};

static inline bool merge_is_same_stream(const struct stream *a, const struct stream *b)
{
	return a->source == b->source && a->interface == b->interface &&
	       a->link_type == b->link_type && a->is_nano == b->is_nano;
}

/* The number of a stream, which is entered if it is new. The lock is held for these, and taken by none. */
uint32_t merge_find_stream(struct merge *merge, const struct stream *wanted);
/* A run that has a packet: it belongs to the merge now. */
void merge_add_run(struct merge *merge, struct head head);
/* Write all packets before which none can come any more. */
int merge_drain(struct merge *merge, struct error *err) __attribute__((warn_unused_result));
