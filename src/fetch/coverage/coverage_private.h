/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside coverage: what is kept of each file, of which there may be millions, and what follows for one interface. */

#include "base/drops.h"
#include "base/mem.h"
#include "fetch/coverage/coverage.h"
#include "fetch/coverage/interned.h"

enum piece_reason { /* why a file ended */
	REASON_OTHER,
	REASON_STOP,
	REASON_INTERFACE,
	REASON_RECOVERED,
};

/* A file of the bucket. */
struct piece {
	uint64_t start_ns, end_ns; /* end 0: not known */
	uint64_t since_ns, sequence, previous;
	uint64_t packets;
	uint32_t source;    /* its number */
	uint32_t drops;     /* number + 1 of its drops; 0: none */
	uint32_t why_lost;  /* number + 1 of the text; 0: it can be read */
	uint32_t max_age_s; /* 0: none */
	uint8_t reason;     /* enum piece_reason */
	bool is_known;
};

/* Packets that no file has, as one states them. */
struct stated_loss {
	uint32_t source;
	uint32_t reason; /* enum drop_reason */
	uint64_t from_ns, to_ns, packets;
};

/* A node's interface, and its files, stated losses: count of them from first on, once all are sorted. */
struct coverage_source {
	uint32_t node, name;
	bool is_expected; /* a file would be expected */
	size_t first_piece, pieces;
	size_t first_loss, losses;
};

struct coverage_node {
	bool has_files;
	uint32_t
		several; /* number + 1 of its source of no one interface, if the node is expected */
	bool is_unsynchronised;
	uint64_t clock_error_us;
};

struct coverage {
	struct window window;
	uint64_t now_ns, earliest_ns;
	bool is_sorted;
	bool is_here; /* of a node's spool, not of a bucket */
	struct interned nodes, names, keys, whys,
		recordings; /* keys: of sources; names: of interfaces */
	struct coverage_node *node_list;
	size_t node_capacity;
	struct coverage_source *sources;
	uint32_t *order; /* of sources, by name */
	size_t source_count, source_capacity;
	struct piece *pieces;
	size_t piece_count, piece_capacity;
	struct drops *drops;
	size_t drop_count, drop_capacity;
	struct stated_loss *losses;
	size_t loss_count, loss_capacity;
	uint64_t more_pieces, more_losses;   /* beyond what is kept */
	struct coverage_interval *intervals; /* of one source, see coverage_derive() */
	size_t interval_count, interval_capacity;
};

/* Room for one more in a list that grows by doubling. */
static inline void *coverage_make_room(void *list, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return list;
	*capacity = *capacity ? 2 * *capacity : 16;
	return mem_realloc(list, *capacity, size);
}

/* Sort what was added, and join what was added twice. */
void coverage_sort(struct coverage *coverage);
/* NULL: no file of it was added. */
const struct coverage_source *coverage_find(const struct coverage *coverage, const char *node,
					    const char *interface);
/* Fill coverage->intervals with those of this source. */
void coverage_derive(struct coverage *coverage, const struct coverage_source *source);

/* "1,204" */
void coverage_append_count(struct text *text, uint64_t count);
/* "14:03:10.2 to 14:03:12.9 not recorded (recorder was not running)" */
void coverage_append_interval(const struct coverage *coverage,
			      const struct coverage_interval *interval, struct text *text);
