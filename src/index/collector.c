/* SPDX-License-Identifier: Apache-2.0 */
#include "index/collector.h"

#include <string.h>

#define PROBES_MAX 32

void collector_init(struct collector *collector)
{
	memset(collector, 0, sizeof *collector);
	hash_keys_init(&collector->hash);
	collector->slots = COLLECTOR_SLOTS_MIN;
}

void collector_begin(struct collector *collector, struct chunk_keys *keys)
{
	/* Up to 16 KiB each, once in thousands of packets. */
	if (collector->has_keys)
		memset(collector->keys, 0, collector->slots * sizeof *collector->keys);
	if (collector->has_addresses)
		memset(collector->addresses, 0, sizeof collector->addresses);
	collector->has_keys = collector->has_addresses = false;
	collector->slots = COLLECTOR_SLOTS_MIN;
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
		uint16_t *slot = &collector->addresses[(hash + i) % COLLECTOR_SLOTS];

		if (*slot == 0) {
			if (keys->address_count == CHUNK_ADDRESSES_MAX)
				return -1;
			memcpy(keys->addresses[keys->address_count], address, sizeof words);
			*slot = (uint16_t)++keys->address_count;
			collector->has_addresses = true;
		} else if (memcmp(keys->addresses[*slot - 1], address, sizeof words) != 0) {
			continue;
		}
		return *slot - 1;
	}
	return -1;
}

/* A larger table, with all keys in it; false: one of them would not be found there. */
static __attribute__((noinline)) bool grow_table(struct collector *collector,
						 const struct chunk_keys *keys)
{
	memset(collector->keys, 0, collector->slots * sizeof *collector->keys);
	collector->slots *= COLLECTOR_GROWTH;
	for (uint32_t i = 0; i < keys->count; i++) {
		uint32_t hash = hash_words(&collector->hash, keys->list[i].pair,
					   keys->list[i].what);
		unsigned probes = 0;

		while (collector->keys[(hash + probes) & (collector->slots - 1)] != 0)
			if (++probes == PROBES_MAX)
				return false;
		collector->keys[(hash + probes) & (collector->slots - 1)] = (uint16_t)(i + 1);
	}
	return true;
}

/* The chunk's key of these words, new or not; NULL: there is no room. */
static struct chunk_key *find_key(struct collector *collector, struct chunk_keys *keys,
				  uint64_t pair, uint64_t what)
{
	uint32_t hash = hash_words(&collector->hash, pair, what);

	for (unsigned i = 0; i < PROBES_MAX; i++) {
		uint16_t *slot = &collector->keys[(hash + i) & (collector->slots - 1)];
		struct chunk_key *key;

		if (*slot == 0) {
			if (keys->count == CHUNK_KEYS_MAX)
				return NULL;
			key = &keys->list[keys->count++];
			*key = (struct chunk_key){ .pair = pair, .what = what };
			*slot = (uint16_t)keys->count;
			collector->has_keys = true;
			if (keys->count > collector->slots / COLLECTOR_GROWTH &&
			    collector->slots < COLLECTOR_SLOTS && !grow_table(collector, keys))
				keys->state = CHUNK_KEYS_SOME;
			return key;
		}
		key = &keys->list[*slot - 1];
		if (key->pair == pair && key->what == what)
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

/* All other packets; apart, so that the usual ones need no array. */
static __attribute__((noinline)) void add_unusual(struct collector *collector,
						  struct chunk_keys *keys, uint32_t link_type,
						  const uint8_t *packet, size_t captured)
{
	struct key list[KEYS_MAX];
	unsigned count = key_of_packet(link_type, packet, captured, list);

	for (unsigned i = 0; i < count; i++)
		if (!add_key(collector, keys, &list[i]))
			keys->state = CHUNK_KEYS_SOME;
}

void collector_add(struct collector *collector, struct chunk_keys *keys, uint32_t link_type,
		   const uint8_t *packet, size_t captured)
{
	struct chunk_key *found;
	struct key key;

	if (keys->state != CHUNK_KEYS_ALL)
		return;
	if (!key_of_usual(link_type, packet, captured, &key)) {
		add_unusual(collector, keys, link_type, packet, captured);
		return;
	}
	found = find_key(collector, keys, key.pair, key.what);
	if (!found) {
		keys->state = CHUNK_KEYS_SOME;
		return;
	}
	found->tcp_flags |= key.tcp_flags;
	found->hints |= key.hint;
}
