/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The distinct keys of one chunk, gathered packet by packet. Used by a capture thread while it encodes the records,
 * and by recovery, which reads them again; one thread each. Never allocates, locks or blocks, but for the first call.
 */

#include "index/hash.h"
#include "index/key.h"
#include "packet/packet.h"

/*
 * At most a quarter full, so that hardly any search is longer than a few steps. Most chunks have some hundred keys: a
 * table for these alone takes less of the first cache, which a capture thread shares with whoever runs between its packets.
 */
#define COLLECTOR_SLOTS     8192
#define COLLECTOR_SLOTS_MIN 512
#define COLLECTOR_GROWTH    4

struct collector {
	struct hash_keys hash;
	/* Places in the chunk's lists + 1; 0: none. Small enough to stay in the first cache beside the lists. */
	uint16_t keys[COLLECTOR_SLOTS];
	uint32_t slots;                      /* in use of these: a power of two */
	uint16_t addresses[COLLECTOR_SLOTS]; /* of IPv6 */
	bool has_keys, has_addresses;        /* they are not all 0 */
};

void collector_init(struct collector *collector);
/* A chunk begins: it has no keys yet. */
void collector_begin(struct collector *collector, struct chunk_keys *keys);
/* A packet is in it, with the bytes that are stored. Does nothing once the chunk has too many keys. */
void collector_add(struct collector *collector, struct chunk_keys *keys, uint32_t link_type,
		   const uint8_t *packet, size_t captured);
