/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The nodes that an earlier listing of this bucket found, in a file for a day: each with a time after which it had
 * begun no object. A hint: it says where to look first, and with one question whether a node is still silent; a
 * wrong one costs requests and never hides an object. Not locked.
 */

#include "conf/conf.h"

struct node_name {
	char *node;
	uint64_t newest_ns;
};

struct node_names {
	struct node_name *list; /* in byte order of the names; while it is being made in any */
	size_t count, capacity;
};

#define NODE_NAMES_MAX 1000000

/* Read those of conf's destination and prefix; none if the file is too old, or not one that we wrote. */
void node_names_read(struct node_names *names, const char *folder, const struct conf *conf);
/* Sort and write them; a failure is logged at level debug. */
void node_names_write(struct node_names *names, const char *folder, const struct conf *conf);
void node_names_add(struct node_names *names, const char *node, uint64_t newest_ns);
/* NULL: not known. */
const struct node_name *node_names_find(const struct node_names *names, const char *node);
/* The place of the first name that is not before this text. */
size_t node_names_lower(const struct node_names *names, const char *text);
void node_names_done(struct node_names *names);
