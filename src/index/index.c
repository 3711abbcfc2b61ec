/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include <string.h>

#include "base/checksum.h"
#include "base/mem.h"
#include "index/index_private.h"
#include "index/key.h"

/* What MEMBERS, FACTS and the footer have room for beside the groups. */
#define REST_BYTES       (INDEX_STORED_MAX / 8)
#define GROUPS_PLAIN_MAX (INDEX_PLAIN_MAX - INDEX_PLAIN_MAX / 8)
#define MEMBER_BYTES_MAX (5 * VARINT_BYTES_MAX)
/* While it grows, it is there twice; so is the bitmap, of 128 KiB at most. */
#define MEMBERS_OWN_BYTES ((size_t)128 << 10)

struct packed_group {
	uint32_t first_member, members, conversations;
	struct blob conversations_blob, addresses_blob;
};

struct index {
	struct index_pool *pool;
	const struct index_library *library;
	bool is_broken;     /* there was no memory for what must not be missing */
	bool has_no_more;   /* groups: all that is allowed is there */
	struct group group; /* no pool: none is open */
	struct packed_group packed[INDEX_GROUPS_MAX];
	size_t packed_count;
	uint64_t packed_bytes, packed_plain;
	/* Of this index alone, so that others' conversations do not cost it its members. */
	struct index_pool own;
	struct index_pool *members_pool; /* that one, until they are many */
	struct pool_array members;       /* uint8_t: MEMBERS, up to the bitmap */
	struct pool_array unlisted;      /* uint8_t: the bitmap; its own */
	int64_t latest_before;           /* of the last member with packets */
	struct index_footer footer;
	uint8_t *bytes; /* what index_finish() returns */
	size_t bytes_length;
};

struct index *index_new(struct index_pool *pool, const struct index_library *library,
			const struct index_file *file)
{
	struct index *index = mem_calloc(1, sizeof *index);

	index->pool = pool;
	index_pool_init(&index->own, INDEX_OWN_BYTES);
	index->members_pool = &index->own;
	index->library = library;
	index->footer.file = *file;
	index->footer.key_version = KEY_VERSION;
	return index;
}

static void free_packed(struct index *index)
{
	for (size_t i = 0; i < index->packed_count; i++) {
		blob_free(&index->packed[i].conversations_blob, index->pool);
		blob_free(&index->packed[i].addresses_blob, index->pool);
	}
	index->packed_count = 0;
}

struct index *index_free(struct index *index)
{
	if (!index)
		return NULL;
	group_end(&index->group);
	free_packed(index);
	pool_array_free(index->members_pool, &index->members, 1);
	pool_array_free(&index->own, &index->unlisted, 1);
	pool_free(index->pool, index->bytes, index->bytes_length);
	free(index);
	return NULL;
}

uint64_t index_data_bytes(const struct index *index)
{
	return index->footer.data_bytes;
}

static void mark_unlisted(struct index *index, uint32_t first, uint32_t count)
{
	uint8_t *bitmap = index->unlisted.list;

	for (uint32_t i = first; i < first + count; i++)
		bitmap[i / 8] |= (uint8_t)(1u << i % 8);
	index->footer.has_unlisted |= count > 0;
}

/* The open group becomes two sections; where that cannot be, its members are unlisted. */
static void close_group(struct index *index)
{
	struct group *group = &index->group;
	struct packed_group *packed = &index->packed[index->packed_count];
	uint64_t stored, plain;

	if (!group->pool)
		return;
	if (group->conversations.count == 0) { /* nor has any of its members one */
		group_end(group);
		return;
	}
	*packed = (struct packed_group){
		.first_member = group->first_member,
		.members = (uint32_t)group->ends.count,
		.conversations = (uint32_t)group->conversations.count,
	};
	if (!group_pack(group, index->library, &packed->conversations_blob,
			&packed->addresses_blob)) {
		mark_unlisted(index, packed->first_member, packed->members);
		return;
	}
	stored = index->packed_bytes +
		 wrap_bytes(index->footer.file.wrapping, packed->conversations_blob.length) +
		 wrap_bytes(index->footer.file.wrapping, packed->addresses_blob.length);
	plain = index->packed_plain + packed->conversations_blob.plain_bytes +
		packed->addresses_blob.plain_bytes;
	if (stored > INDEX_STORED_MAX - REST_BYTES || plain > GROUPS_PLAIN_MAX) {
		blob_free(&packed->conversations_blob, index->pool);
		blob_free(&packed->addresses_blob, index->pool);
		mark_unlisted(index, packed->first_member, packed->members);
		index->has_no_more = true;
		return;
	}
	index->packed_bytes = stored;
	index->packed_plain = plain;
	index->footer.conversations += packed->conversations;
	index->packed_count++;
	index->has_no_more = index->packed_count == INDEX_GROUPS_MAX;
}

/* A member in the open group, or in the next. False: it is in none, or not with all its keys. */
static bool list_keys(struct index *index, uint32_t member, const struct chunk_keys *keys)
{
	/* A second time, in a group of its own, if the open one is full or cannot grow. */
	for (int i = 0; i < 2; i++) {
		size_t before;

		if (index->has_no_more)
			return false;
		if (!index->group.pool)
			group_begin(&index->group, index->pool, member);
		before = index->group.ends.count;
		if (group_add(&index->group, keys))
			return true;
		if (index->group.ends.count > before)
			return false; /* with some of its keys */
		close_group(index);
	}
	return false;
}

static void list_known(struct index *index, const struct chunk_keys *keys)
{
	if (index->group.pool && !group_add_known(&index->group, keys))
		close_group(index);
}

/* A member without keys is in the open group as well: a group is about a range of members. */
static void skip_keys(struct index *index)
{
	if (index->group.pool && !group_add_nothing(&index->group))
		close_group(index);
}

/* Room for so many bytes more in MEMBERS; a long list is the pool's. */
static bool reserve_members(struct index *index, size_t bytes)
{
	size_t wanted = index->members.count + bytes;
	struct pool_array moved = { .count = index->members.count };

	if (index->members_pool == index->pool || wanted <= MEMBERS_OWN_BYTES)
		return pool_array_reserve(index->members_pool, &index->members, 1, wanted);
	if (!pool_array_reserve(index->pool, &moved, 1, 2 * wanted))
		return false;
	memcpy(moved.list, index->members.list, moved.count);
	pool_array_free(&index->own, &index->members, 1);
	index->members = moved;
	index->members_pool = index->pool;
	return true;
}

/* As MEMBERS has it; the time before is that of the last member that had packets. */
static bool put_member(struct index *index, const struct index_member *member)
{
	uint8_t *out;

	if (!reserve_members(index, MEMBER_BYTES_MAX) ||
	    !pool_array_reserve(&index->own, &index->unlisted, 1, index->footer.members / 8 + 1))
		return false;
	out = (uint8_t *)index->members.list + index->members.count;
	out += put_varint(out, member->stored_bytes);
	out += put_varint(out, member->plain_bytes);
	out += put_varint(out, member->packets);
	if (member->packets > 0) {
		/* Subtracted without a sign, which may wrap around. */
		out += put_varint(out, zigzag((int64_t)((uint64_t)member->earliest -
							(uint64_t)index->latest_before)));
		out += put_varint(out, (uint64_t)member->latest - (uint64_t)member->earliest);
		index->latest_before = member->latest;
	}
	index->members.count = (size_t)(out - (uint8_t *)index->members.list);
	if (index->footer.members % 8 == 0)
		((uint8_t *)index->unlisted.list)[index->footer.members / 8] = 0;
	return true;
}

static void note_member(struct index *index, const struct index_member *member)
{
	struct index_footer *footer = &index->footer;

	footer->members++;
	footer->data_bytes += member->stored_bytes;
	if (member->packets == 0)
		return;
	if (footer->packets == 0 || member->earliest < footer->earliest)
		footer->earliest = member->earliest;
	if (footer->packets == 0 || member->latest > footer->latest)
		footer->latest = member->latest;
	footer->packets += member->packets;
}

void index_add(struct index *index, const struct index_member *member,
	       const struct chunk_keys *keys)
{
	uint32_t number = index->footer.members;
	bool has_packets = member->packets > 0 && keys;
	bool is_listed = member->packets == 0;

	/* Without all its members an index is none. */
	if (index->is_broken || number == INDEX_MEMBERS_MAX || !put_member(index, member)) {
		index->is_broken = true;
		index->footer.data_bytes += member->stored_bytes;
		return;
	}
	note_member(index, member);
	if (has_packets && keys->state == CHUNK_KEYS_ALL)
		is_listed = list_keys(index, number, keys);
	else if (has_packets && keys->state == CHUNK_KEYS_SOME)
		list_known(index, keys);
	else
		skip_keys(index);
	if (!is_listed)
		mark_unlisted(index, number, 1);
}

/* Where the trailer is put together. */
struct trailer {
	struct index *index;
	uint8_t *at;
};

static void append_section(struct trailer *trailer, enum index_section_type type,
			   const struct blob *blob, uint32_t first_member, uint32_t members)
{
	struct index_footer *footer = &trailer->index->footer;
	size_t length = wrap_section(footer->file.wrapping, blob->bytes, blob->length, trailer->at);

	footer->sections[footer->sections_count++] = (struct index_section){
		.type = type,
		.stored_bytes = (uint32_t)length,
		.plain_bytes = (uint32_t)blob->plain_bytes,
		.crc32c = crc32c_update(0, trailer->at, length),
		.first_member = first_member,
		.members = members,
	};
	trailer->at += length;
}

/* Everything in its order: what is read first stands last. Returns what of it is not conversations. */
static size_t append_sections(struct trailer *trailer, const struct blob *members,
			      const struct blob *facts)
{
	struct index *index = trailer->index;
	const uint8_t *small;

	for (size_t i = 0; i < index->packed_count; i++)
		append_section(trailer, INDEX_CONVERSATIONS, &index->packed[i].conversations_blob,
			       index->packed[i].first_member, index->packed[i].members);
	small = trailer->at;
	append_section(trailer, INDEX_MEMBERS, members, 0, index->footer.members);
	for (size_t i = 0; i < index->packed_count; i++)
		append_section(trailer, INDEX_ADDRESSES, &index->packed[i].addresses_blob,
			       index->packed[i].first_member, index->packed[i].members);
	append_section(trailer, INDEX_FACTS, facts, 0, 0);
	trailer->at += footer_encode(&index->footer, trailer->at);
	return (size_t)(trailer->at - small);
}

static bool pack_members(struct index *index, struct index_pool *pool, struct blob *ret_blob)
{
	size_t bitmap = index->footer.has_unlisted ? (index->footer.members + 7) / 8 : 0;

	if (bitmap > 0 && !reserve_members(index, bitmap))
		return false;
	if (bitmap > 0)
		memcpy((uint8_t *)index->members.list + index->members.count, index->unlisted.list,
		       bitmap);
	index->members.count += bitmap;
	return blob_pack(ret_blob, pool, index->library, index->members.list, index->members.count);
}

/* False: it would be too large. */
static bool put_together(struct index *index, const struct blob *members, const struct blob *facts,
			 size_t *ret_tail_bytes)
{
	enum index_wrapping wrapping = index->footer.file.wrapping;
	uint64_t length = index->packed_bytes + wrap_bytes(wrapping, members->length) +
			  wrap_bytes(wrapping, facts->length) +
			  footer_bytes(wrapping, 2 * (uint32_t)index->packed_count + 2);
	struct trailer trailer = { .index = index };

	if (length > INDEX_STORED_MAX ||
	    index->packed_plain + members->plain_bytes + facts->plain_bytes > INDEX_PLAIN_MAX)
		return false;
	index->bytes = trailer.at = pool_take(index->pool, length);
	index->bytes_length = length;
	*ret_tail_bytes = append_sections(&trailer, members, facts);
	free_packed(index);
	return true;
}

size_t index_finish(struct index *index, const char *facts, const uint8_t **ret_bytes,
		    size_t *ret_tail_bytes)
{
	struct blob members = { .bytes = NULL }, lines = { .bytes = NULL };
	const uint8_t *text = (const uint8_t *)facts;
	struct index_pool packing;

	close_group(index);
	index_pool_init(&packing, INDEX_PACKING_BYTES);
	(void)pthread_mutex_lock(&index->pool->packing);
	if (!index->is_broken && !index->bytes && pack_members(index, &packing, &members) &&
	    blob_pack(&lines, &packing, index->library, text, strlen(facts)) &&
	    put_together(index, &members, &lines, ret_tail_bytes))
		*ret_bytes = index->bytes;
	blob_free(&members, &packing);
	blob_free(&lines, &packing);
	(void)pthread_mutex_unlock(&index->pool->packing);
	return index->bytes_length;
}
