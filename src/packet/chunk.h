/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A chunk is a batch of whole packet records of one interface, encoded as they will stand in the file:
 * the unit that is handed from capture to recorder, compressed and written. Chunks come from one pool of
 * fixed size for all interfaces, which bounds the memory; whoever holds a chunk owns it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"
#include "base/thread.h"

/*
 * Between 512 KiB and 2 MiB the CPU per packet is the same; beyond, it leaves the L2 cache. Holds any one
 * record (262,144 bytes at most) with room to spare.
 */
#define CHUNK_BYTES ((size_t)512 * 1024)

struct format;

/* Where packets come from; stands in the segment's facts and its file header. */
struct chunk_source {
	char interface[64];
	char link_type_name[32];
	char filter[1024];
	uint32_t link_type; /* LINKTYPE_ value, not DLT_ */
	uint32_t snaplen;
	bool is_nano; /* time stamps of the records in nanoseconds, else microseconds */
	const struct format *format; /* of the records */
};

struct chunk {
	uint8_t *bytes; /* CHUNK_BYTES */
	size_t length;
	uint32_t packets;
	uint32_t packets_own;       /* seen since the last chunk and left out */
	uint64_t first_ns, last_ns; /* real time of the packets */
	struct drops drops;         /* since the last chunk */
	uint64_t start_ns;          /* real time at which its segment begins */
	uint64_t end_ns;            /* and ends, if it ends with this chunk */
	const char *end_reason;     /* NULL: the segment goes on; else a constant */
	uint64_t opened_ms;         /* monotonic: when its first packet was put in */
	struct chunk_source source;
};

/* Last in, first out: the chunk used last is in the cache, and one never needed takes no memory. */
struct chunk_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk *chunks, **free;
	size_t count, free_count;
};

void chunk_pool_init(struct chunk_pool *pool, size_t count);
void chunk_pool_done(struct chunk_pool *pool);

/* An empty chunk; waits up to timeout_ms for one, then NULL. */
struct chunk *chunk_pool_get(struct chunk_pool *pool, unsigned timeout_ms);
void chunk_pool_put(struct chunk_pool *pool, struct chunk *chunk);
/* How many of the pool's chunks nobody holds. */
size_t chunk_pool_free(struct chunk_pool *pool);
/* How much of the pool is free, in per cent: little means that the recorders are behind. */
unsigned chunk_pool_free_percent(struct chunk_pool *pool);
