/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_private.h"
#include "index/reader.h"

#define CONVERSATION_BYTES_MIN \
	6 /* each of its numbers takes at least one byte, and so does its member */
#define DIFFERENCE_MAX (UINT64_C(1) << 34)

struct conversations {
	const struct index_section *section;
	const struct index_addresses *addresses;
	struct index_conversation *list;
	uint32_t count;
	uint32_t *members; /* of all of them, in order */
	size_t postings, capacity;
};

static void free_conversations(struct conversations *all)
{
	free(all->list);
	free(all->members);
}

/* Bounded by the members, and by the bytes that there are for its columns. */
static void add_member(struct conversations *all, struct reader *reader, uint64_t number)
{
	if (number >= all->section->members || 3 * all->postings >= all->section->plain_bytes) {
		reader->is_bad = true;
		return;
	}
	if (all->postings == all->capacity) {
		all->capacity = all->capacity > 0 ? 2 * all->capacity : 1024;
		all->members = mem_realloc(all->members, all->capacity, sizeof *all->members);
	}
	all->members[all->postings++] = all->section->first_member + (uint32_t)number;
}

/* A list of differences, or a bitmap. */
static void read_members(struct conversations *all, struct reader *reader,
			 struct index_conversation *conversation)
{
	size_t before = all->postings;
	uint32_t count = reader_count(reader, 1);
	uint64_t number = 0;

	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint64_t difference = reader_varint(reader);

		reader->is_bad |= difference > UINT32_MAX || (i > 0 && difference == 0);
		number += difference;
		add_member(all, reader, number);
	}
	if (count == 0) {
		const uint8_t *bitmap = reader_take(reader,
						    ((size_t)all->section->members + 7) / 8);

		for (uint32_t i = 0; bitmap && !reader->is_bad && i < all->section->members; i++)
			if (bitmap[i / 8] >> i % 8 & 1)
				add_member(all, reader, i);
	}
	conversation->count = (uint32_t)(all->postings - before);
	reader->is_bad |= conversation->count == 0;
}

/* Of places in ADDRESSES: what is larger than any can be is refused before it is added to something. */
static int64_t read_difference(struct reader *reader)
{
	uint64_t value = reader_varint(reader);

	reader->is_bad |= value > DIFFERENCE_MAX;
	return reader->is_bad ? 0 : unzigzag(value);
}

static void read_conversation(struct conversations *all, struct reader *reader, uint32_t place)
{
	const struct index_addresses *addresses = all->addresses;
	int64_t count = (int64_t)addresses->ipv4_count + addresses->ipv6_count;
	struct index_conversation *conversation = &all->list[place];
	int64_t low_before = place > 0 ? conversation[-1].low : 0;
	int64_t low = low_before + read_difference(reader);
	int64_t high_before = place > 0 && low == low_before ? conversation[-1].high : low;
	int64_t high = high_before + read_difference(reader);
	uint64_t type = reader_varint(reader), port = reader_varint(reader);

	if (reader->is_bad || low < 0 || low >= count || high < 0 || high >= count ||
	    type >= addresses->types_count || port > UINT16_MAX) {
		reader->is_bad = true;
		return;
	}
	*conversation = (struct index_conversation){
		.low = (uint32_t)low,
		.high = (uint32_t)high,
		.type = addresses->types[type],
		.port = (uint16_t)port,
	};
	read_members(all, reader, conversation);
}

/* Where each finds its members and its part of the columns. */
static bool place_columns(struct conversations *all, struct reader *reader)
{
	const uint8_t *columns = reader_take(reader, 3 * all->postings);
	size_t at = 0;

	if (!columns || reader_left(reader) > 0)
		return false;
	for (uint32_t i = 0; i < all->count; i++) {
		struct index_conversation *conversation = &all->list[i];

		conversation->members = all->members + at;
		conversation->flags = columns + at;
		conversation->hints_low = columns + all->postings + at;
		conversation->hints_high = columns + 2 * all->postings + at;
		at += conversation->count;
	}
	return true;
}

int index_read_conversations(const struct index_section *section, const uint8_t *plain,
			     const struct index_addresses *addresses,
			     void (*visit)(void *context, const struct index_conversation *),
			     void *context, struct error *err)
{
	cleanup(free_conversations) struct conversations all = { .section = section,
								 .addresses = addresses };
	struct reader reader = reader_over(plain, section->plain_bytes);

	all.count = reader_count(&reader, CONVERSATION_BYTES_MIN);
	reader.is_bad |= all.count > INDEX_CONVERSATIONS_MAX;
	if (!reader.is_bad)
		all.list = mem_calloc(all.count, sizeof *all.list);
	for (uint32_t i = 0; i < all.count && !reader.is_bad; i++)
		read_conversation(&all, &reader, i);
	if (reader.is_bad || !place_columns(&all, &reader))
		return error_set(err, ERROR_REJECTED,
				 "the index is damaged: its conversations cannot be read");
	for (uint32_t i = 0; i < all.count; i++)
		visit(context, &all.list[i]);
	return 0;
}
