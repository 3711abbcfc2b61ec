/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/coverage/interned.h"

#include <string.h>

#include "base/mem.h"

#define PLACES_MIN UINT32_C(16)

static uint32_t hash_text(const struct interned *interned, const char *text)
{
	size_t length = strlen(text);
	uint32_t hash = (uint32_t)length;

	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, text + i, length - i < sizeof word ? length - i : sizeof word);
		hash = hash_words(&interned->keys, word, hash);
	}
	return hash;
}

/* The place of this text, or the empty one where it belongs. */
static uint32_t *find_place(const struct interned *interned, const char *text)
{
	uint32_t mask = interned->place_count - 1;

	for (uint32_t i = hash_text(interned, text);; i++) {
		uint32_t *place = &interned->places[i & mask];

		if (*place == INTERNED_NONE || strcmp(interned->list[*place], text) == 0)
			return place;
	}
}

/* At most half of the places are taken. */
static void grow_places(struct interned *interned)
{
	if (!interned->places)
		hash_keys_init(&interned->keys);
	interned->place_count = interned->places ? 2 * interned->place_count : PLACES_MIN;
	interned->places = mem_realloc(interned->places, interned->place_count,
				       sizeof *interned->places);
	interned->list = mem_realloc(interned->list, interned->place_count / 2,
				     sizeof *interned->list);
	memset(interned->places, 0xff, interned->place_count * sizeof *interned->places);
	for (uint32_t i = 0; i < interned->count; i++)
		*find_place(interned, interned->list[i]) = i;
}

uint32_t interned_add(struct interned *interned, const char *text)
{
	uint32_t *place;

	if (interned->count == interned->place_count / 2)
		grow_places(interned);
	place = find_place(interned, text);
	if (*place == INTERNED_NONE) {
		*place = interned->count;
		interned->list[interned->count++] = mem_strdup(text);
	}
	return *place;
}

uint32_t interned_find(const struct interned *interned, const char *text)
{
	return interned->places ? *find_place(interned, text) : INTERNED_NONE;
}

void interned_done(struct interned *interned)
{
	for (uint32_t i = 0; i < interned->count; i++)
		free(interned->list[i]);
	free(interned->list);
	free(interned->places);
	*interned = (struct interned){ .count = 0 };
}
