/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File and object names: NODE_20261123T083000.123Z_INTERFACE_00000042.pcap.gz. They sort by time within
 * a node, never repeat (the sequence number does not, not even across restarts and clock steps), and hold
 * no colon, blank or slash. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "segment/segment.h"

/* Write the file name into out. Characters of the interface's name that are not allowed become '-'. */
void name_format(const char *node, const char *interface, uint64_t start_ns, uint64_t sequence,
		 const char *extension, char out[SEGMENT_NAME_MAX + 1]);

/* The parts of a name, pointing into it. */
struct name_parts {
	size_t node_length; /* from the beginning of the name */
	const char *start;  /* 20261123T083000.123Z */
	const char *interface;
	size_t interface_length;
	uint64_t sequence;
};

/* Take a name apart; false if it has another shape. */
bool name_parse(const char *name, struct name_parts *ret_parts);

/* When the segment of this name begins (real time); 0 if the name has another shape. */
uint64_t name_start_ns(const char *name);

/* Order by start time, then sequence, whatever the node; names of other shapes first. As for qsort. */
int name_compare(const char *a, const char *b);

/* Append [PREFIX/]NODE/NAME; the prefix may be "". */
void name_object(const char *prefix, const char *node, const char *name, struct text *out);
