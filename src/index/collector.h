/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The distinct keys of one chunk, gathered packet by packet. Used by a capture thread while it encodes the records,
 * and by recovery, which reads them again; one thread each. Never allocates, locks or blocks, but for the first call.
 */

#include "index/hash.h"
#include "index/key.h"
#include "packet/packet.h"

/* At most a quarter full, so that hardly any search is longer than a few steps. */
#define COLLECTOR_SLOTS 8192

/* A slot is empty unless it has the chunk's epoch: nothing is cleared between two chunks. */
struct collector_slot {
	uint16_t epoch, at;
};

struct collector {
	struct hash_keys hash;
	uint16_t epoch;
	struct collector_slot keys[COLLECTOR_SLOTS];
	struct collector_slot addresses[COLLECTOR_SLOTS]; /* of IPv6 */
};

void collector_init(struct collector *collector);
/* A chunk begins: it has no keys yet. */
void collector_begin(struct collector *collector, struct chunk_keys *keys);
/* A packet is in it, and these are its headers, of the bytes that are stored. Does nothing once the chunk has too many keys. */
void collector_add(struct collector *collector, struct chunk_keys *keys,
		   const struct headers *headers);
