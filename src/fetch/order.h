/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What find and fetch are asked for, and how they end. Plain values. */

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/* What is asked. Texts as typed; NULL: not given. */
struct fetch_order {
	const struct conf *conf; /* of the destination, which is read here */
	const char *from, *to, *around, *window;
	const char *nodes, *interfaces;
	const char *filter;    /* "": everything */
	const char *output;    /* fetch: FILE, or "-" */
	const char *cache;     /* folder */
	uint64_t lookback_s;   /* 0: as found necessary */
	uint64_t limit_bytes;  /* to read */
	uint64_t memory_bytes; /* 0: not given */
	unsigned threads;
	bool all_nodes;        /* also those that were silent for long */
	bool is_all;           /* no filter, many nodes, a long window: meant so */
	bool is_here;          /* in this node's spool, not in the bucket */
	bool is_conversations; /* find: who talked to whom */
	bool is_inner, is_split, is_json, is_quiet, is_dry_run, is_strict;
};

/* Of the process. */
enum fetch_status {
	FETCH_FOUND = 0,
	FETCH_NOTHING = 1,
	FETCH_SHORT = 2,        /* --limit, or --strict and something is missing */
	FETCH_UNAVAILABLE = 69, /* the bucket does not answer */
	FETCH_NO_OUTPUT = 74,   /* the result cannot be written */
	FETCH_STOPPED = 130,    /* Ctrl-C */
};
