/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index_fixture.h"

#include "base/checksum.h"
#include "base/mem.h"
#include "index/index_private.h"

#define LISTED_MAX ((size_t)1 << 20)

static struct index_pool pool;

/* A conversation in a member, with addresses as bytes. */
struct listed {
	uint8_t low[16], high[16];
	uint64_t what;
	uint32_t member;
	uint16_t hints;
	uint8_t flags;
};

/* A set of these, added and found in any order. */
struct listing {
	struct listed *list;
	size_t count;
};

/* A file with an index: the members are bytes of no meaning. */
struct file {
	struct index *index;
	uint8_t *bytes;
	size_t length, tail_bytes;
	uint64_t data_bytes;
	uint32_t members;
	bool is_unlisted[65536];
	uint64_t known[1 << 18]; /* a table of the conversations of listed members, by a hash */
	struct listing expected;
};

static const struct index_file ethernet = { INDEX_GZIP, 1, 96, false, false };

static int set_up_pool(void **state)
{
	(void)state;
	index_pool_init(&pool, INDEX_POOL_BYTES);
	return 0;
}

static uint32_t random_below(uint32_t limit)
{
	uint32_t number;

	unit_random(&number, sizeof number);
	return number % limit;
}

static void listing_add(struct listing *listing, const struct listed *listed)
{
	if (!listing->list)
		listing->list = mem_calloc(LISTED_MAX, sizeof *listing->list);
	assert_true(listing->count < LISTED_MAX);
	listing->list[listing->count++] = *listed;
}

static int compare_listed(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct listed));
}

static void assert_same_listing(struct listing *one, struct listing *other)
{
	assert_int_equal(one->count, other->count);
	if (one->count == 0)
		return;
	qsort(one->list, one->count, sizeof *one->list, compare_listed);
	qsort(other->list, other->count, sizeof *other->list, compare_listed);
	assert_memory_equal(one->list, other->list, one->count * sizeof *one->list);
}

static struct file *begin_file(const struct index_file *about)
{
	struct file *file = mem_calloc(1, sizeof *file);

	file->index = index_new(&pool, &library, about);
	return file;
}

static struct file *free_file(struct file *file)
{
	index_free(file->index);
	free(file->expected.list);
	free(file->bytes);
	free(file);
	return NULL;
}

static void put_ipv4(uint64_t pair, struct listed *listed)
{
	for (int i = 0; i < 4; i++) {
		listed->low[i] = (uint8_t)(pair >> (56 - 8 * i));
		listed->high[i] = (uint8_t)(pair >> (24 - 8 * i));
	}
}

/* Is it one that a listed member has; or make it one. */
static bool is_known(struct file *file, const struct listed *listed, bool is_added)
{
	uint64_t hash = UINT64_C(1469598103934665603); /* FNV */
	size_t at;

	for (size_t i = 0; i < sizeof listed->low; i++)
		hash = (hash ^ listed->low[i] ^ (uint64_t)listed->high[i] << 8) * 1099511628211;
	hash = (hash ^ listed->what) * 1099511628211;
	at = hash >> (64 - 18);
	while (file->known[at] != 0 && file->known[at] != hash)
		at = (at + 1) % ARRAY_LENGTH(file->known);
	if (is_added)
		file->known[at] = hash;
	return file->known[at] != 0;
}

static void add_member(struct file *file, const struct index_member *member,
		       const struct chunk_keys *keys)
{
	for (uint32_t i = 0; keys && i < keys->count; i++) {
		const struct chunk_key *key = &keys->list[i];
		struct listed listed;

		memset(&listed, 0, sizeof listed); /* compared as bytes */
		listed.what = key->what;
		listed.member = file->members;
		listed.hints = key->hints;
		listed.flags = key->tcp_flags;
		if (key_kind(key->what) == HEADERS_IPV6) {
			memcpy(listed.low, keys->addresses[key->pair >> 32], 16);
			memcpy(listed.high, keys->addresses[key->pair & UINT32_MAX], 16);
		} else {
			put_ipv4(key->pair, &listed);
		}
		if (is_known(file, &listed, keys->state == CHUNK_KEYS_ALL))
			listing_add(&file->expected, &listed);
	}
	file->is_unlisted[file->members++] = member->packets > 0 &&
					     (!keys || keys->state != CHUNK_KEYS_ALL);
	file->data_bytes += member->stored_bytes;
	index_add(file->index, member, keys);
}

static void end_file(struct file *file, const char *facts)
{
	const uint8_t *trailer;
	size_t length = index_finish(file->index, facts, &trailer, &file->tail_bytes);

	assert_true(length > 0 && length <= INDEX_STORED_MAX);
	assert_int_equal(index_data_bytes(file->index), file->data_bytes);
	file->length = file->data_bytes + length;
	file->bytes = mem_calloc(1, file->length);
	memcpy(file->bytes + file->data_bytes, trailer, length);
}

/* A key of one of these conversations, so that members share them; IPv6 for the odd ones. */
static void make_key(struct chunk_keys *keys, uint32_t number)
{
	uint64_t what = (uint64_t)(number % 1000) << 48 | type_of(0x0800, 1, 0, number % 7, 0);
	uint64_t low = number * UINT32_C(2654435761) >> 1, high = low + number;
	struct chunk_key *key = &keys->list[keys->count++];

	*key = (struct chunk_key){ .pair = low << 32 | (high & UINT32_MAX), .what = what };
	unit_random(&key->hints, sizeof key->hints);
	unit_random(&key->tcp_flags, sizeof key->tcp_flags);
	if (number % 2 == 0)
		return;
	key->what = (uint64_t)(number % 1000) << 48 | type_of(0x86dd, 2, 0, 6, 0);
	key->pair = (uint64_t)keys->address_count << 32 | (keys->address_count + 1);
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *address = keys->addresses[keys->address_count++];

		memset(address, (int)(number % 5), 12);
		put_u32(address + 12, (uint32_t)low + i);
	}
}

/* Different ones, of this many that there are. */
static void make_keys(struct chunk_keys *keys, uint32_t count, uint32_t of)
{
	uint32_t number = random_below(of);

	keys->state = CHUNK_KEYS_ALL;
	keys->count = keys->address_count = 0;
	for (uint32_t i = 0; i < count; i++)
		make_key(keys, (number + i) % of);
}

static struct index_member make_member(int64_t *time)
{
	struct index_member member = { .stored_bytes = random_below(1000) + 20,
				       .plain_bytes = random_below(500000),
				       .packets = random_below(5000) + 1 };

	*time += (int64_t)random_below(2000000) - 1000; /* members overlap */
	member.earliest = *time;
	*time = member.latest = *time + random_below(1000000);
	return member;
}

struct finding {
	const struct index_addresses *addresses;
	struct listing found;
};

static void put_address(const struct index_addresses *addresses, uint32_t place, uint8_t out[16])
{
	if (place >= addresses->ipv4_count) {
		memcpy(out, addresses->ipv6[place - addresses->ipv4_count], 16);
		return;
	}
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(addresses->ipv4[place] >> (24 - 8 * i));
}

static void note_found(void *context, const struct index_conversation *conversation)
{
	struct finding *finding = context;

	for (uint32_t i = 0; i < conversation->count; i++) {
		struct listed listed;

		memset(&listed, 0, sizeof listed);
		put_address(finding->addresses, conversation->low, listed.low);
		put_address(finding->addresses, conversation->high, listed.high);
		listed.what = (uint64_t)conversation->port << 48 | conversation->type;
		listed.member = conversation->members[i];
		listed.hints = (uint16_t)(conversation->hints_low[i] | conversation->hints_high[i]
									       << 8);
		listed.flags = conversation->flags[i];
		listing_add(&finding->found, &listed);
	}
}

static const struct index_section *find_section(const struct index_footer *footer, uint16_t type,
						uint32_t first_member)
{
	uint32_t i = 0;

	while (i < footer->sections_count && (footer->sections[i].type != type ||
					      footer->sections[i].first_member != first_member))
		i++;
	assert_true(i < footer->sections_count);
	return &footer->sections[i];
}

static uint8_t *read_plain(const struct file *file, const struct index_footer *footer,
			   const struct index_section *section)
{
	uint8_t *plain;
	struct error err;

	if (index_read_section(footer, section, file->bytes + section->offset, &library, &plain,
			       &err) < 0)
		fail_msg("%s", err.message);
	return plain;
}

static void read_group(const struct file *file, const struct index_footer *footer,
		       const struct index_section *section, struct finding *finding)
{
	const struct index_section *of = find_section(footer, INDEX_ADDRESSES,
						      section->first_member);
	cleanup_free uint8_t *plain = read_plain(file, footer, section),
			     *addresses_plain = read_plain(file, footer, of);
	struct index_addresses addresses;
	struct error err;

	assert_int_equal(index_read_addresses(addresses_plain, of->plain_bytes, &addresses, &err),
			 0);
	finding->addresses = &addresses;
	if (index_read_conversations(section, plain, &addresses, note_found, finding, &err) < 0)
		fail_msg("%s", err.message);
	index_free_addresses(&addresses);
}

static struct index_footer *read_footer(const struct file *file)
{
	struct index_footer *footer = mem_calloc(1, sizeof *footer);

	assert_true(index_read_footer(file->bytes, file->length, file->length, footer) > 0);
	return footer;
}

/* In the bitmap, too, is every member with packets that no group speaks of: whoever reads it may look at nothing else. */
static void assert_bitmap(const struct index_footer *footer, const uint8_t *plain, size_t length)
{
	const uint8_t *bitmap = plain + length - (footer->members + 7) / 8;
	cleanup_free struct index_member *members = NULL;
	struct error err;

	if (index_read_members(footer, plain, length, &members, &err) < 0)
		fail_msg("%s", err.message);
	for (uint32_t i = 0; i < footer->members; i++)
		assert_int_equal(members[i].is_unlisted,
				 footer->has_unlisted && bitmap[i / 8] >> i % 8 & 1);
}

/* A trailer behind so many bytes of members: its footer, with a bitmap that is right. */
static struct index_footer *read_trailer(const uint8_t *bytes, size_t length, uint64_t data_bytes)
{
	struct index_footer *footer = mem_calloc(1, sizeof *footer);
	const struct index_section *section;
	cleanup_free uint8_t *plain = NULL;
	struct error err;

	assert_true(length > 0 && length <= INDEX_STORED_MAX);
	assert_true(index_read_footer(bytes, length, data_bytes + length, footer) > 0);
	section = find_section(footer, INDEX_MEMBERS, 0);
	assert_int_equal(index_read_section(footer, section, bytes + (section->offset - data_bytes),
					    &library, &plain, &err),
			 0);
	assert_bitmap(footer, plain, section->plain_bytes);
	return footer;
}

/* What is read is what was put in. */
static void check_file(struct file *file, const struct index_member *members)
{
	cleanup_free struct index_footer *footer = read_footer(file);
	const struct index_section *section = find_section(footer, INDEX_MEMBERS, 0);
	cleanup_free uint8_t *plain = read_plain(file, footer, section);
	cleanup_free struct index_member *found = NULL;
	struct finding finding = { .addresses = NULL };
	struct error err;

	assert_int_equal(footer->members, file->members);
	assert_int_equal(footer->data_bytes, file->data_bytes);
	assert_int_equal(footer->key_version, KEY_VERSION);
	assert_bitmap(footer, plain, section->plain_bytes);
	if (index_read_members(footer, plain, section->plain_bytes, &found, &err) < 0)
		fail_msg("%s", err.message);
	for (uint32_t i = 0; i < file->members; i++) {
		assert_int_equal(found[i].is_unlisted, file->is_unlisted[i]);
		if (!members)
			continue;
		assert_int_equal(found[i].stored_bytes, members[i].stored_bytes);
		assert_int_equal(found[i].plain_bytes, members[i].plain_bytes);
		assert_int_equal(found[i].packets, members[i].packets);
		assert_true(found[i].earliest == members[i].earliest);
		assert_true(found[i].latest == members[i].latest);
	}
	for (uint32_t i = 0; i < footer->sections_count; i++)
		if (footer->sections[i].type == INDEX_CONVERSATIONS)
			read_group(file, footer, &footer->sections[i], &finding);
	assert_same_listing(&finding.found, &file->expected);
	free(finding.found.list);
}

/* Header, members with packets, and a trailer without, as the recorder has them. */
static struct file *make_file(const struct index_file *about, uint32_t count, uint32_t keys_each,
			      uint32_t of, struct index_member *members)
{
	static struct chunk_keys keys;
	struct file *file = begin_file(about);
	int64_t time = INT64_C(1764000000000000);

	for (uint32_t i = 0; i < count; i++) {
		bool is_edge = i == 0 || i == count - 1;

		members[i] = is_edge ? (struct index_member){ .stored_bytes = 44,
							      .plain_bytes = 24 }
				     : make_member(&time);
		make_keys(&keys, random_below(keys_each) + 1, of);
		if (random_below(10) == 0)
			keys.state = CHUNK_KEYS_SOME;
		add_member(file, &members[i], is_edge || random_below(20) == 0 ? NULL : &keys);
	}
	end_file(file, "node=n\ninterface=eth0\n");
	return file;
}

static void test_random_segments_are_read_as_they_were_made(void **state)
{
	static const struct index_file abouts[] = {
		{ INDEX_GZIP, 1, 96, false, false },
		{ INDEX_ZSTD, 1, 262144, true, true },
		{ INDEX_GZIP, 276, 0, true, false },
	};
	static struct index_member members[1000];

	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		uint32_t count = random_below(round < 50 ? 40 : 1000) + 2;
		uint32_t of = random_below(3000) + 2;
		struct file *file = make_file(&abouts[round % ARRAY_LENGTH(abouts)], count,
					      of / 2 < 300 ? of / 2 : 300, of, members);
		cleanup_free struct index_footer *footer = read_footer(file);

		assert_memory_equal(&footer->file, &abouts[round % ARRAY_LENGTH(abouts)],
				    sizeof footer->file);
		check_file(file, members);
		free_file(file);
	}
	assert_int_equal(atomic_load(&pool.used), 0);
}

static void test_without_packets_and_without_anything(void **state)
{
	static const struct index_member header = { .stored_bytes = 44, .plain_bytes = 24 };
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;

	(void)state;
	add_member(file, &header, NULL);
	end_file(file, "");
	check_file(file, &header);
	footer = read_footer(file);
	assert_true(footer->earliest == 0 && footer->latest == 0 && footer->packets == 0);
	assert_false(footer->has_unlisted);
	free_file(file);
}

static void test_the_times_are_those_of_all_members(void **state)
{
	static const struct index_member members[] = {
		{ .stored_bytes = 44, .plain_bytes = 24 }, { 100, 1000, 5, 2000, 3000, false },
		{ 100, 1000, 5, 1000, 1500, false },       { .stored_bytes = 30 },
		{ 100, 1000, 5, 2500, 9000, false },       { 100, 1000, 5, -7, -7, false },
	};
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
		add_member(file, &members[i], NULL);
	end_file(file, "");
	check_file(file, members);
	footer = read_footer(file);
	assert_int_equal(footer->earliest, -7);
	assert_int_equal(footer->latest, 9000);
	assert_int_equal(footer->packets, 20);
	assert_true(footer->has_unlisted);
	free_file(file);
}

/* One that is everywhere takes a bit for each member, before it is compressed. */
static void test_a_conversation_in_all_members_is_short(void **state)
{
	static struct chunk_keys keys;
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };

	(void)state;
	make_keys(&keys, 1, 2);
	for (uint32_t i = 0; i < 4000; i++)
		add_member(file, &member, &keys);
	end_file(file, "");
	check_file(file, NULL);
	footer = read_footer(file);
	assert_true(find_section(footer, INDEX_CONVERSATIONS, 0)->plain_bytes <
		    4000 / 8 + 3 * 4000 + 20);
	free_file(file);
}

static size_t no_deflate(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity)
{
	(void)bytes;
	(void)length;
	(void)out;
	(void)capacity;
	return 0;
}

static void test_a_library_that_fails_leaves_no_index(void **state)
{
	const struct index_library failing = { deflate_bound, no_deflate, inflate_raw };
	static const struct index_member header = { .stored_bytes = 44, .plain_bytes = 24 };
	struct index *index = index_new(&pool, &failing, &ethernet);
	const uint8_t *bytes;
	size_t tail;

	(void)state;
	index_add(index, &header, NULL);
	assert_int_equal(index_finish(index, "", &bytes, &tail), 0);
	index_free(index);
	assert_int_equal(atomic_load(&pool.used), 0);
}

/* One more than a group holds is in the next. */
static void test_a_full_group_is_followed_by_another(void **state)
{
	static struct chunk_keys keys;
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		keys.state = CHUNK_KEYS_ALL;
		keys.count = keys.address_count = 0;
		for (uint32_t k = 0; k < CHUNK_KEYS_MAX; k++)
			make_key(&keys, 2 * (i * CHUNK_KEYS_MAX + k));
		add_member(file, &member, &keys);
	}
	end_file(file, "");
	check_file(file, NULL);
	footer = read_footer(file);
	assert_int_equal(footer->conversations, 40 * CHUNK_KEYS_MAX);
	assert_int_equal(footer->sections_count, 3 * 2 + 2);
	assert_int_equal(find_section(footer, INDEX_CONVERSATIONS, 16)->members, 16);
	assert_int_equal(find_section(footer, INDEX_CONVERSATIONS, 32)->members, 8);
	assert_false(footer->has_unlisted);
	free_file(file);
}

/* 256 protocols, and as many types as anybody can think of. */
static void test_many_types(void **state)
{
	static struct chunk_keys keys;
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		keys.state = CHUNK_KEYS_ALL;
		keys.count = 0;
		for (uint32_t k = 0; k < (i == 0 ? 256 : 1000); k++)
			keys.list[keys.count++] = (struct chunk_key){
				.pair = 1,
				.what = type_of((uint16_t)(i == 0 ? 0x0800 : 0x4000 + i), 1,
						(uint8_t)(k >> 8), (uint8_t)k, 0),
			};
		add_member(file, &member, &keys);
	}
	end_file(file, "");
	check_file(file, NULL);
	footer = read_footer(file);
	assert_false(footer->has_unlisted);
	assert_true(footer->sections_count > 4);
	free_file(file);
}

/* Short flows fill groups, and then the index; members are unlisted, and memory and file stay within their limits. */
static void test_an_index_stays_within_its_limits(void **state)
{
	static struct chunk_keys keys;
	struct index *index = index_new(&pool, &library, &ethernet);
	struct index_member member = { 100000, 500000, 5000, 2000, 3000, false };
	cleanup_free struct index_footer *footer = NULL;
	const uint8_t *bytes;
	size_t length, tail;

	(void)state;
	for (uint32_t i = 0; i < 1500; i++) {
		keys.state = CHUNK_KEYS_ALL;
		keys.count = keys.address_count = 0;
		for (uint32_t k = 0; k < CHUNK_KEYS_MAX; k++) {
			keys.list[keys.count] =
				(struct chunk_key){ .what = type_of(0x800, 1, 0, 6, 0) };
			unit_random(&keys.list[keys.count++].pair, sizeof(uint64_t));
		}
		index_add(index, &member, &keys);
		assert_true(atomic_load(&pool.used) <= INDEX_POOL_BYTES);
	}
	length = index_finish(index, "facts", &bytes, &tail);
	footer = read_trailer(bytes, length, 1500 * UINT64_C(100000));
	assert_true(footer->has_unlisted);
	assert_int_equal(footer->members, 1500);
	index_free(index);
	assert_int_equal(atomic_load(&pool.used), 0);
}

/* Keys of this many types, from this one on. */
static void make_types(struct chunk_keys *keys, uint32_t first, uint32_t count)
{
	keys->state = CHUNK_KEYS_ALL;
	keys->count = keys->address_count = 0;
	for (uint32_t k = first; k < first + count; k++)
		keys->list[keys->count++] = (struct chunk_key){
			.pair = 1, .what = type_of(0x800, 1, (uint8_t)(k >> 8), (uint8_t)k, 0)
		};
}

/* There are no more than the format allows, and members of what would be others are unlisted. */
static void test_no_more_groups_than_there_can_be_are_made(void **state)
{
	static struct chunk_keys keys;
	struct index *index = index_new(&pool, &library, &ethernet);
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };
	cleanup_free struct index_footer *footer = NULL;
	uint32_t groups = 0, count = 2 * (INDEX_GROUPS_MAX + 10);
	const uint8_t *bytes;
	size_t length, tail;

	(void)state;
	for (uint32_t i = 0; i < count; i++) { /* two in a group are all the types that it holds */
		make_types(&keys, i * CHUNK_KEYS_MAX, CHUNK_KEYS_MAX);
		index_add(index, &member, &keys);
	}
	length = index_finish(index, "facts", &bytes, &tail);
	footer = read_trailer(bytes, length, count * UINT64_C(100));
	for (uint32_t i = 0; i < footer->sections_count; i++)
		groups += footer->sections[i].type == INDEX_CONVERSATIONS;
	assert_int_equal(groups, INDEX_GROUPS_MAX);
	assert_true(footer->has_unlisted);
	index_free(index);
	assert_int_equal(atomic_load(&pool.used), 0);
}

/* The same conversations in many members: they take little room in the file, and much in who reads it. */
static void test_an_index_does_not_become_too_large_unpacked(void **state)
{
	static struct chunk_keys keys;
	struct index *index = index_new(&pool, &library, &ethernet);
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };
	cleanup_free struct index_footer *footer = NULL;
	uint64_t plain = 0;
	const uint8_t *bytes;
	size_t length, tail;

	(void)state;
	make_types(&keys, 0, CHUNK_KEYS_MAX);
	for (uint32_t i = 0; i < 6000; i++)
		index_add(index, &member, &keys);
	length = index_finish(index, "facts", &bytes, &tail);
	footer = read_trailer(bytes, length, 6000 * UINT64_C(100));
	for (uint32_t i = 0; i < footer->sections_count; i++)
		plain += footer->sections[i].plain_bytes;
	assert_true(plain > INDEX_PLAIN_MAX / 2 && plain <= INDEX_PLAIN_MAX);
	assert_int_equal(find_section(footer, INDEX_CONVERSATIONS, 0)->members, 128);
	index_free(index);
}

static unsigned deflates_left;

static size_t deflate_later(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity)
{
	if (deflates_left == 0) {
		deflates_left = UINT_MAX;
		return 0;
	}
	deflates_left--;
	return deflate_raw(bytes, length, out, capacity);
}

/* Of a group that cannot be packed, whichever section it is, nothing is there, and its members say so. */
static void test_a_group_that_cannot_be_packed_is_unlisted(void **state)
{
	const struct index_library failing = { deflate_bound, deflate_later, inflate_raw };
	static struct chunk_keys keys;

	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		struct index *index = index_new(&pool, &failing, &ethernet);
		struct index_member member = { 100, 1000, 5, 2000, 3000, false };
		cleanup_free struct index_footer *footer = NULL;
		const uint8_t *bytes;
		size_t length, tail;

		deflates_left = which;
		make_keys(&keys, 20, 100);
		for (uint32_t i = 0; i < 20; i++)
			index_add(index, &member, &keys);
		length = index_finish(index, "facts", &bytes, &tail);
		footer = read_trailer(bytes, length, 20 * UINT64_C(100));
		assert_int_equal(footer->conversations, 0);
		assert_true(footer->has_unlisted);
		index_free(index);
		assert_int_equal(atomic_load(&pool.used), 0);
	}
}

/* More members than a group has numbers for, with keys, without, and with too many: each is where it belongs. */
static void test_more_members_than_a_group_has(void **state)
{
	static struct chunk_keys keys;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct index *index = index_new(&pool, &library, &ethernet);
		struct index_member member = { 100, 1000, 5, 2000, 3000, false };
		cleanup_free struct index_footer *footer = NULL;
		uint32_t count = UINT16_MAX + 5, first;
		const uint8_t *bytes;
		size_t length, tail;

		make_types(&keys, 0, 1);
		for (uint32_t i = 0; i < count; i++) {
			bool is_edge = i == 0 || i == count - 1;

			member.packets = kind == 1 && !is_edge ? 0 : 5;
			keys.state = kind == 2 && !is_edge ? CHUNK_KEYS_SOME : CHUNK_KEYS_ALL;
			index_add(index, &member, member.packets > 0 ? &keys : NULL);
		}
		length = index_finish(index, "facts", &bytes, &tail);
		footer = read_trailer(bytes, length, count * UINT64_C(100));
		assert_int_equal(footer->has_unlisted, kind == 2);
		assert_int_equal(footer->conversations, 2);
		assert_int_equal(find_section(footer, INDEX_CONVERSATIONS, 0)->members, UINT16_MAX);
		first = kind == 0 ? UINT16_MAX : count - 1;
		assert_int_equal(find_section(footer, INDEX_CONVERSATIONS, first)->members,
				 count - first);
		index_free(index);
	}
}

/* More than the format has: no index, in place of one that leaves some out. */
static void test_a_file_of_too_many_members_has_none(void **state)
{
	struct index_pool large;
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };
	const uint8_t *bytes;
	size_t tail;

	(void)state;
	index_pool_init(&large, (size_t)64 << 20);
	for (uint32_t count = INDEX_MEMBERS_MAX; count <= INDEX_MEMBERS_MAX + 1; count++) {
		struct index *index = index_new(&large, &library, &ethernet);
		size_t length;

		for (uint32_t i = 0; i < count; i++)
			index_add(index, &member, NULL);
		length = index_finish(index, "facts", &bytes, &tail);
		assert_int_equal(length > 0, count == INDEX_MEMBERS_MAX);
		assert_int_equal(index_data_bytes(index), count * UINT64_C(100));
		index_free(index);
	}
	assert_int_equal(atomic_load(&large.used), 0);
}

/* Without memory for its members there is none, either. */
static void test_without_memory_for_members_there_is_none(void **state)
{
	struct index_pool small;
	struct index *index;
	struct index_member member = { 100, 1000, 5, 2000, 3000, false };
	const uint8_t *bytes;
	size_t tail;

	(void)state;
	index_pool_init(&small, 1000);
	index = index_new(&small, &library, &ethernet);
	for (uint32_t i = 0; i < 100000; i++)
		index_add(index, &member, NULL);
	assert_int_equal(index_finish(index, "facts", &bytes, &tail), 0);
	index_free(index);
	assert_int_equal(atomic_load(&small.used), 0);
}

/* Members whose keys are known, but too many, fill a group as well: what has no room is not noted, and nobody relies on it. */
static void test_a_group_takes_no_more_known_keys_than_it_has_room_for(void **state)
{
	static struct chunk_keys keys;
	struct group group;

	(void)state;
	group_begin(&group, &pool, 0);
	make_types(&keys, 0, CHUNK_KEYS_MAX);
	assert_true(group_add(&group, &keys));
	for (uint32_t i = 1; i < 200; i++) {
		assert_true(group_add_known(&group, &keys));
		assert_int_equal(group.postings.count, (i < 128 ? i + 1 : 128) * CHUNK_KEYS_MAX);
	}
	assert_int_equal(group.ends.count, 200);
	assert_false(group_add(&group, &keys));
	group_end(&group);
}

/* Keys that collide in a group, as nobody can arrange: it is full where they are not found, and says what it lacks. */
static void test_a_group_whose_keys_collide_is_full(void **state)
{
	static struct chunk_keys keys;
	struct group group;

	(void)state;
	for (uint32_t count = 32; count <= 33; count++) {
		group_begin(&group, &pool, 0);
		group.hash = (struct hash_keys){ 1, 0 }; /* the pair below makes every product 0 */
		make_types(&keys, 0, count);
		assert_int_equal(group_add(&group, &keys), count == 32);
		assert_int_equal(group.is_full, count == 33);
		assert_int_equal(group.conversations.count, 32);
		assert_int_equal(group.ends.count, 1);
		make_types(&keys, 5, 1);
		assert_int_equal(group_add(&group, &keys), count == 32);
		group_end(&group);
	}
	assert_int_equal(atomic_load(&pool.used), 0);
}

#define USUAL 189 /* conversations of a member, as measured */

/* A scan: none of its members can be listed, and none of its sources is worth a place. The usual ones keep theirs. */
static void test_a_scan_costs_next_to_nothing(void **state)
{
	static struct chunk_keys keys;
	static struct index_member members[200];
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;
	int64_t time = 0;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LENGTH(members); i++) {
		keys.count = keys.address_count = 0;
		for (uint32_t k = 0; k < USUAL; k++)
			make_key(&keys, k);
		keys.state = i == 0 ? CHUNK_KEYS_ALL : CHUNK_KEYS_SOME;
		while (i > 0 && keys.count < CHUNK_KEYS_MAX) {
			struct chunk_key *key = &keys.list[keys.count++];

			*key = (struct chunk_key){ .what = type_of(0x800, 1, 0, 6, 0) };
			unit_random(&key->pair, sizeof key->pair);
		}
		members[i] = make_member(&time);
		members[i].stored_bytes = 227664; /* of 5,682 packets, as measured */
		members[i].packets = 5682;
		add_member(file, &members[i], &keys);
		assert_true(atomic_load(&pool.used) < (size_t)1 << 20);
	}
	end_file(file, "");
	check_file(file, members);
	footer = read_footer(file);
	assert_int_equal(footer->conversations, USUAL);
	assert_true(1000 * (file->length - file->data_bytes) < 7 * file->data_bytes);
	free_file(file);
}

#define INTERFACES 16

/* As many interfaces as there are by default, all busy, whose files end at once: each has all its packets listed. */
static void test_many_files_at_once_are_all_listed(void **state)
{
	static struct chunk_keys keys;
	struct file *files[INTERFACES];
	struct index_member members[40];

	(void)state;
	for (uint32_t f = 0; f < INTERFACES; f++)
		files[f] = begin_file(&ethernet);
	for (uint32_t m = 0; m < ARRAY_LENGTH(members); m++)
		for (uint32_t f = 0; f < INTERFACES; f++) {
			int64_t time = 1000 + m;

			members[m] = make_member(&time);
			keys.state = CHUNK_KEYS_ALL;
			keys.count = keys.address_count = 0;
			for (uint32_t k = 0; k < 1200; k++)
				make_key(&keys, f * 100000 + 2 * ((m * 150 + k) % 6000));
			add_member(files[f], &members[m], &keys);
			assert_true(atomic_load(&pool.used) <= INDEX_POOL_BYTES);
		}
	/* The memory of all but what is in use is another's. */
	atomic_store(&pool.used, atomic_load(&pool.used) + pool.limit);
	for (uint32_t f = 0; f < INTERFACES; f++) {
		end_file(files[f], "facts");
		check_file(files[f], NULL);
	}
	for (uint32_t f = 0; f < INTERFACES; f++)
		free_file(files[f]);
	assert_int_equal(atomic_load(&pool.used), pool.limit);
	index_pool_init(&pool, INDEX_POOL_BYTES);
}

/* However little memory there is: an index that is right, or none; and nothing is left behind. */
static void test_a_small_pool_costs_listings_only(void **state)
{
	(void)state;
	for (size_t limit = 0; limit < (size_t)4 << 20; limit += limit / 3 + 1000) {
		static struct chunk_keys keys;
		struct index *index;
		const uint8_t *bytes;
		size_t length, tail;

		index_pool_init(&pool, limit);
		index = index_new(&pool, &library, &ethernet);
		for (uint32_t i = 0; i < 50; i++) {
			struct index_member member = { 100, 1000, 5, 2000, 3000, false };

			make_keys(&keys, 300, 5000);
			index_add(index, &member, &keys);
		}
		length = index_finish(index, "facts", &bytes, &tail);
		if (length > 0) {
			cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);

			assert_true(index_read_footer(bytes, length, 5000 + length, footer) > 0);
			assert_int_equal(footer->members, 50);
			if (footer->conversations == 0)
				assert_true(footer->has_unlisted);
		}
		index_free(index);
		assert_int_equal(atomic_load(&pool.used), 0);
	}
	index_pool_init(&pool, INDEX_POOL_BYTES);
}

/* The same packets give the same bytes: what recovery makes is what the recorder made. */
static void test_it_does_not_depend_on_the_hash(void **state)
{
	static struct index_member members[100];
	static struct chunk_keys keys;
	struct file *files[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct index_member member = { 100, 1000, 5, 2000, 3000, false };

		files[i] = begin_file(&ethernet);
		for (uint32_t m = 0; m < ARRAY_LENGTH(members); m++) {
			keys.state = CHUNK_KEYS_ALL;
			keys.count = keys.address_count = 0;
			for (uint32_t k = 0; k < 100; k++) {
				make_key(&keys, m * 50 + k);
				keys.list[k].hints = 7;
				keys.list[k].tcp_flags = 2;
			}
			add_member(files[i], &member, &keys);
		}
		end_file(files[i], "facts");
	}
	assert_int_equal(files[0]->length, files[1]->length);
	assert_memory_equal(files[0]->bytes, files[1]->bytes, files[0]->length);
	free_file(files[0]);
	free_file(files[1]);
}

/* Bytes flipped in a section are noticed before anything is taken from it. */
static void test_every_flipped_bit_is_noticed(void **state)
{
	static const uint16_t types[] = { INDEX_ADDRESSES, INDEX_MEMBERS, INDEX_FACTS,
					  INDEX_CONVERSATIONS };
	static struct index_member members[20];
	struct file *file = make_file(&ethernet, 20, 30, 60, members);
	cleanup_free struct index_footer *footer = read_footer(file);

	(void)state;
	for (size_t t = 0; t < ARRAY_LENGTH(types); t++) {
		uint32_t at = 0;
		const struct index_section *section;

		while (footer->sections[at].type != types[t])
			at++;
		section = &footer->sections[at];
		for (uint32_t bit = 0; bit < 8 * section->stored_bytes; bit++) {
			uint8_t *byte = file->bytes + section->offset + bit / 8, *plain;
			struct error err;

			*byte ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(index_read_section(footer, section,
							    file->bytes + section->offset, &library,
							    &plain, &err),
					 -1);
			assert_int_equal(err.kind, ERROR_REJECTED);
			*byte ^= (uint8_t)(1u << bit % 8);
		}
	}
	/* In the footer, it is not one any more. */
	for (size_t bit = 0; bit < 8 * footer_bytes(INDEX_GZIP, footer->sections_count); bit++) {
		uint8_t *byte = file->bytes + file->length - 1 - bit / 8;
		struct index_footer other;
		size_t got;

		*byte ^= (uint8_t)(1u << bit % 8);
		got = index_read_footer(file->bytes, file->length, file->length, &other);
		/* The member's end, which is the same for all, nobody looks at. */
		if (bit / 8 >= 10)
			assert_int_equal(got, 0);
		*byte ^= (uint8_t)(1u << bit % 8);
	}
	free_file(file);
}

/* A piece of the tail is enough, or says how much is. */
static void test_the_footer_is_found_in_a_part_of_the_file(void **state)
{
	static struct index_member members[20];
	struct file *file = make_file(&ethernet, 20, 30, 60, members);
	cleanup_free struct index_footer *footer = read_footer(file);
	size_t needed = footer_bytes(INDEX_GZIP, footer->sections_count);

	(void)state;
	for (size_t length = 0; length <= file->length; length++) {
		struct index_footer other;
		size_t got = index_read_footer(file->bytes + file->length - length, length,
					       file->length, &other);

		assert_int_equal(got, length < 10 + FOOTER_FIXED_BYTES ? 0 : needed);
		if (got > 0 && got <= length)
			assert_memory_equal(other.sections, footer->sections,
					    footer->sections_count * sizeof *footer->sections);
	}
	free_file(file);
}

/* What is small stands last, and its size is that of the metadata's fact. */
static void test_the_tail_is_all_but_conversations(void **state)
{
	static struct index_member members[20];
	struct file *file = make_file(&ethernet, 20, 30, 60, members);
	cleanup_free struct index_footer *footer = read_footer(file);

	(void)state;
	assert_int_equal(find_section(footer, INDEX_MEMBERS, 0)->offset,
			 file->length - file->tail_bytes);
	for (uint32_t i = 0; i < footer->sections_count; i++)
		assert_int_equal(footer->sections[i].offset < file->length - file->tail_bytes,
				 footer->sections[i].type == INDEX_CONVERSATIONS);
	free_file(file);
}

/* Put together, or cut: the footer speaks of another file, and is not believed. */
static void test_files_that_were_put_together_have_no_index(void **state)
{
	static struct index_member members[20];
	struct file *one = make_file(&ethernet, 20, 30, 60, members);
	struct file *other = make_file(&ethernet, 10, 30, 60, members);
	cleanup_free uint8_t *both = mem_alloc(2 * one->length + other->length);
	struct index_footer footer;
	size_t length = one->length + other->length;

	(void)state;
	memcpy(both, one->bytes, one->length);
	memcpy(both + one->length, other->bytes, other->length);
	assert_int_equal(index_read_footer(both, length, length, &footer), 0);
	memcpy(both + length, one->bytes, one->length); /* three */
	length += one->length;
	assert_int_equal(index_read_footer(both, length, length, &footer), 0);
	memset(both, 0, 50); /* a plain member, then a file */
	memcpy(both + 50, one->bytes, one->length);
	length = 50 + one->length;
	assert_int_equal(index_read_footer(both, length, length, &footer), 0);
	memcpy(both, one->bytes, one->length); /* a file, then a plain member */
	memset(both + one->length, 0, 50);
	assert_int_equal(index_read_footer(both, length, length, &footer), 0);
	/* Cut in front, and at the end. */
	assert_int_equal(
		index_read_footer(one->bytes + 1, one->length - 1, one->length - 1, &footer), 0);
	assert_int_equal(index_read_footer(one->bytes, one->length - 1, one->length - 1, &footer),
			 0);
	free_file(one);
	free_file(other);
}

/* Members that are not those of the file are refused, whatever the checksums say. */
static void test_members_that_do_not_add_up_are_refused(void **state)
{
	static struct index_member members[20];
	struct file *file = make_file(&ethernet, 20, 30, 60, members);
	cleanup_free struct index_footer *footer = read_footer(file);
	const struct index_section *section = find_section(footer, INDEX_MEMBERS, 0);
	cleanup_free uint8_t *plain = read_plain(file, footer, section);
	cleanup_free struct index_member *found = NULL;
	struct error err;

	(void)state;
	plain[0]++;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes, &found, &err), -1);
	plain[0]--;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes - 1, &found, &err),
			 -1);
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes + 1, &found, &err),
			 -1); /* the end of text, which is there */
	footer->packets++;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes, &found, &err), -1);
	footer->packets--;
	footer->members--;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes, &found, &err), -1);
	footer->members = UINT32_MAX;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes, &found, &err), -1);
	free_file(file);
}

/* Members of which the sums are the file's because they are too large for a number. */
static void test_sums_that_overflow_are_refused(void **state)
{
	cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);
	struct error err;

	(void)state;
	for (int which = 0; which < 4; which++) {
		cleanup_free struct index_member *members = NULL;
		const uint64_t half = UINT64_C(1) << 63, one = 100;
		uint8_t plain[8 * VARINT_BYTES_MAX];
		size_t length = 0;

		footer->members = 2;
		footer->packets = 2 * one;
		footer->data_bytes = 2 * one;
		for (int i = 0; i < 2; i++) {
			length += put_varint(plain + length, which == 1 ? half + one : one);
			length += put_varint(plain + length, one);
			length += put_varint(plain + length, which == 2 ? half + one : one);
			length += put_varint(plain + length, zigzag(0));
			length += put_varint(plain + length, which == 3 ? half : 0);
		}
		assert_int_equal(index_read_members(footer, plain, length, &members, &err),
				 which == 0 ? 0 : -1);
	}
}

static bool is_section_read(uint8_t *stored, size_t length, uint32_t plain_bytes)
{
	cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);
	const struct index_section section = { .type = INDEX_FACTS,
					       .stored_bytes = (uint32_t)length,
					       .plain_bytes = plain_bytes,
					       .crc32c = crc32c_update(0, stored, length) };
	cleanup_free uint8_t *exact = exact_copy(stored, length), *plain = NULL;
	struct error err;

	return index_read_section(footer, &section, exact, &library, &plain, &err) == 0;
}

/* Pieces that are not whole, with a checksum that is right: nothing is read behind them. */
static void test_pieces_that_are_none_are_refused(void **state)
{
	static const char text[] = "node=n";
	uint8_t packed[100], stored[200], broken[200];
	size_t length = deflate_raw((const uint8_t *)text, strlen(text), packed, sizeof packed);

	(void)state;
	length = wrap_section(INDEX_GZIP, packed, length, stored);
	assert_true(is_section_read(stored, length, 6));
	assert_false(is_section_read(stored, length, 5));
	assert_false(is_section_read(stored, length, 7));
	for (size_t cut = 1; cut < length; cut++)
		assert_false(is_section_read(stored, cut, 6));
	for (size_t at = 0; at < length; at++) {
		bool is_content = at >= 16 && at < length - 10;

		memcpy(broken, stored, length);
		broken[at] ^= 0x40;
		if (!is_content)
			assert_false(is_section_read(broken, length, 6));
	}
	memcpy(broken, stored, length); /* longer than there are bytes */
	put_u16(broken + 10, 0xfff4);
	put_u16(broken + 14, 0xfff0);
	assert_false(is_section_read(broken, length, 6));
}

static void count_visit(void *context, const struct index_conversation *conversation)
{
	size_t *visits = context;

	assert_int_equal(conversation->flags[0], 0xaa); /* what is visited is there */
	(*visits)++;
}

/* CONVERSATIONS of a group of 10 members from the fourth on; 3 addresses and 2 types. */
struct conversations_case {
	const char *name, *plain; /* digits, before the columns */
	unsigned postings;        /* of which there are columns */
	int visits;               /* -1: it is refused */
};

static const struct conversations_case conversations_cases[] = {
	{ "two", "02  00 02 00 50 02 03 01   02 02 01 51 01 09", 3, 2 },
	{ "a bitmap", "01  00 02 00 50 00 0702", 4, 1 },
	{ "none", "00", 0, 0 },
	{ "more than there are", "02  00 02 00 50 01 03", 1, -1 },
	{ "fewer than there are", "01  00 02 00 50 01 03   02 02 01 51 01 09", 2, -1 },
	{ "a member twice", "01  00 02 00 50 02 03 00", 2, -1 },
	{ "a member that is not the group's", "01  00 02 00 50 02 03 07", 2, -1 },
	{ "a member far beyond", "01  00 02 00 50 02 03 ffffffffffffffffff01", 2, -1 },
	{ "no member", "01  00 02 00 50 00 0000", 0, -1 },
	{ "columns that are too short", "01  00 02 00 50 02 03 01", 1, -1 },
	{ "columns that are too long", "01  00 02 00 50 02 03 01", 3, -1 },
	{ "an address before the first", "01  01 02 00 50 01 03", 1, -1 },
	{ "an address behind the last", "01  06 00 00 50 01 03", 1, -1 },
	{ "another before the first", "01  00 01 00 50 01 03", 1, -1 },
	{ "another behind the last", "01  00 06 00 50 01 03", 1, -1 },
	{ "an address beyond 32 bits", "01  8080808020 00 00 50 01 03", 1, -1 },
	{ "a difference beyond 34 bits", "01  feffffffffffffffff01 00 00 50 01 03", 1, -1 },
	{ "a sum beyond 63 bits", "02  02 00 00 50 01 03  feffffffffffffffff01 00 00 50 01 03", 2,
	  -1 },
	{ "a type that there is not", "01  00 02 02 50 01 03", 1, -1 },
	{ "a port beyond 16 bits", "01  00 02 00 808004 01 03", 1, -1 },
	{ "a number beyond 64 bits", "01  00 02 00 50 01 83808080808080808002", 1, -1 },
	{ "a number that is cut", "01  00 02 00 50 01 83", 0, -1 },
};

static int read_conversations_case(const struct conversations_case *c)
{
	uint32_t ipv4[3] = { 1, 2, 3 };
	uint64_t types[2] = { type_of(0x800, 1, 0, 6, 0), type_of(0x800, 1, 0, 17, 0) };
	const struct index_addresses addresses = {
		.ipv4 = ipv4, .types = types, .ipv4_count = 3, .types_count = 2
	};
	struct index_section section = { .first_member = 3, .members = 10 };
	uint8_t bytes[FRAME_MAX];
	size_t visits = 0, length = frame_of(c->plain, bytes);
	cleanup_free uint8_t *exact = NULL;
	struct error err;

	memset(bytes + length, 0xaa, (size_t)3 * c->postings);
	length += (size_t)3 * c->postings;
	exact = exact_copy(bytes, length);
	section.plain_bytes = (uint32_t)length;
	if (index_read_conversations(&section, exact, &addresses, count_visit, &visits, &err) < 0) {
		assert_int_equal(err.kind, ERROR_REJECTED);
		assert_int_equal(visits, 0);
		return -1;
	}
	return (int)visits;
}

static void test_conversations_that_cannot_be_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(conversations_cases); i++) {
		print_message("# %s\n", conversations_cases[i].name);
		assert_int_equal(read_conversations_case(&conversations_cases[i]),
				 conversations_cases[i].visits);
	}
}

static int read_plain_conversations(const uint8_t *plain, size_t length, uint32_t members,
				    size_t *ret_visits)
{
	uint32_t ipv4[1] = { 1 };
	uint64_t types[1] = { type_of(0x800, 1, 0, 6, 0) };
	const struct index_addresses addresses = {
		.ipv4 = ipv4, .types = types, .ipv4_count = 1, .types_count = 1
	};
	const struct index_section section = { .members = members,
					       .plain_bytes = (uint32_t)length };
	struct error err;

	*ret_visits = 0;
	return index_read_conversations(&section, plain, &addresses, count_visit, ret_visits, &err);
}

static void test_more_conversations_than_a_group_has_are_refused(void **state)
{
	static const uint8_t one[] = { 0, 0, 0, 80, 1, 3 };

	(void)state;
	for (uint32_t count = INDEX_CONVERSATIONS_MAX; count <= INDEX_CONVERSATIONS_MAX + 1;
	     count++) {
		cleanup_free uint8_t *plain = mem_alloc(5 + (size_t)count * (sizeof one + 3));
		size_t length = put_varint(plain, count), visits;

		for (uint32_t i = 0; i < count; i++, length += sizeof one)
			memcpy(plain + length, one, sizeof one);
		memset(plain + length, 0xaa, (size_t)3 * count);
		assert_int_equal(
			read_plain_conversations(plain, length + (size_t)3 * count, 10, &visits),
			count == INDEX_CONVERSATIONS_MAX ? 0 : -1);
		assert_int_equal(visits, count == INDEX_CONVERSATIONS_MAX ? count : 0);
	}
}

/* Bitmaps of bytes that are all ones: what is unpacked of them is bounded by the columns, which there would have to be. */
static void test_bitmaps_take_no_more_memory_than_columns(void **state)
{
	const uint32_t conversations = 60;
	const size_t bitmap = INDEX_MEMBERS_MAX / 8;
	cleanup_free uint8_t *plain = mem_alloc(1 + conversations * (5 + bitmap));
	size_t length = put_varint(plain, conversations), visits;
	struct rusage before, used;
	pid_t child;
	int status;

	(void)state;
	for (uint32_t i = 0; i < conversations; i++, length += bitmap) {
		memcpy(plain + length, "\0\0\0P", 5); /* the bitmap's 0, too */
		length += 5;
		memset(plain + length, 0xff, bitmap);
	}
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) /* it would be 240 MB, and as much again while it grows */
		_exit(read_plain_conversations(plain, length, INDEX_MEMBERS_MAX, &visits) == -1
			      ? 0
			      : 1);
	assert_int_equal(wait4(child, &status, 0, &used), child);
	assert_int_equal(status, 0);
	assert_true(used.ru_maxrss < before.ru_maxrss + (64 << 10)); /* KiB */
}

/* ADDRESSES: the same with the digits of a section. */
static const struct {
	const char *name, *plain;
	bool is_good;
} addresses_cases[] = {
	{ "some of each", "02 05 01  02 00 20010db8000000000000000000000001 0f 02  01 000801000600",
	  true },
	{ "none", "00 00 00", true },
	{ "an address twice", "02 05 00  00 00", false },
	{ "addresses beyond 32 bits", "02 ffffffff0f 01  00 00", false },
	{ "a difference beyond 32 bits", "01 8080808010  00 00", false },
	{ "the first shares bytes", "00  01 01 010db8000000000000000000000001  00", false },
	{ "more bytes than there are", "00  02 00 20010db8000000000000000000000001 10  00", false },
	{ "IPv6 twice", "00  02 00 20010db8000000000000000000000001 0f 01  00", false },
	{ "IPv6 in another order", "00  02 00 20010db8000000000000000000000002 0f 01  00", false },
	{ "more types than there are", "00 00 02 000801000600", false },
	{ "something behind", "00 00 00 00", false },
	{ "cut", "00 00", false },
};

static void test_addresses_that_cannot_be_are_refused(void **state)
{
	uint8_t *types = mem_calloc(INDEX_TYPES_MAX + 2, 6);
	struct index_addresses addresses;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(addresses_cases); i++) {
		uint8_t bytes[FRAME_MAX];
		size_t length = frame_of(addresses_cases[i].plain, bytes);
		cleanup_free uint8_t *exact = exact_copy(bytes, length);

		print_message("# %s\n", addresses_cases[i].name);
		assert_int_equal(index_read_addresses(exact, length, &addresses, &err),
				 addresses_cases[i].is_good ? 0 : -1);
		index_free_addresses(&addresses);
	}
	for (uint32_t count = INDEX_TYPES_MAX; count <= INDEX_TYPES_MAX + 1; count++) {
		size_t length = 2 + put_varint(types + 2, count);

		assert_int_equal(
			index_read_addresses(types, length + (size_t)6 * count, &addresses, &err),
			count == INDEX_TYPES_MAX ? 0 : -1);
		index_free_addresses(&addresses);
	}
	free(types);
}

/* No more is allocated than a group, or the file, can have, whatever the section says and however long it is. */
static void test_more_than_the_format_has_is_refused(void **state)
{
	cleanup_free uint8_t *plain = mem_calloc(8, 1 << 20);
	cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);
	cleanup_free struct index_member *members = NULL;
	struct index_addresses addresses;
	struct error err;

	(void)state;
	for (uint32_t count = 65536; count <= 65537; count++) {
		size_t length = put_varint(plain, count);

		memset(plain + length, 1, count); /* 1, 2, 3 ... */
		memset(plain + length + count, 0, 2);
		assert_int_equal(index_read_addresses(plain, length + count + 2, &addresses, &err),
				 count == 65536 ? 0 : -1);
		assert_int_equal(addresses.ipv4_count, count == 65536 ? 65536 : 0);
		index_free_addresses(&addresses);
		plain[0] = 0;
		length = 1 + put_varint(plain + 1, count);
		for (uint32_t i = 0; i < count; i++) {
			plain[length++] = i > 0 ? 13 : 0;
			memset(plain + length, 0, 13);
			length += i > 0 ? 0 : 13;
			plain[length++] = (uint8_t)(i >> 16);
			plain[length++] = (uint8_t)(i >> 8);
			plain[length++] = (uint8_t)i;
		}
		plain[length++] = 0;
		assert_int_equal(index_read_addresses(plain, length, &addresses, &err),
				 count == 65536 ? 0 : -1);
		assert_int_equal(addresses.ipv6_count, count == 65536 ? 65536 : 0);
		index_free_addresses(&addresses);
	}
	memset(plain, 0, 8 << 20);
	footer->members = INDEX_MEMBERS_MAX + 1;
	assert_int_equal(
		index_read_members(footer, plain, 3 * (size_t)footer->members, &members, &err), -1);
	footer->members = 10; /* in a file of 50 bytes */
	footer->data_bytes = 50;
	plain[0] = 50;
	assert_int_equal(index_read_members(footer, plain, 30, &members, &err), -1);
	footer->members = 1;
	assert_int_equal(index_read_members(footer, plain, 3, &members, &err), 0);
}

/* Sections by type and range, until a type of 0. */
struct directory_case {
	const char *name;
	uint16_t sections[8][3];
	bool is_index;
};

static const struct directory_case directory_cases[] = {
	{ "members only", { { 2, 0, 10 }, { 4 } }, true },
	{ "two groups",
	  { { 1, 0, 4 }, { 1, 6, 4 }, { 2, 0, 10 }, { 3, 0, 4 }, { 3, 6, 4 }, { 4 } },
	  true },
	{ "one that nobody knows", { { 2, 0, 10 }, { 0x8000, 3, 4 }, { 4 } }, true },
	{ "no members", { { 1, 0, 4 }, { 3, 0, 4 }, { 4 } }, false },
	{ "members twice", { { 2, 0, 10 }, { 2, 0, 10 }, { 4 } }, false },
	{ "members of a part", { { 2, 0, 9 }, { 4 } }, false },
	{ "members from the second on", { { 2, 1, 9 }, { 4 } }, false },
	{ "no addresses", { { 1, 0, 4 }, { 2, 0, 10 } }, false },
	{ "no conversations", { { 2, 0, 10 }, { 3, 0, 4 } }, false },
	{ "addresses of others", { { 1, 0, 4 }, { 2, 0, 10 }, { 3, 0, 5 } }, false },
	{ "addresses from elsewhere", { { 1, 0, 4 }, { 2, 0, 10 }, { 3, 1, 4 } }, false },
	{ "in another order",
	  { { 1, 0, 4 }, { 1, 6, 4 }, { 2, 0, 10 }, { 3, 6, 4 }, { 3, 0, 4 } },
	  false },
	{ "one over the other",
	  { { 1, 0, 4 }, { 1, 3, 4 }, { 2, 0, 10 }, { 3, 0, 4 }, { 3, 3, 4 } },
	  false },
};

/* A footer behind 1,000 bytes of 10 members, and sections that nobody looks at. */
static bool is_directory_read(const struct index_section *sections, uint32_t count)
{
	cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);
	cleanup_free struct index_footer *found = mem_calloc(1, sizeof *found);
	uint8_t bytes[FOOTER_FIXED_BYTES + 200 * FOOTER_ENTRY_BYTES + 100];
	uint64_t before = 1000;
	size_t length;

	footer->data_bytes = 1000;
	footer->members = 10;
	footer->sections_count = count;
	for (uint32_t i = 0; i < count; i++) {
		footer->sections[i] = sections[i];
		footer->sections[i].stored_bytes = 30;
		before += 30;
	}
	length = footer_encode(footer, bytes);
	return index_read_footer(bytes, length, before + length, found) > 0;
}

static void test_directories_that_cannot_be_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(directory_cases); i++) {
		const struct directory_case *c = &directory_cases[i];
		struct index_section sections[8] = { 0 };
		uint32_t count = 0;

		print_message("# %s\n", c->name);
		for (; c->sections[count][0] != 0; count++)
			sections[count] = (struct index_section){
				.type = c->sections[count][0],
				.first_member = c->sections[count][1],
				.members = c->sections[count][2],
			};
		assert_int_equal(is_directory_read(sections, count), c->is_index);
	}
}

static void test_more_groups_than_there_can_be_are_none(void **state)
{
	struct index_section sections[2 * INDEX_GROUPS_MAX + 3] = { 0 };

	(void)state;
	for (uint32_t groups = INDEX_GROUPS_MAX; groups <= INDEX_GROUPS_MAX + 1; groups++) {
		for (uint32_t i = 0; i < groups; i++) /* of no members: there are not so many */
			sections[i].type = INDEX_CONVERSATIONS;
		sections[groups].type = INDEX_MEMBERS;
		sections[groups].members = 10;
		for (uint32_t i = 0; i < groups; i++)
			sections[groups + 1 + i] = sections[0];
		for (uint32_t i = 0; i < groups; i++)
			sections[groups + 1 + i].type = INDEX_ADDRESSES;
		assert_int_equal(is_directory_read(sections, 2 * groups + 1),
				 groups == INDEX_GROUPS_MAX);
	}
}

/* A number somewhere in the fixed part of a footer, or, below 0, in the last entry of its directory. */
struct forged_case {
	const char *name;
	int offset, bytes;
	uint64_t value;
	bool is_index;
};

#define FORGED_SECTIONS 2 /* MEMBERS, and one of type 5, which nobody knows */

static const struct forged_case forged_cases[] = {
	{ "nothing", 0, 1, INDEX_VERSION, true },
	{ "another version", 0, 1, INDEX_VERSION + 1, false },
	{ "version 0", 0, 1, 0, false },
	{ "flags that may be ignored", 1, 1, 0xf8, true },
	{ "flags that must be understood", 59, 1, 0x80, false },
	{ "another key version", 58, 1, KEY_VERSION + 1, true },
	{ "bytes that are ignored", 60, 8, UINT64_MAX, true },
	{ "more data than the file has", 8, 8, 2000, false },
	{ "less data than the file has", 8, 8, 999, false },
	{ "data that overflow", 8, 8, UINT64_MAX, false },
	{ "sections that are not so long", 48, 8, 61, false },
	{ "another number of members", 40, 4, 11, false },
	{ "fewer sections than there are", 56, 2, 1, false },
	{ "a section that must be known", -22, 2, 1, false },
	{ "a section that need not be known", -22, 2, 0xfffe, true },
	{ "a known section that must be", -24, 4, 1 << 16 | INDEX_FACTS, true },
	{ "a section of private type that must be known", -24, 4, 1 << 16 | 0x8000, false },
	{ "a section behind the last member", -8, 8, 10, true },
	{ "a section beyond the last member", -8, 8, 11, false },
	{ "a section of too many members", -8, 8, UINT64_C(6) << 32 | 5, false },
	{ "a section of members that overflow", -8, 8, UINT64_C(0xfffffffc) << 32 | 5, false },
	{ "a section as large as can be", -16, 4, INDEX_PLAIN_MAX, true },
	{ "a section that becomes too large", -16, 4, INDEX_PLAIN_MAX + 1, false },
};

/* With a checksum that is right: whoever writes another version of the format has one, and so has who wants to harm. */
static bool is_forged_read(const struct forged_case *c, uint64_t file_bytes, uint32_t stored_bytes)
{
	cleanup_free struct index_footer *footer = mem_calloc(1, sizeof *footer);
	cleanup_free struct index_footer *found = mem_calloc(1, sizeof *found);
	uint8_t bytes[FOOTER_FIXED_BYTES + FORGED_SECTIONS * FOOTER_ENTRY_BYTES + 100], *fixed;
	size_t length;

	footer->data_bytes = 1000;
	footer->members = 10;
	footer->sections_count = FORGED_SECTIONS;
	footer->sections[0] =
		(struct index_section){ .type = INDEX_MEMBERS, .stored_bytes = 30, .members = 10 };
	footer->sections[1] = (struct index_section){ .type = 5, .stored_bytes = stored_bytes };
	length = footer_encode(footer, bytes);
	fixed = bytes + length - 10 - FOOTER_FIXED_BYTES;
	for (int i = 0; i < c->bytes; i++)
		fixed[c->offset + i] = (uint8_t)(c->value >> 8 * i);
	put_u32(fixed + 84, crc32c_update(0, fixed - FORGED_SECTIONS * FOOTER_ENTRY_BYTES,
					  FORGED_SECTIONS * FOOTER_ENTRY_BYTES + 84));
	return index_read_footer(bytes, length, file_bytes + length, found) > 0;
}

static void test_footers_of_another_kind_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(forged_cases); i++) {
		print_message("# %s\n", forged_cases[i].name);
		assert_int_equal(is_forged_read(&forged_cases[i], 1000 + 30 + 30, 30),
				 forged_cases[i].is_index);
	}
	for (uint32_t more = 0; more <= 1; more++) {
		uint32_t stored = INDEX_STORED_MAX - 30 + more;

		assert_int_equal(is_forged_read(&forged_cases[0], 1000 + 30 + stored, stored),
				 more == 0);
	}
}

/* As many sections as there may be, and one more: by hand, since nobody writes so many. */
static void test_more_sections_than_there_can_be_are_none(void **state)
{
	(void)state;
	for (uint32_t sections = INDEX_SECTIONS_MAX; sections <= INDEX_SECTIONS_MAX + 1;
	     sections++) {
		size_t directory = (size_t)sections * FOOTER_ENTRY_BYTES;
		cleanup_free uint8_t *plain = mem_calloc(1, directory + FOOTER_FIXED_BYTES);
		cleanup_free uint8_t *bytes = mem_calloc(1, directory + FOOTER_FIXED_BYTES + 100);
		cleanup_free struct index_footer *found = mem_calloc(1, sizeof *found);
		uint8_t *fixed = plain + directory;
		size_t length;

		for (uint32_t i = 0; i < sections; i++)
			put_u16(plain + (size_t)i * FOOTER_ENTRY_BYTES,
				i == 0 ? INDEX_MEMBERS : 0x8000);
		fixed[0] = INDEX_VERSION;
		put_u16(fixed + 56, (uint16_t)sections);
		memcpy(fixed + 88, "KNTINDEX", 8);
		put_u32(fixed + 84, crc32c_update(0, plain, directory + 84));
		length = wrap_section(INDEX_GZIP, plain, directory + FOOTER_FIXED_BYTES, bytes);
		assert_int_equal(index_read_footer(bytes, length, length, found) > 0,
				 sections == INDEX_SECTIONS_MAX);
	}
}

/* Whoever wrote the bitmap: what is in no group, and has packets, may have any key. */
static void test_a_member_in_no_group_is_unlisted(void **state)
{
	static struct chunk_keys keys;
	static const struct index_member members[] = { { .stored_bytes = 44, .plain_bytes = 24 },
						       { 100, 1000, 5, 2000, 3000, false },
						       { .stored_bytes = 44, .plain_bytes = 24 } };
	struct file *file = begin_file(&ethernet);
	cleanup_free struct index_footer *footer = NULL;
	const struct index_section *section;
	cleanup_free struct index_member *found = NULL;
	cleanup_free uint8_t *plain = NULL;
	struct error err;

	(void)state;
	make_keys(&keys, 5, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
		add_member(file, &members[i], i == 1 ? &keys : NULL);
	end_file(file, "");
	footer = read_footer(file);
	section = find_section(footer, INDEX_MEMBERS, 0);
	plain = read_plain(file, footer, section);
	for (uint32_t i = 0; i < footer->sections_count; i++) /* as if there were no group */
		if (footer->sections[i].type == INDEX_CONVERSATIONS)
			footer->sections[i].members = 0;
	assert_int_equal(index_read_members(footer, plain, section->plain_bytes, &found, &err), 0);
	assert_false(found[0].is_unlisted);
	assert_true(found[1].is_unlisted);
	assert_false(found[2].is_unlisted);
	free_file(file);
}

static void count_pieces(const struct file *file, enum index_wrapping wrapping, size_t *ret_pieces)
{
	*ret_pieces = 0;
	for (size_t at = file->data_bytes; at < file->length;) {
		size_t piece;

		assert_true(index_is_piece(wrapping, file->bytes + at, file->length - at));
		piece = wrapping == INDEX_ZSTD ? get_u32(file->bytes + at + 4) + 8
					       : get_u16(file->bytes + at + 14) + 26u;
		if (wrapping == INDEX_GZIP) /* the extra field: busybox' limit is not far above */
			assert_true(get_u16(file->bytes + at + 10) <= 15360);
		at += piece;
		(*ret_pieces)++;
	}
}

static void test_it_is_in_pieces(void **state)
{
	static struct index_member members[1000];

	(void)state;
	for (enum index_wrapping wrapping = INDEX_GZIP; wrapping <= INDEX_ZSTD; wrapping++) {
		struct index_file about = ethernet;
		struct file *file;
		size_t pieces;

		about.wrapping = wrapping;
		file = make_file(&about, 400, 200, 3000, members);
		count_pieces(file, wrapping, &pieces);
		assert_true(wrapping == INDEX_ZSTD ? pieces == 5 : pieces > 5);
		assert_false(index_is_piece(wrapping, file->bytes + file->data_bytes, 7));
		assert_false(index_is_piece(wrapping, file->bytes, file->data_bytes));
		free_file(file);
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_segments_are_read_as_they_were_made),
		cmocka_unit_test(test_without_packets_and_without_anything),
		cmocka_unit_test(test_the_times_are_those_of_all_members),
		cmocka_unit_test(test_a_conversation_in_all_members_is_short),
		cmocka_unit_test(test_a_library_that_fails_leaves_no_index),
		cmocka_unit_test(test_a_full_group_is_followed_by_another),
		cmocka_unit_test(test_many_types),
		cmocka_unit_test(test_an_index_stays_within_its_limits),
		cmocka_unit_test(test_a_scan_costs_next_to_nothing),
		cmocka_unit_test(test_many_files_at_once_are_all_listed),
		cmocka_unit_test(test_a_small_pool_costs_listings_only),
		cmocka_unit_test(test_it_does_not_depend_on_the_hash),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_the_footer_is_found_in_a_part_of_the_file),
		cmocka_unit_test(test_the_tail_is_all_but_conversations),
		cmocka_unit_test(test_files_that_were_put_together_have_no_index),
		cmocka_unit_test(test_members_that_do_not_add_up_are_refused),
		cmocka_unit_test(test_more_than_the_format_has_is_refused),
		cmocka_unit_test(test_directories_that_cannot_be_are_none),
		cmocka_unit_test(test_more_groups_than_there_can_be_are_none),
		cmocka_unit_test(test_footers_of_another_kind_are_none),
		cmocka_unit_test(test_a_member_in_no_group_is_unlisted),
		cmocka_unit_test(test_no_more_groups_than_there_can_be_are_made),
		cmocka_unit_test(test_an_index_does_not_become_too_large_unpacked),
		cmocka_unit_test(test_a_group_that_cannot_be_packed_is_unlisted),
		cmocka_unit_test(test_more_members_than_a_group_has),
		cmocka_unit_test(test_a_file_of_too_many_members_has_none),
		cmocka_unit_test(test_without_memory_for_members_there_is_none),
		cmocka_unit_test(test_a_group_whose_keys_collide_is_full),
		cmocka_unit_test(test_sums_that_overflow_are_refused),
		cmocka_unit_test(test_pieces_that_are_none_are_refused),
		cmocka_unit_test(test_conversations_that_cannot_be_are_refused),
		cmocka_unit_test(test_addresses_that_cannot_be_are_refused),
		cmocka_unit_test(test_a_group_takes_no_more_known_keys_than_it_has_room_for),
		cmocka_unit_test(test_more_sections_than_there_can_be_are_none),
		cmocka_unit_test(test_more_conversations_than_a_group_has_are_refused),
		cmocka_unit_test(test_bitmaps_take_no_more_memory_than_columns),
		cmocka_unit_test(test_it_is_in_pieces),
	};

	unit_add(tests, set_up_pool, NULL);
}
