/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets in memory and in capture files. Used by any thread; does no I/O.
 *
 * A chunk is a batch of whole packet records of one interface, encoded as in the file. It is the unit that is
 * handed from capture to recorder, compressed and written. All chunks come from one pool of fixed size, which
 * limits memory; a chunk is owned by the thread that holds it.
 *
 * Capture file formats are a table of pure functions: encoders of a header, records and a trailer, and an
 * iterator over the records of a file, ours or another tool's. Bytes in, bytes out, no I/O, no allocation.
 * To add one: a file format_NAME.c, a row in format.c, a word of the option capture.format, a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"
#include "base/thread.h"
#include "conf/conf.h"

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

/* At most so many keys of a chunk's packets, and IPv6 addresses in them. */
#define CHUNK_KEYS_MAX      2048
#define CHUNK_ADDRESSES_MAX (2 * CHUNK_KEYS_MAX)

/* One of the things under which the index lists a chunk: see index/key.h. */
struct chunk_key {
	uint64_t pair;     /* of addresses; of IPv6: their two places in the list below */
	uint64_t what;     /* port and type */
	uint16_t hints;    /* of all its packets */
	uint8_t tcp_flags; /* likewise */
};

enum chunk_keys_state {
	CHUNK_KEYS_NONE, /* they were not asked for */
	CHUNK_KEYS_SOME, /* there are more of them */
	CHUNK_KEYS_ALL,
};

struct chunk_keys {
	enum chunk_keys_state state;
	uint32_t count, address_count;
	struct chunk_key list[CHUNK_KEYS_MAX];
	uint8_t addresses[CHUNK_ADDRESSES_MAX][16];
};

struct chunk {
	uint8_t *bytes; /* CHUNK_BYTES */
	struct chunk_keys *keys;
	size_t length;
	uint32_t packets;
	uint32_t packets_own; /* seen since the last chunk and not recorded */
	/* Real time of its packets, which are not quite in order; 0 when there is none. */
	uint64_t earliest_ns, latest_ns;
	struct drops drops;     /* since the last chunk */
	uint64_t since_ns;      /* real time since when its interface is captured without a break */
	uint64_t max_age_s;     /* segment.age; 0: none */
	uint64_t start_ns;      /* real time at which its segment begins */
	uint64_t end_ns;        /* and ends, if it ends with this chunk */
	const char *end_reason; /* NULL: the segment continues; else a constant */
	uint64_t opened_ms;     /* monotonic: when the chunk was taken */
	struct chunk_source source;
};

/* Count a packet of this real time, which is being added to the chunk. */
static inline void chunk_add_time(struct chunk *chunk, uint64_t packet_ns)
{
	if (chunk->packets++ == 0)
		chunk->earliest_ns = chunk->latest_ns = packet_ns;
	else if (packet_ns > chunk->latest_ns)
		chunk->latest_ns = packet_ns;
	else if (packet_ns < chunk->earliest_ns)
		chunk->earliest_ns = packet_ns;
}

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

/* One packet of a capture file. */
struct format_record {
	uint64_t time_ns;
	uint32_t captured, original; /* lengths: in the file, and of the packet */
	const uint8_t *packet;       /* in the bytes that were read */
	uint32_t interface;          /* its number in the section; 0 where the format has none */
	uint16_t link_type;          /* LINKTYPE_ value */
};

enum format_state {
	FORMAT_RECORD,    /* here is one */
	FORMAT_END,       /* all bytes are read */
	FORMAT_TRUNCATED, /* what is left is the beginning of something */
	FORMAT_CORRUPT,   /* what is left is nothing that the format has */
};

#define FORMAT_CAPTURED_MAX   UINT32_C(262144) /* readers of either format refuse longer packets */
#define FORMAT_INTERFACES_MAX 64               /* of a section; the packets of more are skipped */

/*
 * What the iterator knows of a file so far; zeroed at its beginning. The bytes may come in several parts, if
 * the rest of one is put before the next.
 */
struct format_reader {
	bool has_header;
	bool is_swapped; /* the other byte order */
	uint32_t interfaces;
	uint64_t left_out; /* packets without a time, or of an interface that is not known */
	struct format_interface {
		uint16_t link_type;
		uint8_t resolution; /* as pcapng's if_tsresol */
	} interface[FORMAT_INTERFACES_MAX];
};

/* Who wrote the file and where; never NULL. */
struct format_origin {
	const char *node, *hardware, *os, *application;
};

/* Totals of a file when it ends. */
struct format_totals {
	uint64_t start_ns, end_ns;
	uint64_t packets;     /* in the file */
	uint64_t packets_own; /* seen and not recorded */
	struct drops drops;
};

/* Large enough for any header or trailer. */
#define FORMAT_EDGE_BYTES_MAX 4096

struct format {
	const char *name;
	const char *extension;   /* ".pcap" */
	size_t header_bytes_min; /* counted for segment.size */
	bool is_nano_only;       /* timestamps are always nanoseconds, despite capture.precision */
	/* Size of a record: its fields plus the captured bytes, padded to a multiple of the alignment. */
	size_t record_fields_bytes, record_align_bytes;

	/* Encode the beginning of a file; returns its length. */
	size_t (*encode_header)(const struct chunk_source *source,
				const struct format_origin *origin,
				uint8_t out[FORMAT_EDGE_BYTES_MAX]);
	/* Encode a record; the caller ensures that it fits. Returns format_record_bytes(). */
	size_t (*encode_record)(uint8_t *out, uint32_t seconds, uint32_t fraction,
				uint32_t captured, uint32_t original, const uint8_t *packet);
	/* Encode the optional end of a file; returns its length. NULL: the format has none. */
	size_t (*encode_trailer)(const struct format_totals *totals,
				 uint8_t out[FORMAT_EDGE_BYTES_MAX]);

	/*
	 * Read on from *offset, which moves behind what was whole: the header, blocks without packets, the
	 * record that is returned.
	 */
	enum format_state (*next)(struct format_reader *reader, const uint8_t *bytes, size_t length,
				  size_t *offset, struct format_record *ret_record);
};

extern const struct format format_pcap, format_pcapng;

/* A number of the file in this machine's byte order. */
static inline uint32_t format_in_order(const struct format_reader *reader, uint32_t number)
{
	return reader->is_swapped ? __builtin_bswap32(number) : number;
}

/* Size in the file of a record with this captured length. */
static inline size_t format_record_bytes(const struct format *format, uint32_t captured)
{
	size_t align = format->record_align_bytes;

	return (format->record_fields_bytes + captured + align - 1) & ~(align - 1);
}

/* The format that capture.format selects. */
const struct format *format_choose(const struct conf *conf);
/* The format whose extension a file name ends with (before that of a codec), or NULL. */
const struct format *format_of_name(const char *name);
