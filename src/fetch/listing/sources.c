/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/sources.h"

#include <string.h>

#include "base/checksum.h"
#include "base/mem.h"

#define FIRST_CAPACITY 64

static bool is_text(const char *text, const char *bytes, size_t length)
{
	return strncmp(text, bytes, length) == 0 && text[length] == '\0';
}

static uint32_t hash_source(const char *node, size_t node_length, const char *interface,
			    size_t interface_length)
{
	uint32_t hash = crc32c_update(crc32c_update(0, node, node_length), "_", 1);

	return crc32c_update(hash, interface, interface_length);
}

static void enter_number(struct sources *sources, uint32_t number)
{
	const struct source *source = &sources->list[number];
	size_t slot = hash_source(source->node, strlen(source->node), source->interface,
				  strlen(source->interface));

	while (sources->slots[slot & (sources->slot_count - 1)])
		slot++;
	sources->slots[slot & (sources->slot_count - 1)] = number + 1;
}

static void make_room(struct sources *sources)
{
	if (sources->count < sources->capacity)
		return;
	sources->capacity = sources->capacity ? 2 * sources->capacity : FIRST_CAPACITY;
	sources->list = mem_realloc(sources->list, sources->capacity, sizeof *sources->list);
	sources->states = mem_realloc(sources->states, sources->capacity, sizeof *sources->states);
	free(sources->slots);
	sources->slot_count = 2 * sources->capacity;
	sources->slots = mem_calloc(sources->slot_count, sizeof *sources->slots);
	for (uint32_t i = 0; i < sources->count; i++)
		enter_number(sources, i);
}

uint32_t sources_number(struct sources *sources, const char *node, size_t node_length,
			const char *interface, size_t interface_length)
{
	size_t slot = hash_source(node, node_length, interface, interface_length);
	uint32_t number;

	for (; sources->slot_count; slot++) {
		number = sources->slots[slot & (sources->slot_count - 1)];
		if (number == 0)
			break;
		if (is_text(sources->list[number - 1].node, node, node_length) &&
		    is_text(sources->list[number - 1].interface, interface, interface_length))
			return number - 1;
	}
	if (sources->count == SOURCES_MAX)
		return UINT32_MAX;
	make_room(sources);
	number = (uint32_t)sources->count++;
	sources->list[number] = (struct source){ mem_strndup(node, node_length),
						 mem_strndup(interface, interface_length) };
	sources->states[number] = (struct source_state){ .newest_start_ns = 0 };
	enter_number(sources, number);
	return number;
}

void sources_done(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		free(sources->list[i].node);
		free(sources->list[i].interface);
	}
	free(sources->list);
	free(sources->states);
	free(sources->slots);
	*sources = (struct sources){ .count = 0 };
}
