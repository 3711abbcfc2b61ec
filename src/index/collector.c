/* SPDX-License-Identifier: Apache-2.0 */
#include "index/collector.h"

#include <string.h>

#define EPOCH_MAX  UINT16_MAX
#define PROBES_MAX 32

void collector_init(struct collector *collector)
{
	memset(collector, 0, sizeof *collector);
	hash_keys_init(&collector->hash);
}

void collector_begin(struct collector *collector, struct chunk_keys *keys)
{
	/* What a slot has from 65,535 chunks before would be taken for this chunk's. */
	if (collector->epoch == EPOCH_MAX) {
		memset(collector->keys, 0, sizeof collector->keys);
		memset(collector->addresses, 0, sizeof collector->addresses);
		collector->epoch = 0;
	}
	collector->epoch++;
	keys->state = CHUNK_KEYS_ALL;
	keys->count = keys->address_count = 0;
}

/* The place of an address in the chunk's list, or -1: there is no room. */
static int64_t number_address(struct collector *collector, struct chunk_keys *keys,
			      const uint8_t *address)
{
	uint64_t words[2];
	uint32_t hash;

	memcpy(words, address, sizeof words);
	hash = hash_words(&collector->hash, words[0], words[1]);
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		struct collector_slot *slot = &collector->addresses[(hash + i) % COLLECTOR_SLOTS];

		if (slot->epoch != collector->epoch) {
			if (keys->address_count == CHUNK_ADDRESSES_MAX)
				return -1;
			*slot = (struct collector_slot){ collector->epoch,
							 (uint16_t)keys->address_count };
			memcpy(keys->addresses[keys->address_count], address, sizeof words);
			return keys->address_count++;
		}
		if (slot->at < keys->address_count &&
		    memcmp(keys->addresses[slot->at], address, sizeof words) == 0)
			return slot->at;
	}
	return -1;
}

/* The chunk's key of these words, new or not; NULL: there is no room. */
static struct chunk_key *find_key(struct collector *collector, struct chunk_keys *keys,
				  uint64_t pair, uint64_t what)
{
	uint32_t hash = hash_words(&collector->hash, pair, what);

	for (unsigned i = 0; i < PROBES_MAX; i++) {
		struct collector_slot *slot = &collector->keys[(hash + i) % COLLECTOR_SLOTS];
		struct chunk_key *key = &keys->list[slot->at];

		if (slot->epoch != collector->epoch) {
			if (keys->count == CHUNK_KEYS_MAX)
				return NULL;
			*slot = (struct collector_slot){ collector->epoch, (uint16_t)keys->count };
			key = &keys->list[keys->count++];
			*key = (struct chunk_key){ .pair = pair, .what = what };
			return key;
		}
		if (slot->at < keys->count && key->pair == pair && key->what == what)
			return key;
	}
	return NULL;
}

static bool add_key(struct collector *collector, struct chunk_keys *keys, const struct key *key)
{
	uint64_t pair = key->pair;
	struct chunk_key *found;

	if (key->low) {
		int64_t low = number_address(collector, keys, key->low);
		int64_t high = number_address(collector, keys, key->high);

		if (low < 0 || high < 0)
			return false;
		pair = (uint64_t)low << 32 | (uint64_t)high;
	}
	found = find_key(collector, keys, pair, key->what);
	if (!found)
		return false;
	found->tcp_flags |= key->tcp_flags;
	found->hints |= key->hint;
	return true;
}

void collector_add(struct collector *collector, struct chunk_keys *keys,
		   const struct headers *headers)
{
	struct key list[KEYS_MAX];
	unsigned count;

	if (keys->state != CHUNK_KEYS_ALL)
		return;
	count = key_of_headers(headers, list);
	for (unsigned i = 0; i < count; i++)
		if (!add_key(collector, keys, &list[i]))
			keys->state = CHUNK_KEYS_SOME;
}
