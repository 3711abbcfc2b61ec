/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The index of a capture file: which addresses and ports are in which of its members. It stands behind the last member,
 * as empty gzip members with an extra field, or zstd's skippable frames, so that every reader of the file skips it; the
 * last piece is a footer with a directory. kube-node-tracer-index(5) has the format. Made by a recorder, or by
 * recovery, out of the keys of each chunk (collector.h). No I/O; each object is used by one thread, and all draw on
 * one pool of memory.
 *
 * Reading: the footer from the last bytes of the file, then any section by itself. Nothing is believed before its
 * checksum matched, and no size from the file is allocated before.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread.h"
#include "packet/packet.h"

/* Limits of the format: an index beyond them is none. */
#define INDEX_VERSION           1
#define INDEX_STORED_MAX        (UINT32_C(8) << 20)
#define INDEX_PLAIN_MAX         (UINT32_C(32) << 20)
#define INDEX_SECTIONS_MAX      512
#define INDEX_GROUPS_MAX        64
#define INDEX_TYPES_MAX         4096
#define INDEX_CONVERSATIONS_MAX 32768                         /* of a group */
#define INDEX_ADDRESSES_MAX     (2 * INDEX_CONVERSATIONS_MAX) /* likewise; IPv4's, and IPv6's */
#define INDEX_MEMBERS_MAX       (UINT32_C(1) << 20)
#define INDEX_MEMBER_BYTES_MIN  9 /* none is shorter: zstd's, that is; gzip's have 20 */

/* How pieces look, so that readers of the file skip them. */
enum index_wrapping {
	INDEX_GZIP, /* empty members with an extra field "KN" */
	INDEX_ZSTD, /* skippable frames 0x184d2a5a */
};

/* Raw deflate (RFC 1951), by whoever has the library. */
struct index_library {
	size_t (*bound)(size_t length);
	/* Returns how long it became; 0: it does not fit, or there is no memory. */
	size_t (*deflate)(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity);
	/* False: it does not become exactly that many bytes. */
	bool (*inflate)(const uint8_t *bytes, size_t length, uint8_t *out, size_t out_bytes);
};

/*
 * The memory of all indexes in the making. What packs a group, or puts an index together, is beside it, for one at a
 * time: a pool that is used up must not keep it from becoming smaller. So are the lists of members that are not long.
 */
#define INDEX_POOL_BYTES    ((size_t)16 << 20)
#define INDEX_PACKING_BYTES ((size_t)10 << 20)
#define INDEX_OWN_BYTES     ((size_t)448 << 10) /* of each index */

struct index_pool {
	size_t limit;
	atomic_size_t used;
	pthread_mutex_t packing; /* held by whoever uses those INDEX_PACKING_BYTES */
};

void index_pool_init(struct index_pool *pool, size_t limit);

/* The file that an index is about. */
struct index_file {
	enum index_wrapping wrapping;
	uint16_t link_type; /* LINKTYPE_ value */
	uint32_t snaplen;
	bool is_nano; /* unit of times: nanoseconds, not microseconds */
	bool is_pcapng;
};

struct index_member {
	uint64_t stored_bytes, plain_bytes, packets;
	int64_t earliest,
		latest;   /* of its packets, in the file's unit since 1970; without packets 0 */
	bool is_unlisted; /* it may have other keys than those listed */
};

/* Making one --------------------------------------------------------------------------------------- */

struct index;

struct index *index_new(struct index_pool *pool, const struct index_library *library,
			const struct index_file *file);
struct index *index_free(struct index *index);
/*
 * The file's next member, in order, the header's and the trailer's too. keys: of its packets; NULL: they are not
 * known. Compresses once in a while, one index of the pool at a time; where there is no memory, members are unlisted.
 */
void index_add(struct index *index, const struct index_member *member,
	       const struct chunk_keys *keys);
/* How many bytes of members were added. */
uint64_t index_data_bytes(const struct index *index);
/*
 * All of it, with the footer: to be written behind the last member. facts: lines of text for FACTS. The bytes belong to
 * the index. Returns how many they are, 0 if there can be no index; and how many of them, from the end, are what is
 * small: all but the conversations.
 */
size_t index_finish(struct index *index, const char *facts, const uint8_t **ret_bytes,
		    size_t *ret_tail_bytes);

/* Reading one -------------------------------------------------------------------------------------- */

enum index_section_type {
	INDEX_CONVERSATIONS = 1,
	INDEX_MEMBERS = 2,
	INDEX_ADDRESSES = 3,
	INDEX_FACTS = 4,
};

struct index_section {
	uint16_t type, flags;
	uint32_t stored_bytes, plain_bytes, crc32c; /* of the stored ones */
	uint32_t first_member, members;             /* that it speaks of */
	uint64_t offset;                            /* in the file */
};

struct index_footer {
	struct index_file file;
	bool has_unlisted;
	uint8_t key_version; /* see KEY_VERSION */
	uint64_t data_bytes; /* of the members: the index begins there */
	uint64_t packets;
	int64_t earliest, latest; /* as of a member */
	uint32_t members, conversations;
	uint32_t sections_count;
	struct index_section sections[INDEX_SECTIONS_MAX];
};

#define INDEX_HEAD_BYTES_MAX 16

/* Is the beginning of these bytes a whole header of a piece? Packets may contain the same. */
bool index_is_piece(enum index_wrapping wrapping, const uint8_t *bytes, size_t length);
/* How long the piece is that begins so, INDEX_HEAD_BYTES_MAX being enough to know; 0: none does. */
size_t index_piece_bytes(enum index_wrapping wrapping, const uint8_t *bytes, size_t length);
/* Are these few bytes what the header of a piece begins with? */
bool index_begins_piece(enum index_wrapping wrapping, const uint8_t *bytes, size_t length);
/*
 * The footer of a file of this size, from its last bytes. Returns how many bytes it takes: if they are more than
 * `length`, come again with that many. 0: the file has no index that this version understands.
 */
size_t index_read_footer(const uint8_t *tail, size_t length, uint64_t file_bytes,
			 struct index_footer *ret_footer);
/* The plain bytes of a section, from the stored ones; the caller frees. ERROR_REJECTED: damaged. */
int index_read_section(const struct index_footer *footer, const struct index_section *section,
		       const uint8_t *stored, const struct index_library *library,
		       uint8_t **ret_plain, struct error *err) __attribute__((warn_unused_result));
/* MEMBERS, all of the footer's, with those in no group as unlisted; the caller frees. ERROR_REJECTED: they are not the file's. */
int index_read_members(const struct index_footer *footer, const uint8_t *plain, size_t length,
		       struct index_member **ret_members, struct error *err)
	__attribute__((warn_unused_result));

struct index_addresses {
	uint32_t *ipv4; /* host order; sorted, as are the next ones */
	uint8_t (*ipv6)[16];
	uint64_t *types; /* as in index/key.h */
	uint32_t ipv4_count, ipv6_count, types_count;
};

/* ADDRESSES; to be given to index_free_addresses(), after an error, too. */
int index_read_addresses(const uint8_t *plain, size_t length, struct index_addresses *ret_addresses,
			 struct error *err) __attribute__((warn_unused_result));
void index_free_addresses(struct index_addresses *addresses);

/* One conversation, and its entries in the columns. Borrowed. */
struct index_conversation {
	uint32_t low, high; /* places of the addresses: IPv4's, behind them IPv6's */
	uint64_t type;
	uint16_t port;
	uint32_t count;
	const uint32_t *members;                       /* numbers in the file */
	const uint8_t *flags, *hints_low, *hints_high; /* of each of them */
};

/* CONVERSATIONS: visit each. addresses: of the same group. ERROR_REJECTED: damaged, and nothing was visited. */
int index_read_conversations(const struct index_section *section, const uint8_t *plain,
			     const struct index_addresses *addresses,
			     void (*visit)(void *context, const struct index_conversation *),
			     void *context, struct error *err) __attribute__((warn_unused_result));
