/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "index/index_private.h"
#include "index/key.h"

#define POSTINGS_MAX 262144
#define MEMBERS_MAX  UINT16_MAX
#define PROBES_MAX   32
#define SLOTS_MIN    1024

void group_begin(struct group *group, struct index_pool *pool, uint32_t first_member)
{
	*group = (struct group){ .pool = pool, .first_member = first_member };
	hash_keys_init(&group->hash);
}

void group_end(struct group *group)
{
	struct index_pool *pool = group->pool;

	if (!pool)
		return;
	pool_array_free(pool, &group->conversations, sizeof(struct group_conversation));
	pool_array_free(pool, &group->slots, sizeof(uint16_t));
	pool_array_free(pool, &group->addresses, 16);
	pool_array_free(pool, &group->address_slots, sizeof(uint32_t));
	pool_array_free(pool, &group->types, sizeof(uint64_t));
	pool_array_free(pool, &group->postings, sizeof(struct group_posting));
	pool_array_free(pool, &group->ends, sizeof(uint32_t));
	group->pool = NULL;
}

/* Whatever these keys are, is there room for all of them within the limits of a group? */
static bool has_room(const struct group *group, const struct chunk_keys *keys)
{
	return group->conversations.count + keys->count <= INDEX_CONVERSATIONS_MAX &&
	       group->postings.count + keys->count <= POSTINGS_MAX &&
	       group->types.count + keys->count <= INDEX_TYPES_MAX &&
	       group->addresses.count + keys->address_count <= INDEX_ADDRESSES_MAX &&
	       group->ends.count < MEMBERS_MAX;
}

static uint32_t hash_conversation(const struct group *group, const struct group_conversation *c)
{
	return hash_words(&group->hash, c->pair, c->what);
}

static uint32_t hash_address(const struct group *group, const uint8_t *address)
{
	uint64_t words[2];

	memcpy(words, address, sizeof words);
	return hash_words(&group->hash, words[0], words[1]);
}

/*
 * How many slots there are to be for so many places: a power of two. At most a third is in use: at half, some searches
 * would be longer than allowed.
 */
static size_t slots_for(size_t places)
{
	size_t slots = SLOTS_MIN;

	while (slots < 3 * places)
		slots *= 2;
	return slots;
}

/* A larger table, with all conversations in it. */
static bool grow_slots(struct group *group, size_t capacity)
{
	const struct group_conversation *list = group->conversations.list;
	uint16_t *slots;

	if (capacity <= group->slots.capacity)
		return true;
	if (!pool_array_reserve(group->pool, &group->slots, sizeof *slots, capacity))
		return false;
	slots = group->slots.list;
	memset(slots, 0, group->slots.capacity * sizeof *slots);
	for (size_t i = 0; i < group->conversations.count; i++) {
		uint32_t hash = hash_conversation(group, &list[i]);
		size_t probes = 0;

		while (slots[(hash + probes) & (group->slots.capacity - 1)] != 0)
			probes++;
		slots[(hash + probes) & (group->slots.capacity - 1)] = (uint16_t)(i + 1);
		if (probes >= PROBES_MAX) /* it would not be found there */
			group->is_full = true;
	}
	return true;
}

static bool grow_address_slots(struct group *group, size_t capacity)
{
	const uint8_t(*list)[16] = group->addresses.list;
	uint32_t *slots;

	if (capacity <= group->address_slots.capacity)
		return true;
	if (!pool_array_reserve(group->pool, &group->address_slots, sizeof *slots, capacity))
		return false;
	slots = group->address_slots.list;
	memset(slots, 0, group->address_slots.capacity * sizeof *slots);
	for (size_t i = 0; i < group->addresses.count; i++) {
		uint32_t hash = hash_address(group, list[i]);
		size_t probes = 0;

		while (slots[(hash + probes) & (group->address_slots.capacity - 1)] != 0)
			probes++;
		slots[(hash + probes) & (group->address_slots.capacity - 1)] = (uint32_t)(i + 1);
		if (probes >= PROBES_MAX)
			group->is_full = true;
	}
	return true;
}

/* Memory for all of these keys, whatever they are. */
static bool reserve(struct group *group, const struct chunk_keys *keys)
{
	struct index_pool *pool = group->pool;
	size_t conversations = group->conversations.count + keys->count;
	size_t addresses = group->addresses.count + keys->address_count;

	return pool_array_reserve(pool, &group->conversations, sizeof(struct group_conversation),
				  conversations) &&
	       pool_array_reserve(pool, &group->postings, sizeof(struct group_posting),
				  group->postings.count + keys->count) &&
	       pool_array_reserve(pool, &group->ends, sizeof(uint32_t), group->ends.count + 1) &&
	       grow_slots(group, slots_for(conversations)) &&
	       (keys->address_count == 0 ||
		(pool_array_reserve(pool, &group->addresses, 16, addresses) &&
		 grow_address_slots(group, slots_for(addresses))));
}

/* The group's number of an address; -1: not within so many probes, or it has none and may not get one. */
static int64_t number_address(struct group *group, const uint8_t *address, bool may_add)
{
	uint8_t(*list)[16] = group->addresses.list;
	uint32_t *slots = group->address_slots.list;
	uint32_t hash = hash_address(group, address);

	for (unsigned i = 0; i < PROBES_MAX; i++) {
		uint32_t *slot = &slots[(hash + i) & (group->address_slots.capacity - 1)];

		if (*slot == 0) {
			if (!may_add)
				return -1;
			memcpy(list[group->addresses.count], address, 16);
			*slot = (uint32_t)++group->addresses.count;
		} else if (memcmp(list[*slot - 1], address, 16) != 0) {
			continue;
		}
		return *slot - 1;
	}
	return -1;
}

/* Types are few: a sorted list. False: no memory. */
static bool note_type(struct group *group, uint64_t what)
{
	uint64_t type = what & KEY_TYPE_MASK, *types = group->types.list;
	size_t from = 0, to = group->types.count;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (types[middle] < type)
			from = middle + 1;
		else
			to = middle;
	}
	if (from < group->types.count && types[from] == type)
		return true;
	if (!pool_array_reserve(group->pool, &group->types, sizeof *types, group->types.count + 1))
		return false;
	types = group->types.list;
	memmove(types + from + 1, types + from, (group->types.count - from) * sizeof *types);
	types[from] = type;
	group->types.count++;
	return true;
}

/* The place of a conversation, new or not; -1: likewise, or no memory. */
static int64_t find_conversation(struct group *group, const struct group_conversation *wanted,
				 bool may_add)
{
	struct group_conversation *list = group->conversations.list;
	uint16_t *slots = group->slots.list;
	uint32_t hash = hash_conversation(group, wanted);

	for (unsigned i = 0; i < PROBES_MAX; i++) {
		uint16_t *slot = &slots[(hash + i) & (group->slots.capacity - 1)];

		if (*slot == 0) {
			if (!may_add || !note_type(group, wanted->what))
				return -1;
			list[group->conversations.count] = *wanted;
			*slot = (uint16_t)++group->conversations.count;
			return *slot - 1;
		}
		if (list[*slot - 1].pair == wanted->pair && list[*slot - 1].what == wanted->what)
			return *slot - 1;
	}
	return -1;
}

static bool add_key(struct group *group, const struct chunk_keys *keys, const struct chunk_key *key,
		    bool may_add)
{
	struct group_posting *postings = group->postings.list;
	struct group_conversation wanted = { key->pair, key->what };
	int64_t place;

	if (key_kind(key->what) == HEADERS_IPV6) {
		int64_t low = number_address(group, keys->addresses[key->pair >> 32], may_add);
		int64_t high = number_address(group, keys->addresses[key->pair & UINT32_MAX],
					      may_add);

		if (low < 0 || high < 0)
			return false;
		wanted.pair = (uint64_t)low << 32 | (uint64_t)high;
	}
	place = find_conversation(group, &wanted, may_add);
	if (place < 0)
		return false;
	postings[group->postings.count++] = (struct group_posting){ (uint16_t)place, key->hints,
								    key->tcp_flags };
	return true;
}

static bool end_member(struct group *group)
{
	uint32_t *ends;

	if (!pool_array_reserve(group->pool, &group->ends, sizeof *ends, group->ends.count + 1))
		return false;
	ends = group->ends.list;
	ends[group->ends.count++] = (uint32_t)group->postings.count;
	return true;
}

bool group_add(struct group *group, const struct chunk_keys *keys)
{
	bool is_whole = true;

	if (group->is_full || !has_room(group, keys)) {
		group->is_full = true;
		return false;
	}
	if (!reserve(group, keys))
		return false;
	for (size_t i = 0; i < keys->count; i++)
		is_whole &= add_key(group, keys, &keys->list[i], true);
	group->is_full |= !is_whole;
	return end_member(group) && is_whole;
}

bool group_add_known(struct group *group, const struct chunk_keys *keys)
{
	/* Nobody relies on them: without room, none is noted. */
	bool has_room = group->conversations.count > 0 &&
			group->postings.count + keys->count <= POSTINGS_MAX &&
			pool_array_reserve(group->pool, &group->postings,
					   sizeof(struct group_posting),
					   group->postings.count + keys->count);

	if (group->ends.count == MEMBERS_MAX)
		return false;
	for (size_t i = 0; has_room && i < keys->count; i++)
		if (key_kind(keys->list[i].what) != HEADERS_IPV6 || group->addresses.count > 0)
			(void)add_key(group, keys, &keys->list[i], false);
	return end_member(group);
}

bool group_add_nothing(struct group *group)
{
	return group->ends.count < MEMBERS_MAX && end_member(group);
}
