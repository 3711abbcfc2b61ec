/* SPDX-License-Identifier: Apache-2.0 */
/* A group as the sections CONVERSATIONS and ADDRESSES. What comes out depends on the packets only, not on hashes. */
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "index/index_private.h"
#include "index/key.h"

/* The most that one takes: two differences of 33 bits, a type, a port, a count; in all its columns. */
#define CONVERSATION_BYTES_MAX (5 + 5 + 2 + 3 + 3)
#define POSTING_BYTES_MAX      (3 + 3)
#define ADDRESS_BYTES_MAX      17
#define TYPE_BYTES             6
#define COUNT_BYTES_MAX        5

/* A conversation in the order of the section: addresses are places in ADDRESSES. */
struct ranked {
	uint64_t pair, what;
	uint32_t place; /* in the group */
};

/* One of its members. */
struct placed {
	uint16_t member, hints;
	uint8_t tcp_flags;
};

/* All that packing needs beside the group. */
struct packing {
	struct group *group;
	struct index_pool pool;                  /* its own */
	struct pool_array ipv4;                  /* uint32_t, sorted */
	struct pool_array ipv6_order, ipv6_rank; /* uint32_t, of the group's addresses */
	struct pool_array ranked;                /* struct ranked */
	struct pool_array starts;                /* uint32_t, by place: where its postings begin */
	struct pool_array placed;                /* struct placed, by conversation */
	struct pool_array plain;                 /* uint8_t */
};

static void free_packing(struct packing *packing)
{
	struct index_pool *pool = &packing->pool;

	pool_array_free(pool, &packing->ipv4, sizeof(uint32_t));
	pool_array_free(pool, &packing->ipv6_order, sizeof(uint32_t));
	pool_array_free(pool, &packing->ipv6_rank, sizeof(uint32_t));
	pool_array_free(pool, &packing->ranked, sizeof(struct ranked));
	pool_array_free(pool, &packing->starts, sizeof(uint32_t));
	pool_array_free(pool, &packing->placed, sizeof(struct placed));
	pool_array_free(pool, &packing->plain, 1);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

static int compare_addresses(const void *a, const void *b, void *addresses)
{
	const uint8_t(*list)[16] = addresses;

	return memcmp(list[*(const uint32_t *)a], list[*(const uint32_t *)b], 16);
}

static bool is_ipv6(uint64_t what)
{
	return key_kind(what) == HEADERS_IPV6;
}

/* As the section has them: IPv6 last, then by addresses, port and type. */
static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *one = a, *other = b;

	if (one->pair != other->pair)
		return one->pair < other->pair ? -1 : 1;
	return (one->what > other->what) - (one->what < other->what);
}

/* The distinct addresses of IPv4 and the like, sorted. */
static bool rank_ipv4(struct packing *packing)
{
	const struct group_conversation *list = packing->group->conversations.list;
	size_t count = packing->group->conversations.count, kept = 0;
	uint32_t *ipv4;

	if (!pool_array_reserve(&packing->pool, &packing->ipv4, sizeof *ipv4, 2 * count))
		return false;
	ipv4 = packing->ipv4.list;
	for (size_t i = 0; i < count; i++) {
		if (is_ipv6(list[i].what))
			continue;
		ipv4[packing->ipv4.count++] = (uint32_t)(list[i].pair >> 32);
		ipv4[packing->ipv4.count++] = (uint32_t)list[i].pair;
	}
	qsort(ipv4, packing->ipv4.count, sizeof *ipv4, compare_numbers);
	for (size_t i = 0; i < packing->ipv4.count; i++)
		if (kept == 0 || ipv4[kept - 1] != ipv4[i])
			ipv4[kept++] = ipv4[i];
	packing->ipv4.count = kept;
	return true;
}

static bool rank_ipv6(struct packing *packing)
{
	struct index_pool *pool = &packing->pool;
	size_t count = packing->group->addresses.count;
	uint32_t *order, *rank;

	if (count == 0)
		return true;
	if (!pool_array_reserve(pool, &packing->ipv6_order, sizeof *order, count) ||
	    !pool_array_reserve(pool, &packing->ipv6_rank, sizeof *rank, count))
		return false;
	order = packing->ipv6_order.list;
	rank = packing->ipv6_rank.list;
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof *order, compare_addresses, packing->group->addresses.list);
	for (uint32_t i = 0; i < count; i++)
		rank[order[i]] = i;
	return true;
}

static uint64_t find_ipv4(const struct packing *packing, uint32_t address)
{
	const uint32_t *list = packing->ipv4.list;
	const uint32_t *found = bsearch(&address, list, packing->ipv4.count, sizeof address,
					compare_numbers);

	return (uint64_t)(found - list);
}

/* Conversations in the section's order, with the section's numbers of addresses. */
static bool rank_conversations(struct packing *packing)
{
	const struct group_conversation *list = packing->group->conversations.list;
	const uint32_t *ipv6 = packing->ipv6_rank.list;
	size_t count = packing->group->conversations.count;
	struct ranked *ranked;

	if (!pool_array_reserve(&packing->pool, &packing->ranked, sizeof *ranked, count))
		return false;
	ranked = packing->ranked.list;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t one = (uint32_t)(list[i].pair >> 32), other = (uint32_t)list[i].pair;
		uint64_t low, high;

		if (is_ipv6(list[i].what)) {
			low = packing->ipv4.count + ipv6[one];
			high = packing->ipv4.count + ipv6[other];
		} else {
			low = find_ipv4(packing, one);
			high = find_ipv4(packing, other);
		}
		ranked[i] = (struct ranked){ low << 32 | high, list[i].what, i };
	}
	packing->ranked.count = count;
	qsort(ranked, count, sizeof *ranked, compare_ranked);
	return true;
}

/* Postings by conversation, in place of by member: a counting sort. */
static bool place_postings(struct packing *packing)
{
	struct group *group = packing->group;
	const struct group_posting *postings = group->postings.list;
	const uint32_t *ends = group->ends.list;
	size_t count = group->conversations.count, at = 0;
	struct placed *placed;
	uint32_t *starts;

	if (!pool_array_reserve(&packing->pool, &packing->starts, sizeof *starts, count + 2) ||
	    !pool_array_reserve(&packing->pool, &packing->placed, sizeof *placed,
				group->postings.count))
		return false;
	starts = packing->starts.list;
	placed = packing->placed.list;
	/* Two places further, so that they have moved to their own when all are placed. */
	memset(starts, 0, (count + 2) * sizeof *starts);
	for (size_t i = 0; i < group->postings.count; i++)
		starts[postings[i].conversation + 2]++;
	for (size_t i = 2; i < count + 2; i++)
		starts[i] += starts[i - 1];
	for (uint16_t member = 0; member < group->ends.count; member++)
		for (; at < ends[member]; at++)
			placed[starts[postings[at].conversation + 1]++] = (struct placed){
				member, postings[at].hints, postings[at].tcp_flags
			};
	return true;
}

static size_t put_members(uint8_t *out, const struct placed *placed, uint32_t count, size_t members)
{
	size_t bitmap = (members + 7) / 8, length = 0;
	uint32_t before = 0;

	/* The count is at least one byte, as the zero that says that a bitmap follows is. */
	length = put_varint(out, count);
	for (uint32_t i = 0; i < count; i++) {
		length += put_varint(out + length, placed[i].member - before);
		before = placed[i].member;
	}
	if (length <= bitmap + 1)
		return length;
	memset(out, 0, bitmap + 1);
	for (uint32_t i = 0; i < count; i++)
		out[1 + placed[i].member / 8] |= (uint8_t)(1u << placed[i].member % 8);
	return bitmap + 1;
}

static uint64_t number_type(const struct group *group, uint64_t what)
{
	const uint64_t *types = group->types.list;
	uint64_t type = what & KEY_TYPE_MASK;
	size_t from = 0, to = group->types.count;

	while (to - from > 1) {
		size_t middle = (from + to) / 2;

		if (types[middle] <= type)
			from = middle;
		else
			to = middle;
	}
	return from;
}

static size_t put_conversations(const struct packing *packing, uint8_t *out)
{
	const struct ranked *ranked = packing->ranked.list;
	const uint32_t *starts = packing->starts.list;
	const struct placed *placed = packing->placed.list;
	size_t count = packing->ranked.count, members = packing->group->ends.count, length;
	int64_t low_before = -1, high_before = 0;

	length = put_varint(out, count);
	for (size_t i = 0; i < count; i++) {
		int64_t low = (int64_t)(ranked[i].pair >> 32),
			high = (int64_t)(ranked[i].pair & UINT32_MAX);
		const uint32_t *range = &starts[ranked[i].place];

		if (low != low_before)
			high_before = low;
		length += put_varint(out + length, zigzag(low - (i > 0 ? low_before : 0)));
		length += put_varint(out + length, zigzag(high - high_before));
		length += put_varint(out + length, number_type(packing->group, ranked[i].what));
		length += put_varint(out + length, ranked[i].what >> KEY_TYPE_BITS);
		length += put_members(out + length, placed + range[0], range[1] - range[0],
				      members);
		low_before = low;
		high_before = high;
	}
	return length;
}

/* The three columns: flags, and the hints' low and high bytes. */
static size_t put_columns(const struct packing *packing, uint8_t *out)
{
	const struct ranked *ranked = packing->ranked.list;
	const uint32_t *starts = packing->starts.list;
	const struct placed *placed = packing->placed.list;
	size_t postings = packing->group->postings.count, at = 0;

	for (size_t i = 0; i < packing->ranked.count; i++)
		for (uint32_t p = starts[ranked[i].place]; p < starts[ranked[i].place + 1]; p++) {
			out[at] = placed[p].tcp_flags;
			out[postings + at] = (uint8_t)placed[p].hints;
			out[2 * postings + at++] = (uint8_t)(placed[p].hints >> 8);
		}
	return 3 * postings;
}

static size_t put_addresses(const struct packing *packing, uint8_t *out)
{
	const struct group *group = packing->group;
	const uint32_t *ipv4 = packing->ipv4.list, *order = packing->ipv6_order.list;
	const uint8_t(*ipv6)[16] = group->addresses.list;
	const uint64_t *types = group->types.list;
	size_t length = put_varint(out, packing->ipv4.count);

	for (size_t i = 0; i < packing->ipv4.count; i++)
		length += put_varint(out + length, ipv4[i] - (i > 0 ? ipv4[i - 1] : 0));
	length += put_varint(out + length, group->addresses.count);
	for (size_t i = 0; i < group->addresses.count; i++) {
		const uint8_t *address = ipv6[order[i]];
		uint8_t shared = 0;

		while (i > 0 && shared < 16 && address[shared] == ipv6[order[i - 1]][shared])
			shared++;
		out[length++] = shared;
		memcpy(out + length, address + shared, 16u - shared);
		length += 16u - shared;
	}
	length += put_varint(out + length, group->types.count);
	for (size_t i = 0; i < group->types.count; i++) {
		put_u16(out + length, (uint16_t)(types[i] >> 32));
		out[length + 2] = (uint8_t)(types[i] >> 24);
		out[length + 3] = (uint8_t)(types[i] >> 16);
		out[length + 4] = (uint8_t)(types[i] >> 8);
		out[length + 5] = (uint8_t)types[i];
		length += TYPE_BYTES;
	}
	return length;
}

static bool pack_conversations(struct packing *packing, const struct index_library *library,
			       struct blob *ret_blob)
{
	struct index_pool *pool = &packing->pool;
	size_t length;

	if (!rank_conversations(packing) || !place_postings(packing) ||
	    !pool_array_reserve(pool, &packing->plain, 1,
				COUNT_BYTES_MAX + packing->ranked.count * CONVERSATION_BYTES_MAX +
					packing->group->postings.count * POSTING_BYTES_MAX))
		return false;
	length = put_conversations(packing, packing->plain.list);
	length += put_columns(packing, (uint8_t *)packing->plain.list + length);
	pool_array_free(pool, &packing->placed, sizeof(struct placed));
	return blob_pack(ret_blob, pool, library, packing->plain.list, length);
}

static bool pack_addresses(struct packing *packing, const struct index_library *library,
			   struct blob *ret_blob)
{
	struct index_pool *pool = &packing->pool;

	pool_array_free(pool, &packing->plain, 1);
	if (!pool_array_reserve(pool, &packing->plain, 1,
				3 * COUNT_BYTES_MAX +
					(packing->ipv4.count + packing->group->addresses.count) *
						ADDRESS_BYTES_MAX +
					packing->group->types.count * TYPE_BYTES))
		return false;
	return blob_pack(ret_blob, pool, library, packing->plain.list,
			 put_addresses(packing, packing->plain.list));
}

bool group_pack(struct group *group, const struct index_library *library,
		struct blob *ret_conversations, struct blob *ret_addresses)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&group->pool->packing);
	struct packing packing = { .group = group };
	bool is_packed;

	index_pool_init(&packing.pool, INDEX_PACKING_BYTES);
	*ret_conversations = *ret_addresses = (struct blob){ .bytes = NULL };
	is_packed = rank_ipv4(&packing) && rank_ipv6(&packing) &&
		    pack_conversations(&packing, library, ret_conversations) &&
		    pack_addresses(&packing, library, ret_addresses);
	if (is_packed) {
		blob_move(ret_conversations, &packing.pool, group->pool);
		blob_move(ret_addresses, &packing.pool, group->pool);
	} else {
		blob_free(ret_conversations, &packing.pool);
	}
	free_packing(&packing);
	group_end(group);
	return is_packed;
}
