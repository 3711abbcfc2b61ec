/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the index share. */

#include "index/hash.h"
#include "index/index.h"

/* pool.c: NULL where the pool, or the machine, has no more. */
void *pool_alloc(struct index_pool *pool, size_t bytes);
void *pool_grow(struct index_pool *pool, void *old, size_t old_bytes, size_t bytes);
/* Whatever the pool has: for what takes the place of something as large, which is given back next. */
void *pool_take(struct index_pool *pool, size_t bytes);
void pool_free(struct index_pool *pool, void *ptr, size_t bytes);

/* A growing array of the pool's. */
struct pool_array {
	void *list;
	size_t count, capacity; /* in elements */
};

/* Have room for so many elements of this size; false: as before. */
bool pool_array_reserve(struct index_pool *pool, struct pool_array *array, size_t element_bytes,
			size_t capacity);
void pool_array_free(struct index_pool *pool, struct pool_array *array, size_t element_bytes);

/* A compressed section of the pool's. */
struct blob {
	uint8_t *bytes;
	size_t length, capacity, plain_bytes;
};

/* Compress into a blob; false: no memory. */
bool blob_pack(struct blob *blob, struct index_pool *pool, const struct index_library *library,
	       const uint8_t *plain, size_t length);
/* The same in this pool, in place of what it was made of. */
void blob_move(struct blob *blob, struct index_pool *from, struct index_pool *to);
void blob_free(struct blob *blob, struct index_pool *pool);

/* group.c: conversations and addresses of a range of members. */
struct group {
	struct index_pool *pool;
	struct hash_keys hash;
	uint32_t first_member;
	bool is_full;
	struct pool_array conversations; /* struct group_conversation */
	struct pool_array slots;         /* uint16_t: place of a conversation + 1 */
	struct pool_array addresses;     /* of IPv6, 16 bytes */
	struct pool_array address_slots; /* uint32_t: place + 1 */
	struct pool_array types;         /* uint64_t, sorted */
	struct pool_array postings;      /* struct group_posting, by member */
	struct pool_array ends;          /* uint32_t: for each member, where its postings end */
};

struct group_conversation {
	uint64_t pair, what; /* as in struct chunk_key, with the group's numbers */
};

struct group_posting {
	uint16_t conversation, hints;
	uint8_t tcp_flags;
};

void group_begin(struct group *group, struct index_pool *pool, uint32_t first_member);
void group_end(struct group *group);
/* A member's keys. False: not all of them are listed now, for want of memory; or is_full, and none is. */
bool group_add(struct group *group, const struct chunk_keys *keys);
/*
 * A member that cannot be listed, because its chunk has more keys than these: those that the group knows anyhow. In a
 * scan the others would fill it for nobody's use. False: it has all the members that it may have, or no memory.
 */
bool group_add_known(struct group *group, const struct chunk_keys *keys);
/* A member without keys. False: no memory. */
bool group_add_nothing(struct group *group);

/* group_pack.c: the group as two sections, which are smaller; false: no memory. Waits for others that pack. The group can only be ended after. */
bool group_pack(struct group *group, const struct index_library *library,
		struct blob *ret_conversations, struct blob *ret_addresses);

/* wrap.c: sections as pieces. */
size_t wrap_bytes(enum index_wrapping wrapping, size_t length);
/* Returns wrap_bytes(). */
size_t wrap_section(enum index_wrapping wrapping, const uint8_t *bytes, size_t length,
		    uint8_t *out);
/* Takes pieces off in place; returns how many bytes are left, or -1: these are not just whole pieces. */
ptrdiff_t unwrap_section(enum index_wrapping wrapping, uint8_t *bytes, size_t length);

#define FOOTER_FIXED_BYTES 96
#define FOOTER_ENTRY_BYTES 24
/* footer.c: write it; returns its length, wrapped. */
size_t footer_bytes(enum index_wrapping wrapping, uint32_t sections);
size_t footer_encode(const struct index_footer *footer, uint8_t *out);

/* Numbers in little endian, and LEB128. */
static inline void put_u16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)value;
	out[1] = (uint8_t)(value >> 8);
}

static inline void put_u32(uint8_t *out, uint32_t value)
{
	put_u16(out, (uint16_t)value);
	put_u16(out + 2, (uint16_t)(value >> 16));
}

static inline void put_u64(uint8_t *out, uint64_t value)
{
	put_u32(out, (uint32_t)value);
	put_u32(out + 4, (uint32_t)(value >> 32));
}

static inline uint16_t get_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t get_u32(const uint8_t *bytes)
{
	return get_u16(bytes) | (uint32_t)get_u16(bytes + 2) << 16;
}

static inline uint64_t get_u64(const uint8_t *bytes)
{
	return get_u32(bytes) | (uint64_t)get_u32(bytes + 4) << 32;
}

#define VARINT_BYTES_MAX 10

static inline size_t put_varint(uint8_t *out, uint64_t value)
{
	size_t length = 0;

	for (; value >= 0x80; value >>= 7)
		out[length++] = (uint8_t)(value | 0x80);
	out[length++] = (uint8_t)value;
	return length;
}

static inline uint64_t zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}
