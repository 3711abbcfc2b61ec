/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where objects are in the bucket, in both layouts: [PREFIX/]NODE/FILE and [PREFIX/]YYYY/MM/DD/HHMM/FILE. A bucket
 * may have both, because the layout was changed once. "Below" means without the prefix. Pure.
 */

#include "segment/segment.h"

#define OBJECT_NAME_NODE_MAX 253 /* longer folders are nobody's */

enum object_kind {
	OBJECT_FOREIGN,
	OBJECT_RESERVED, /* incidents/ */
	OBJECT_BY_NODE,
	OBJECT_BY_TIME,
};

/* The parts of a name, pointing into it. */
struct object_place {
	const char *
		folder; /* the first one below the prefix: with OBJECT_BY_NODE the whole name of the node */
	size_t folder_length;
	const char *file;
	struct name_parts parts; /* of file */
	uint64_t start_ns;
};

/* Take a name apart that begins with this prefix ("" or "PREFIX/"). What is foreign or reserved has no ret_place. */
enum object_kind object_name_parse(const char *prefix, const char *name,
				   struct object_place *ret_place);

/* A node as file names have it: a long one is cut, and has a checksum. */
void object_name_node(const char *node, char out[SEGMENT_NAME_MAX + 1]);

/* "PREFIX/NODE/NODE_": what all names of a node begin with. The caller frees. */
char *object_name_of_node(const char *prefix, const char *node);
/* "PREFIX/NODE/NODE_TIME": what a node has begun since then is not before it. The caller frees. */
char *object_name_since(const char *prefix, const char *node, uint64_t real_ns);
/* "PREFIX/YYYY/MM/DD/HHMM": the five minutes of this time. The caller frees. */
char *object_name_minutes(const char *prefix, uint64_t real_ns);
