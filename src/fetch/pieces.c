/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/pieces.h"

#include <stdlib.h>

#include "base/mem.h"

void pieces_add(struct pieces *pieces, const struct piece *piece)
{
	if (pieces->count == pieces->capacity) {
		pieces->capacity = pieces->capacity > 0 ? 2 * pieces->capacity : 1024;
		pieces->list = mem_realloc(pieces->list, pieces->capacity, sizeof *pieces->list);
	}
	pieces->list[pieces->count++] = *piece;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;

	if (left->earliest_ns != right->earliest_ns)
		return left->earliest_ns < right->earliest_ns ? -1 : 1;
	if (left->object != right->object)
		return left->object < right->object ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int compare_places(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;

	if (left->object != right->object)
		return left->object < right->object ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

void pieces_sum(struct pieces *pieces, const struct object *objects)
{
	pieces->bytes = pieces->requests = 0;
	for (size_t i = 0; i < pieces->count; i++) {
		const struct piece *piece = &pieces->list[i];
		uint64_t bytes = piece->length;

		if (bytes == 0)
			bytes = objects[piece->object].bytes;
		pieces->bytes += bytes;
		pieces->requests += piece->length > 0
					    ? 1
					    : (bytes + PIECES_PART_BYTES - 1) / PIECES_PART_BYTES;
	}
}

void pieces_join(struct pieces *pieces, size_t max_bytes, size_t max_plain_bytes)
{
	size_t kept = 0;

	if (pieces->count == 0)
		return;
	qsort(pieces->list, pieces->count, sizeof *pieces->list, compare_places);
	for (size_t i = 1; i < pieces->count; i++) {
		struct piece *last = &pieces->list[kept], *piece = &pieces->list[i];
		uint64_t end = last->offset + last->length;

		if (last->object != piece->object || last->length == 0 || piece->length == 0 ||
		    piece->offset - end > PIECES_HOLE_BYTES ||
		    piece->offset + piece->length - last->offset > max_bytes ||
		    (uint64_t)last->plain_bytes + piece->plain_bytes > max_plain_bytes) {
			pieces->list[++kept] = *piece;
			continue;
		}
		pieces->bytes += piece->offset - end;
		pieces->requests--;
		last->length = (uint32_t)(piece->offset + piece->length - last->offset);
		last->plain_bytes += piece->plain_bytes;
		if (piece->earliest_ns < last->earliest_ns)
			last->earliest_ns = piece->earliest_ns;
	}
	pieces->count = kept + 1;
	qsort(pieces->list, pieces->count, sizeof *pieces->list, compare_pieces);
}

void pieces_done(struct pieces *pieces)
{
	free(pieces->list);
}
