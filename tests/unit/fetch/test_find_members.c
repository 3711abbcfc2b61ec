/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "base/mem.h"
#include "fetch/find_members.h"
#include "memory_sink.h"
#include "segment/codec.h"

#define MEMBERS    9
#define FILE_BYTES ((size_t)8 << 20)
#define SECOND     1700000000

static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd, &codec_none };

/* A file without an index, and what its members are. */
struct made {
	uint8_t *bytes;
	size_t length;
	struct index_member members[MEMBERS];
	struct index_file file;
};

static void add_member(struct made *made, const struct codec *codec, const uint8_t *plain,
		       struct index_member member)
{
	struct codec_state *state = codec_state_new(codec);
	size_t before = made->length;

	if (codec->compress) {
		made->length += codec->compress(state, codec->level_default, plain,
						member.plain_bytes, made->bytes + made->length,
						codec->bound(member.plain_bytes));
	} else {
		memcpy(made->bytes + made->length, plain, member.plain_bytes);
		made->length += member.plain_bytes;
	}
	member.stored_bytes = made->length - before;
	codec_state_free(codec, state);
	for (size_t i = 0; i < MEMBERS; i++)
		if (made->members[i].stored_bytes == 0) {
			made->members[i] = member;
			return;
		}
}

/* Member i has 300 i packets, each a second after the one before, but for one that is early; the last is large. */
static void make(struct made *made, const struct codec *codec, const struct format *format,
		 bool is_nano)
{
	const struct chunk_source source = {
		.link_type = 101, .snaplen = 262144, .is_nano = is_nano, .interface = "eth0"
	};
	const struct format_origin origin = { "node", "", "", "" };
	cleanup_free uint8_t *plain = mem_alloc(FILE_BYTES);
	int64_t unit = is_nano ? 1000000000 : 1000000;
	struct index_member member = { .packets = 0 };
	uint8_t packet[2000];
	uint32_t second = SECOND;

	unit_random(packet, sizeof packet);
	*made = (struct made){ .bytes = mem_alloc(FILE_BYTES),
			       .file = { .wrapping = codec == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP,
					 .link_type = 101,
					 .is_nano = is_nano,
					 .is_pcapng = format == &format_pcapng } };
	member.plain_bytes = format->encode_header(&source, &origin, plain);
	add_member(made, codec, plain, member);
	for (uint32_t i = 1; i < MEMBERS; i++) {
		uint32_t captured = i == MEMBERS - 1 ? 200 : 60;

		member = (struct index_member){ .packets = (uint64_t)300 * i };
		for (uint64_t j = 0; j < member.packets; j++) {
			uint32_t at = j == 5 ? second - 20 : second++;
			int64_t time = at * unit + 7;

			member.plain_bytes += format->encode_record(plain + member.plain_bytes, at,
								    7, captured, captured, packet);
			member.earliest = j == 0 || time < member.earliest ? time : member.earliest;
			member.latest = j == 0 || time > member.latest ? time : member.latest;
		}
		add_member(made, codec, plain, member);
	}
}

static int find(const struct made *made, size_t length, struct tail *tail)
{
	struct memory memory;
	struct bucket_reader reader = { .bucket = &memory.bucket };
	struct object object = { .name = (char *)"a", .version = (char *)"1", .bytes = length };
	struct memory_object *listed;
	struct error err;
	int result;

	memory_open(&memory);
	listed = memory_add(&memory, "a");
	listed->tail = made->bytes;
	listed->tail_bytes = listed->bytes = length;
	memory_sort(&memory);
	assert_int_equal(memory.base.ops->worker_open((struct sink *)&memory, &reader.worker, &err),
			 0);
	*tail = (struct tail){ .bytes = NULL };
	result = find_members(&reader, &object, tail, &err);
	memory.base.ops->worker_close(reader.worker);
	memory_close(&memory);
	return result;
}

/* Of the first bytes of the file, all members that are whole. */
static void check(const struct made *made, size_t length)
{
	uint64_t stored = 0, packets = 0;
	uint32_t count = 0;
	struct tail tail;

	assert_int_equal(find(made, length, &tail), 0);
	while (count < MEMBERS && stored + made->members[count].stored_bytes <= length) {
		assert_true(count < tail.footer.members);
		assert_int_equal(tail.members[count].stored_bytes,
				 made->members[count].stored_bytes);
		assert_int_equal(tail.members[count].plain_bytes, made->members[count].plain_bytes);
		assert_int_equal(tail.members[count].packets, made->members[count].packets);
		assert_int_equal(tail.members[count].earliest, made->members[count].earliest);
		assert_int_equal(tail.members[count].latest, made->members[count].latest);
		stored += made->members[count].stored_bytes;
		packets += made->members[count++].packets;
	}
	assert_int_equal(tail.footer.members, count);
	assert_int_equal(tail.footer.packets, packets);
	assert_int_equal(tail.footer.data_bytes, stored);
	if (count > 1) {
		assert_int_equal(tail.footer.earliest, made->members[1].earliest);
		assert_int_equal(tail.footer.latest, made->members[count - 1].latest);
		assert_int_equal(tail.footer.file.link_type, made->file.link_type);
		assert_true(tail.footer.file.is_nano == made->file.is_nano);
		assert_true(tail.footer.file.is_pcapng == made->file.is_pcapng);
		assert_int_equal(tail.footer.file.wrapping, made->file.wrapping);
	}
	tail_free(&tail);
}

static void members_are_found_up_to_where_the_file_ends(void **state)
{
	(void)state;
	for (size_t c = 0; c < 2; c++)
		for (int f = 0; f < 3; f++) {
			struct made made;

			make(&made, codecs[c], f == 2 ? &format_pcapng : &format_pcap, f > 0);
			check(&made, made.length);
			for (size_t length = 16; length < made.length; length += made.length / 41)
				check(&made, length);
			free(made.bytes);
		}
}

static void behind_damage_is_the_end(void **state)
{
	struct tail tail;
	struct made made;

	(void)state;
	make(&made, &codec_gzip, &format_pcap, false);
	made.bytes[made.members[0].stored_bytes + made.members[1].stored_bytes + 30] ^= 0x40;
	assert_int_equal(find(&made, made.length, &tail), 0);
	assert_int_equal(tail.footer.members, 2);
	tail_free(&tail);
	free(made.bytes);
}

static void a_file_that_is_not_packed_has_none(void **state)
{
	struct tail tail;
	struct made made;

	(void)state;
	make(&made, &codec_none, &format_pcap, false);
	assert_int_equal(find(&made, made.length, &tail), 1);
	tail_free(&tail);
	free(made.bytes);
}

/* More than there is memory for: it is read from its beginning, and nothing behind the last one is left out. */
static void very_many_are_not_listed(void **state)
{
	static const uint8_t empty[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3,
					 3,    0,    0, 0, 0, 0, 0, 0, 0, 0 };
	struct tail tail;
	struct made made;
	size_t head;

	(void)state;
	make(&made, &codec_gzip, &format_pcap, false);
	head = made.length = made.members[0].stored_bytes;
	for (size_t i = 1; i < 131073; i++, made.length += sizeof empty)
		memcpy(made.bytes + made.length, empty, sizeof empty);
	assert_int_equal(find(&made, made.length - sizeof empty, &tail), 0);
	assert_int_equal(tail.footer.members, 131072);
	assert_int_equal(tail.footer.data_bytes, head + 131071 * sizeof empty);
	tail_free(&tail);
	assert_int_equal(find(&made, made.length, &tail), 1);
	tail_free(&tail);
	free(made.bytes);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_up_to_where_the_file_ends),
		cmocka_unit_test(behind_damage_is_the_end),
		cmocka_unit_test(a_file_that_is_not_packed_has_none),
		cmocka_unit_test(very_many_are_not_listed),
	};

	unit_add(tests, NULL, NULL);
}
