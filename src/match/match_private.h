/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of this folder share. */

#include "base/thread.h"
#include "match/abstract.h"
#include "match/match.h"

/* The filter for one link type. Never changes once it is in the list. */
struct match_program {
	struct match_program *next;
	uint16_t link_type;
	char *problem;               /* NULL: there is a program, */
	struct bpf_program compiled; /* or none, which accepts nothing */
	struct abstract_program abstract;
};

struct match {
	char *filter;
	bool is_inner;
	pthread_mutex_t lock; /* of those who compile */
	_Atomic(struct match_program *) programs;
	unsigned count;
};

/* Compiles it if need be; any thread. */
const struct match_program *match_program_of(struct match *match, uint16_t link_type);
