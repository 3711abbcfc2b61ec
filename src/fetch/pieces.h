/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What has to be read: stretches of objects, in a list that grows. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "fetch/listing/object.h"

/* Between two pieces of an object: these bytes are read, too, rather than asked for once more. */
#define PIECES_HOLE_BYTES UINT64_C(131072)
/* A whole object is read in parts of this size. */
#define PIECES_PART_BYTES UINT64_C(1048576)

/* What has to be read at once. */
struct piece {
	uint64_t offset;
	uint64_t earliest_ns; /* no packet in it is earlier */
	uint32_t length;      /* 0: all of the object, from its first byte */
	uint32_t plain_bytes; /* of what is wanted in it, unpacked: no more can match */
	uint32_t object;      /* its number in the listing */
};

struct pieces {
	struct piece *list;
	size_t count, capacity;
	uint64_t bytes, requests; /* of reading them, see pieces_sum() */
};

void pieces_add(struct pieces *pieces, const struct piece *piece);
/* How many bytes and requests they are, of these objects. */
void pieces_sum(struct pieces *pieces, const struct object *objects);
/*
 * Have pieces of the same object that are close to each other read at once, as far as they are not longer than
 * max_bytes, and max_plain_bytes unpacked; and put all in order of time.
 */
void pieces_join(struct pieces *pieces, size_t max_bytes, size_t max_plain_bytes);
void pieces_done(struct pieces *pieces);
