/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who talked to whom, from the indexes alone: no packet is read. Of each conversation in how many members of files it
 * is, and in how many of these a SYN or a RST was seen. Bounded; one thread, which starts others.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fetch/plan.h"

struct conversation {
	uint8_t low[16], high[16]; /* addresses; of IPv4 the first four bytes */
	uint64_t type;             /* see index/key.h */
	uint16_t port;             /* the lower one, or the type of ICMP */
	uint32_t members, with_syn, with_rst, with_fin;
};

struct conversations {
	struct conversation *list; /* those with the largest share of RST first, then the longest */
	size_t count;
	uint64_t left_out;     /* beyond CONVERSATIONS_MAX; counted for each file */
	size_t unlisted_files; /* that have packets of the window which no index lists */
};
#define CONVERSATIONS_MAX ((size_t)1 << 20)

/* Of the objects that the plan admits. As plan_make(). */
int conversations_gather(const struct plan_order *order, const struct plan *plan,
			 struct conversations *ret_conversations, struct error *err)
	__attribute__((warn_unused_result));
void conversations_done(struct conversations *conversations);

/* A table. */
void conversations_write(const struct conversations *conversations, FILE *out);
/* A list of objects; the caller owns it. */
struct json_t *conversations_json(const struct conversations *conversations)
	__attribute__((warn_unused_result));
