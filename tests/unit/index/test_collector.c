/* SPDX-License-Identifier: Apache-2.0 */
#include "index_fixture.h"

#include "base/mem.h"

static struct collector *collector;
static struct chunk_keys *keys;

static int set_up_collector(void **state)
{
	(void)state;
	collector = mem_alloc(sizeof *collector);
	keys = mem_calloc(1, sizeof *keys);
	collector_init(collector);
	return 0;
}

static int tear_down_collector(void **state)
{
	(void)state;
	free(take_ptr(collector));
	free(take_ptr(keys));
	return 0;
}

/* UDP from this address to 10.0.0.2, port 53. */
static void add_from(uint32_t source, uint16_t port)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(IPV4_OF("11") UDP_TO("0035"), frame);

	for (int i = 0; i < 4; i++)
		frame[12 + i] = (uint8_t)(source >> (24 - 8 * i));
	frame[20] = (uint8_t)(port >> 8);
	frame[21] = (uint8_t)port;
	collector_add(collector, keys, LINK_RAW, frame, length);
}

static void add_frame(uint32_t link_type, const uint8_t *frame, size_t length)
{
	collector_add(collector, keys, link_type, frame, length);
}

static void test_a_key_is_listed_once_with_all_its_facts(void **state)
{
	(void)state;
	collector_begin(collector, keys);
	add_from(0x0a000001, 49152);
	add_from(0x0a000003, 49152);
	add_from(0x0a000001, 49153);
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	assert_int_equal(keys->count, 2);
	assert_int_equal(keys->list[0].hints, 1 << 14 | 1 << 15); /* 2 + 49152 % 14, and the next */
	assert_int_equal(keys->list[1].hints, 1 << 14);
	collector_begin(collector, keys);
	assert_int_equal(keys->count, 0);
}

/* What numbers a chunk, if anything does, comes again some day. */
static void test_keys_of_long_ago_are_not_taken_for_the_chunks_own(void **state)
{
	(void)state;
	collector_begin(collector, keys);
	add_from(0x0a000001, 49152);
	for (int i = 0; i < 65536; i++)
		collector_begin(collector, keys);
	for (int i = 0; i < 3; i++) {
		collector_begin(collector, keys);
		add_from(0x0a000001, 49152);
		assert_int_equal(keys->count, 1);
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	}
}

static void test_every_distance_of_chunks(void **state)
{
	(void)state;
	for (int distance = 65530; distance < 65540; distance++) {
		collector_begin(collector, keys);
		add_from(0x0a000001, 49152);
		for (int i = 0; i < distance; i++)
			collector_begin(collector, keys);
		add_from(0x0a000001, 49152);
		assert_int_equal(keys->count, 1);
	}
}

static void test_every_chunk_has_its_own_keys(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 65600; i++) {
		collector_begin(collector, keys);
		if (i < 65500)
			continue;
		add_from(0x0a000000 + i, 49152);
		assert_int_equal(keys->count, 1);
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	}
}

static void test_a_chunk_with_too_many_keys_says_so(void **state)
{
	(void)state;
	collector_begin(collector, keys);
	for (uint32_t i = 0; i < CHUNK_KEYS_MAX; i++)
		add_from(0x0b000000 + i, 49152);
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	assert_int_equal(keys->count, CHUNK_KEYS_MAX);
	add_from(0x0b000000, 49153); /* it is one of them */
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	add_from(0x0c000000, 49152);
	assert_int_equal(keys->state, CHUNK_KEYS_SOME);
	assert_int_equal(keys->count, CHUNK_KEYS_MAX);
	collector_begin(collector, keys);
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
}

static void test_ipv6_addresses_are_numbered_once(void **state)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(IPV6_OF("11") UDP_TO("0035"), frame);

	(void)state;
	collector_begin(collector, keys);
	for (int i = 0; i < 3; i++) {
		add_frame(LINK_RAW, frame, length);
		frame[20] ^= (uint8_t)i;
	}
	assert_int_equal(keys->count, 2);
	assert_int_equal(keys->address_count, 3);
	assert_int_equal(keys->addresses[keys->list[0].pair >> 32][15], 1);
	assert_int_equal(keys->addresses[keys->list[0].pair & UINT32_MAX][15], 2);
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
}

/* Anybody can send these; that they do not become many types is what keeps the index exact. */
static void test_lengths_of_frames_are_one_key(void **state)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(ETHERNET "0000 424203", frame);

	(void)state;
	collector_begin(collector, keys);
	for (unsigned bytes = 0; bytes <= 1500; bytes++) {
		frame[12] = (uint8_t)(bytes >> 8);
		frame[13] = (uint8_t)bytes;
		add_frame(LINK_ETHERNET, frame, length);
	}
	assert_int_equal(keys->count, 1);
}

/* All of these collide under a checksum of their bytes, whatever it begins with. */
static void test_keys_that_are_made_to_collide_are_told_apart(void **state)
{
	(void)state;
	for (uint32_t step = 1; step <= UINT32_C(1) << 20; step <<= 4) {
		collector_begin(collector, keys);
		for (uint32_t i = 0; i < CHUNK_KEYS_MAX; i++)
			add_from(i * step, 49152);
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		assert_int_equal(keys->count, CHUNK_KEYS_MAX);
	}
}

/* The longest search for a place, if these hashes are put into so many slots. */
static unsigned longest_search(const uint32_t *hashes, size_t count, size_t slots)
{
	static uint8_t is_used[COLLECTOR_SLOTS];
	unsigned longest = 0;

	memset(is_used, 0, sizeof is_used);
	for (size_t i = 0; i < count; i++) {
		unsigned steps = 0;

		while (is_used[(hashes[i] + steps) % slots])
			steps++;
		is_used[(hashes[i] + steps) % slots] = 1;
		longest = steps > longest ? steps : longest;
	}
	return longest;
}

/* Scans and networks have addresses that follow one another; whatever the keys, they are spread. */
static void test_sequences_are_spread(void **state)
{
	static const struct {
		uint64_t a, b;
	} steps[] = {
		{ UINT64_C(1) << 32, 0 },           { 1, 0 },   { UINT64_C(256) << 32, 0 },
		{ UINT64_C(4096) << 32 | 4096, 0 }, { 256, 0 }, { 0, UINT64_C(1) << 48 },
	};
	static uint32_t hashes[CHUNK_KEYS_MAX];

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct hash_keys random;

		unit_random(&random, sizeof random);
		for (size_t s = 0; s < ARRAY_LENGTH(steps); s++) {
			for (size_t i = 0; i < CHUNK_KEYS_MAX; i++)
				hashes[i] = hash_words(
					&random, UINT64_C(0x0a0800000b000000) + i * steps[s].a,
					UINT64_C(0x0035080001001100) + i * steps[s].b);
			for (size_t slots = COLLECTOR_SLOTS_MIN; slots <= COLLECTOR_SLOTS;
			     slots *= COLLECTOR_GROWTH)
				assert_true(longest_search(hashes, slots / COLLECTOR_GROWTH,
							   slots) < 32);
		}
	}
}

/* Whoever knew the hash: all keys in one slot. At most 32 are looked at, then nothing any more. */
static void test_a_full_neighbourhood_ends_the_search(void **state)
{
	(void)state;
	collector->hash = (struct hash_keys){ 0, 0 };
	collector_begin(collector, keys);
	/* 0 times anything: the pair that the first key hides makes every product nothing. */
	collector->hash.first = UINT64_C(0x0a000001) << 32 | 0x0a000002;
	for (uint16_t port = 1; port <= 32; port++) {
		uint8_t frame[FRAME_MAX];
		size_t length = frame_of(IPV4_OF("11") UDP_TO("0000"), frame);

		frame[23] = (uint8_t)port;
		add_frame(LINK_RAW, frame, length);
	}
	assert_int_equal(keys->state, CHUNK_KEYS_ALL);
	assert_int_equal(keys->count, 32);
	add_from(0x0a000001, 33);
	assert_int_equal(keys->state, CHUNK_KEYS_SOME);
	assert_int_equal(keys->count, 32);
}

/* Of IPv4: what the chunk should have. */
static struct chunk_key expected[CHUNK_KEYS_MAX];
static uint32_t expected_count;

static void expect_key(const struct key *key)
{
	struct chunk_key *found = expected;

	while (found < expected + expected_count &&
	       (found->pair != key->pair || found->what != key->what))
		found++;
	if (found == expected + expected_count)
		expected[expected_count++] = (struct chunk_key){ .pair = key->pair,
								 .what = key->what };
	found->hints |= key->hint;
	found->tcp_flags |= key->tcp_flags;
}

/* Usual packets, tunnels, fragments and cut ones, of few hosts and ports, so that the same conversations come again. */
static void test_a_chunk_has_the_keys_of_its_packets(void **state)
{
	static const uint16_t ports[] = { 443, 53, 4789, 8472, 40000, 40001, 50000, 0 };
	unsigned usual = 0;

	(void)state;
	for (int chunk = 0; chunk < 20; chunk++) {
		collector_begin(collector, keys);
		expected_count = 0;
		for (int i = 0; i < 1000; i++) {
			uint8_t frame[FRAME_MAX], number[8];
			size_t length = frame_of(ETHERNET "0800" IPV4_OF("06")
							 TCP_SYN VXLAN ETHERNET
						 "0800" INNER_IPV4("06") TCP_SYN,
						 frame);
			struct headers headers;
			struct key list[KEYS_MAX];
			unsigned count;

			unit_random(number, sizeof number);
			frame[23] = number[0] % 3 == 0 ? 17 : number[0] == 1 ? 1 : 6;
			frame[21] = number[0] == 4;
			frame[29] = number[1] % 3;
			frame[33] = number[2] % 3;
			frame[34] = (uint8_t)(ports[number[3] % 8] >> 8);
			frame[35] = (uint8_t)ports[number[3] % 8];
			frame[36] = (uint8_t)(ports[number[4] % 8] >> 8);
			frame[37] = (uint8_t)ports[number[4] % 8];
			frame[47] = number[5];
			length = number[6] % 4 == 0 ? number[7] % length : length;
			add_frame(LINK_ETHERNET, frame, length);
			headers_read(LINK_ETHERNET, frame, length, &headers);
			count = key_of_headers(&headers, list);
			for (unsigned k = 0; k < count; k++)
				expect_key(&list[k]);
			usual += count == 1 && list[0].tcp_flags != 0;
		}
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		assert_int_equal(keys->count, expected_count);
		for (uint32_t i = 0; i < expected_count; i++) {
			assert_true(keys->list[i].pair == expected[i].pair);
			assert_true(keys->list[i].what == expected[i].what);
			assert_int_equal(keys->list[i].hints, expected[i].hints);
			assert_int_equal(keys->list[i].tcp_flags, expected[i].tcp_flags);
		}
	}
	assert_true(usual > 5000);
}

/* Not only of hosts that are far away: usual packets that are too many say so, too. */
static void test_too_many_usual_keys(void **state)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(ETHERNET "0800" IPV4_OF("06") TCP_SYN, frame);

	(void)state;
	collector_begin(collector, keys);
	for (uint32_t i = 0; i <= CHUNK_KEYS_MAX; i++) {
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		frame[28] = (uint8_t)(i >> 8);
		frame[29] = (uint8_t)i;
		add_frame(LINK_ETHERNET, frame, length);
	}
	assert_int_equal(keys->state, CHUNK_KEYS_SOME);
	assert_int_equal(keys->count, CHUNK_KEYS_MAX);
	frame[29]++; /* nothing is looked up any more */
	frame[47] = 0x3f;
	add_frame(LINK_ETHERNET, frame, length);
	frame[28] = frame[29] = 0;
	add_frame(LINK_ETHERNET, frame, length);
	for (uint32_t i = 0; i < CHUNK_KEYS_MAX; i++)
		assert_int_equal(keys->list[i].tcp_flags, 2);
}

/* As many addresses as there is room for are numbered, and one more is too many. */
static void test_as_many_ipv6_addresses_as_there_can_be(void **state)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(IPV6_OF("11") UDP_TO("0035"), frame);

	(void)state;
	collector_begin(collector, keys);
	for (uint32_t i = 0; i <= CHUNK_KEYS_MAX; i++) {
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		assert_int_equal(keys->address_count, 2 * i);
		frame[21] = (uint8_t)(i >> 8);
		frame[22] = (uint8_t)i;
		frame[37] = (uint8_t)(i >> 8);
		frame[38] = (uint8_t)i;
		add_frame(LINK_RAW, frame, length);
	}
	assert_int_equal(keys->state, CHUNK_KEYS_SOME);
	assert_int_equal(keys->address_count, CHUNK_ADDRESSES_MAX);
	assert_int_equal(keys->count, CHUNK_KEYS_MAX);
}

/* IPv6 between two of many hosts, in either direction. */
static void add_ipv6(uint32_t one, uint32_t other)
{
	uint8_t frame[FRAME_MAX];
	size_t length = frame_of(IPV6_OF("11") UDP_TO("0035"), frame);

	for (int i = 0; i < 4; i++) {
		frame[20 + i] = (uint8_t)(one >> (24 - 8 * i));
		frame[36 + i] = (uint8_t)(other >> (24 - 8 * i));
	}
	add_frame(LINK_RAW, frame, length);
}

/* Addresses of the chunk before have no number in the next, neither the same nor others' in their places. */
static void test_every_chunk_numbers_its_own_addresses(void **state)
{
	(void)state;
	for (uint32_t chunk = 0; chunk < 10; chunk++) {
		uint32_t count = chunk % 3 == 0 ? CHUNK_KEYS_MAX : 1 + chunk;

		collector_begin(collector, keys);
		for (uint32_t i = count; i > 0; i--)
			add_ipv6(2 * i, 2 * i + 1);
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		assert_int_equal(keys->count, count);
		assert_int_equal(keys->address_count, 2 * count);
		for (uint32_t i = 0; i < count; i++) {
			assert_true(keys->list[i].pair >> 32 < 2 * count);
			assert_true((keys->list[i].pair & UINT32_MAX) < 2 * count);
			assert_int_equal(keys->addresses[keys->list[i].pair >> 32][15],
					 (uint8_t)(2 * (count - i)));
		}
	}
}

/* A table that grows keeps what is in it: keys that come again are the same, however many others came between. */
static void test_a_table_that_grows_keeps_its_keys(void **state)
{
	const uint16_t two = 3 << 14,
		       three = 3 << 14 | 1 << 2; /* 49154 is the first of the hints again */

	(void)state;
	for (int chunk = 0; chunk < 3; chunk++) { /* a chunk of few keys follows one of many */
		uint32_t most = chunk == 1 ? 100 : CHUNK_KEYS_MAX;

		collector_begin(collector, keys);
		for (uint32_t count = 1; count <= most; count++) {
			add_from(0x0b000000 + count, 49152);
			add_from(0x0b000000 + (count + 1) / 2, 49153);
			add_from(0x0b000001, 49154);
			assert_int_equal(keys->count, count);
		}
		assert_int_equal(keys->state, CHUNK_KEYS_ALL);
		for (uint32_t i = 0; i < (most + 1) / 2; i++)
			assert_int_equal(keys->list[i].hints, i == 0 ? three : two);
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_listed_once_with_all_its_facts),
		cmocka_unit_test(test_keys_of_long_ago_are_not_taken_for_the_chunks_own),
		cmocka_unit_test(test_every_distance_of_chunks),
		cmocka_unit_test(test_every_chunk_has_its_own_keys),
		cmocka_unit_test(test_a_chunk_with_too_many_keys_says_so),
		cmocka_unit_test(test_ipv6_addresses_are_numbered_once),
		cmocka_unit_test(test_lengths_of_frames_are_one_key),
		cmocka_unit_test(test_keys_that_are_made_to_collide_are_told_apart),
		cmocka_unit_test(test_sequences_are_spread),
		cmocka_unit_test(test_a_full_neighbourhood_ends_the_search),
		cmocka_unit_test(test_a_chunk_has_the_keys_of_its_packets),
		cmocka_unit_test(test_too_many_usual_keys),
		cmocka_unit_test(test_a_table_that_grows_keeps_its_keys),
		cmocka_unit_test(test_every_chunk_numbers_its_own_addresses),
		cmocka_unit_test(test_as_many_ipv6_addresses_as_there_can_be),
	};

	unit_add(tests, set_up_collector, tear_down_collector);
}
