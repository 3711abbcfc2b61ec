/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A chunk is a batch of whole packet records of one interface, encoded as in the file. It is the unit that is
 * handed from capture to recorder, compressed and written. All chunks come from one pool of fixed size, which
 * limits memory; a chunk is owned by the thread that holds it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"
#include "base/thread.h"

/*
 * CPU time per packet is the same from 512 KiB to 2 MiB; larger chunks do not fit into the L2 cache. Any
 * record (at most 262,144 bytes) fits with room to spare.
 */
#define CHUNK_BYTES ((size_t)512 * 1024)

struct format;

/* Where packets come from; part of the segment's metadata and of its file header. */
struct chunk_source {
	char interface[64];
	char link_type_name[32];
	char filter[1024];
	uint32_t link_type; /* LINKTYPE_ value, not DLT_ */
	uint32_t snaplen;
	bool is_nano;                /* record timestamps are in nanoseconds, not microseconds */
	const struct format *format; /* of the records */
};

struct chunk {
	uint8_t *bytes; /* CHUNK_BYTES */
	size_t length;
	uint32_t packets;
	uint32_t packets_own;       /* seen since the last chunk and not recorded */
	uint64_t first_ns, last_ns; /* real time of the packets */
	struct drops drops;         /* since the last chunk */
	uint64_t start_ns;          /* real time at which its segment begins */
	uint64_t end_ns;            /* and ends, if it ends with this chunk */
	const char *end_reason;     /* NULL: the segment continues; else a constant */
	uint64_t opened_ms;         /* monotonic: when the chunk was taken */
	struct chunk_source source;
};

/* Last in, first out: the chunk used last is still in the cache, and unused chunks take no memory. */
struct chunk_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk *chunks, **free;
	size_t count, free_count;
};

void chunk_pool_init(struct chunk_pool *pool, size_t count);
void chunk_pool_done(struct chunk_pool *pool);

/* Take an empty chunk; waits up to timeout_ms, then returns NULL. */
struct chunk *chunk_pool_get(struct chunk_pool *pool, unsigned timeout_ms);
void chunk_pool_put(struct chunk_pool *pool, struct chunk *chunk);
/* Number of free chunks. */
size_t chunk_pool_free(struct chunk_pool *pool);
/* Free share of the pool in per cent; when it is low, the recorders are behind. */
unsigned chunk_pool_free_percent(struct chunk_pool *pool);
