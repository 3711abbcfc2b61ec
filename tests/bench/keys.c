/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an index costs: CPU time for each packet of several kinds of traffic, and the bytes of the index. "collect" is
 * what a capture thread does beside copying the packet, "merge" and "finish" are the recorder's share. Somebody who sends
 * packets for it must not make it dear: "scan" has a new source in each packet, and "collide" 2,048 sources of which a
 * checksum of the key has the same low bits. "gzip" is what compressing takes, for comparison. `keys [PCAP]`: the packets of
 * a file, too.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/mem.h"
#include "index/collector.h"
#include "index/index.h"
#include "segment/codec.h"
#include "segment/deflate.h"
#include "trace.h"

enum {
	ROUNDS = 7,
	SNAPLEN = 96,
	CHUNKS = 200,
	CHUNK_PACKETS = 5000, /* of this snaplen, about as many as fit */
	CHUNK_STORED = 190000,
	COLLIDING = 2048,
	RECORD_HEADER = 16,
	SOURCE_AT = 26, /* of an IPv4 packet in Ethernet */
};

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

struct traffic {
	const char *name;
	const struct trace *trace;
	const uint32_t *sources; /* NULL: the packets' own; else they have these in turn */
	size_t source_count;
};

struct cost {
	uint64_t copy_ns, collect_ns, merge_ns, finish_ns, gzip_ns;
	size_t index_bytes;
	unsigned unlisted;
};

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The packets of a chunk, as they are in the kernel's ring. */
struct ring {
	uint8_t bytes[CHUNK_PACKETS][SNAPLEN];
	uint32_t lengths[CHUNK_PACKETS];
	uint8_t packed[2 * CHUNK_PACKETS * (SNAPLEN + RECORD_HEADER)];
	uint8_t chunk[CHUNK_PACKETS * (SNAPLEN + RECORD_HEADER)];
};

static void fill_ring(const struct traffic *traffic, size_t chunk, struct ring *ring)
{
	for (size_t i = 0; i < CHUNK_PACKETS; i++) {
		size_t number = chunk * CHUNK_PACKETS + i;
		const struct trace_packet *packet =
			&traffic->trace->packets[number % traffic->trace->count];
		size_t length = packet->length < SNAPLEN ? packet->length : SNAPLEN;

		ring->lengths[i] = (uint32_t)length;
		memcpy(ring->bytes[i], packet->bytes, length);
		if (traffic->sources)
			memcpy(ring->bytes[i] + SOURCE_AT,
			       &traffic->sources[number % traffic->source_count], 4);
	}
}

/* As a capture does it: a packet's header has just been read when its keys are made. Returns the bytes copied. */
static size_t record_ring(struct ring *ring, struct collector *collector, struct chunk_keys *keys)
{
	size_t at = 0;

	for (uint32_t i = 0; i < CHUNK_PACKETS; i++) {
		uint32_t length = ring->lengths[i];

		at += format_pcap.encode_record(ring->chunk + at, i, i, length, length,
						ring->bytes[i]);
		if (collector)
			collector_add(collector, keys, LINK_ETHERNET, ring->bytes[i], length);
	}
	return at;
}

static struct cost run(const struct traffic *traffic, struct index_pool *pool,
		       struct collector *collector, struct chunk_keys *keys, struct ring *ring)
{
	static const struct index_file file = { .link_type = LINK_ETHERNET, .snaplen = SNAPLEN };
	struct index *index = index_new(pool, &library, &file);
	struct codec_state *state = codec_state_new(&codec_gzip);
	struct cost cost = { .copy_ns = 0 };
	const uint8_t *trailer;
	uint64_t begin_ns;
	size_t tail;

	for (size_t chunk = 0; chunk < CHUNKS; chunk++) {
		struct index_member member = { .stored_bytes = CHUNK_STORED,
					       .packets = CHUNK_PACKETS,
					       .earliest = (int64_t)chunk,
					       .latest = (int64_t)chunk };

		fill_ring(traffic, chunk, ring);
		begin_ns = cpu_ns();
		member.plain_bytes = record_ring(ring, NULL, NULL);
		cost.copy_ns += cpu_ns() - begin_ns;
		begin_ns = cpu_ns();
		collector_begin(collector, keys);
		member.plain_bytes = record_ring(ring, collector, keys);
		cost.collect_ns += cpu_ns() - begin_ns;
		cost.unlisted += keys->state != CHUNK_KEYS_ALL;
		begin_ns = cpu_ns();
		index_add(index, &member, keys);
		cost.merge_ns += cpu_ns() - begin_ns;
		begin_ns = cpu_ns();
		(void)codec_gzip.compress(state, codec_gzip.level_default, ring->chunk,
					  member.plain_bytes, ring->packed, sizeof ring->packed);
		cost.gzip_ns += cpu_ns() - begin_ns;
	}
	begin_ns = cpu_ns();
	cost.index_bytes = index_finish(index, "node=n\n", &trailer, &tail);
	cost.finish_ns = cpu_ns() - begin_ns;
	index_free(index);
	codec_state_free(&codec_gzip, state);
	return cost;
}

static double per_packet(uint64_t ns)
{
	return (double)ns / ((double)CHUNKS * CHUNK_PACKETS);
}

static void keep_least(uint64_t *least, uint64_t ns)
{
	if (ns < *least)
		*least = ns;
}

/* The best of some rounds: others share the machine. */
static void measure(const struct traffic *traffic)
{
	cleanup_free struct collector *collector = mem_alloc(sizeof *collector);
	cleanup_free struct chunk_keys *keys = mem_calloc(1, sizeof *keys);
	cleanup_free struct ring *ring = mem_calloc(1, sizeof *ring);
	struct cost best = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0 };
	struct index_pool pool;

	collector_init(collector);
	index_pool_init(&pool, INDEX_POOL_BYTES);
	for (int round = 0; round < ROUNDS; round++) {
		struct cost cost = run(traffic, &pool, collector, keys, ring);

		keep_least(&best.copy_ns, cost.copy_ns);
		keep_least(&best.collect_ns, cost.collect_ns);
		keep_least(&best.merge_ns, cost.merge_ns);
		keep_least(&best.finish_ns, cost.finish_ns);
		keep_least(&best.gzip_ns, cost.gzip_ns);
		best.index_bytes = cost.index_bytes;
		best.unlisted = cost.unlisted;
	}
	(void)printf("%-10s %7.2f %8.2f %6.2f %7.2f %9.2f %7.1f %8.3f %6u/%d\n", traffic->name,
		     per_packet(best.copy_ns), per_packet(best.collect_ns - best.copy_ns),
		     per_packet(best.merge_ns), per_packet(best.finish_ns),
		     per_packet(best.collect_ns - best.copy_ns + best.merge_ns + best.finish_ns),
		     per_packet(best.gzip_ns),
		     100.0 * (double)best.index_bytes / ((double)CHUNKS * CHUNK_STORED),
		     best.unlisted, CHUNKS);
}

/* Sources with which the key's checksum has the same low bits, whatever it begins with: it is linear. */
static void collide(uint32_t sources[COLLIDING])
{
	size_t count = 0;

	for (uint32_t source = 1; count < COLLIDING; source++) {
		const uint64_t key[2] = { (uint64_t)source << 32 | 0x0a000001, 443 };

		if (crc32c_update(0, key, sizeof key) % COLLECTOR_SLOTS == 0)
			sources[count++] = source;
	}
}

int main(int argc, char **argv)
{
	static uint32_t colliding[COLLIDING], scanning[CHUNKS * CHUNK_PACKETS];
	const struct trace_model model = { .packets = 32768, .flows = 400 };
	const struct trace_model one = {
		.packets = 1, .flows = 1, .sizes = { 60 }, .size_count = 1
	};
	struct trace node, single, file;
	struct error err;

	trace_make(&model, &node);
	trace_make(&one, &single);
	collide(colliding);
	for (size_t i = 0; i < sizeof scanning / sizeof *scanning; i++)
		scanning[i] = (uint32_t)i * UINT32_C(2654435761);
	(void)puts(
		"ns/packet     copy  collect  merge  finish  together    gzip   % size  unlisted");
	measure(&(struct traffic){ "node", &node, NULL, 0 });
	measure(&(struct traffic){ "one flow", &single, NULL, 0 });
	measure(&(struct traffic){ "scan", &single, scanning, sizeof scanning / sizeof *scanning });
	measure(&(struct traffic){ "collide", &single, colliding, COLLIDING });
	if (argc > 1) {
		if (trace_read(argv[1], &file, &err) < 0) {
			(void)fprintf(stderr, "keys: %s\n", err.message);
			return 1;
		}
		measure(&(struct traffic){ "file", &file, NULL, 0 });
		trace_done(&file);
	}
	trace_done(&node);
	trace_done(&single);
	return 0;
}
