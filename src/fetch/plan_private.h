/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside plan: plan.c looks at objects, plan_pieces.c says what is to be read of one. */

#include "base/thread.h"
#include "fetch/plan.h"
#include "fetch/tail.h"

#define PLAN_PIECE_BYTES UINT64_C(1048576) /* until pieces_join(); unpacked, too */
/* Packets outside the times that a name says, or metadata of the first and the last record, as they were once. */
#define PLAN_EARLY_NS UINT64_C(2000000000)

struct planner {
	const struct plan_order *order;
	struct coverage *coverage;
	struct plan *plan;
	atomic_size_t next; /* object */
	atomic_bool is_failing;
	pthread_mutex_t lock; /* of coverage and plan */
	struct tail_budget budget;
};

/* One object while it is looked at, by one thread. */
struct subject {
	struct planner *planner;
	struct bucket_reader *reader;
	const struct object *object;
	struct planned *planned;
	struct tail tail;
	uint32_t number;
	uint8_t *wanted; /* a bit for each member: may it have a match, by its conversations? */
	struct match_file file;
	bool has_tunnels; /* in groups that have packets of the window */
	bool is_by_time;  /* the index can say nothing else */
};

/* Has the member a packet of the window? */
bool plan_overlaps(const struct subject *subject, const struct index_member *member);
/* Are the members that are wanted such as there may be? Otherwise the index is not to be believed. */
bool plan_can_want_members(const struct subject *subject);
/* What is wanted, in pieces. The lock is held. */
void plan_want_members(struct subject *subject);
/* All of it, as one piece. */
void plan_want_whole(struct subject *subject);
