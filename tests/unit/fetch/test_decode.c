/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/decode.h"
#include "segment/codec.h"

#define PACKETS      3000
#define FILE_BYTES   ((size_t)4 << 20)
#define MEMBER_EVERY 700

static const struct codec *const codecs[] = { &codec_none, &codec_gzip, &codec_zstd };
static const struct format *const formats[] = { &format_pcap, &format_pcapng };

/* A file in the making, with a member for the header and for each MEMBER_EVERY packets. */
struct making {
	const struct codec *codec;
	struct codec_state *state;
	uint8_t *bytes;
	size_t length, header_length;
};

static void add_member(struct making *making, const uint8_t *bytes, size_t length)
{
	if (!making->codec->compress) {
		memcpy(making->bytes + making->length, bytes, length);
		making->length += length;
		return;
	}
	making->length += making->codec->compress(making->state, making->codec->level_default,
						  bytes, length, making->bytes + making->length,
						  making->codec->bound(length));
}

/* Packet i is i % 190 + 14 bytes long, and at the second i. */
static void make_file(struct making *making, const struct codec *codec, const struct format *format,
		      bool is_nano)
{
	const struct chunk_source source = {
		.link_type = 1, .snaplen = 262144, .is_nano = is_nano, .interface = "eth0"
	};
	const struct format_origin origin = { "node", "", "", "" };
	cleanup_free uint8_t *plain = mem_alloc(FILE_BYTES);
	uint8_t packet[256];
	size_t length = format->encode_header(&source, &origin, plain);

	*making = (struct making){ .codec = codec, .bytes = mem_alloc(FILE_BYTES) };
	making->state = codec->compress ? codec_state_new(codec) : NULL;
	add_member(making, plain, length);
	making->header_length = making->length;
	length = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t captured = i % 190 + 14;

		memset(packet, (int)(i * 7 + i / 256), captured);
		length += format->encode_record(plain + length, 1700000000 + i, 123456, captured,
						captured + 1, packet);
		if (i % MEMBER_EVERY == MEMBER_EVERY - 1 || i == PACKETS - 1) {
			add_member(making, plain, length);
			length = 0;
		}
	}
}

static void free_file(struct making *making)
{
	if (making->state)
		codec_state_free(making->codec, making->state);
	free(making->bytes);
}

static pthread_mutex_t large = PTHREAD_MUTEX_INITIALIZER;

struct seen {
	uint32_t packets;
	bool is_wrong, is_nano;
};

static void see(void *context, const struct format_record *record, bool is_nano)
{
	struct seen *seen = context;
	uint32_t i = seen->packets++ % PACKETS;

	seen->is_nano = is_nano;
	seen->is_wrong |= record->time_ns / CLOCK_NS_PER_S != 1700000000 + i ||
			  record->captured != i % 190 + 14 ||
			  record->original != record->captured + 1 || record->link_type != 1 ||
			  record->packet[record->captured - 1] != (uint8_t)(i * 7 + i / 256) ||
			  record->time_ns % CLOCK_NS_PER_S != (is_nano ? 123456U : 123456000U);
}

/* In parts of so many bytes. */
static int push(struct decode *decode, const uint8_t *bytes, size_t length, size_t part,
		struct error *err)
{
	for (size_t at = 0; at < length; at += part)
		if (decode_push(decode, bytes + at, length - at < part ? length - at : part, err) <
		    0)
			return -1;
	return decode_end(decode, err);
}

static void check_all(const uint8_t *bytes, size_t length, size_t part, uint32_t packets,
		      bool is_nano)
{
	struct seen seen = { 0 };
	struct decode *decode = decode_file(false, &large, see, &seen);
	struct error err;

	assert_int_equal(push(decode, bytes, length, part, &err), 0);
	decode_free(decode);
	assert_int_equal(seen.packets, packets);
	assert_false(seen.is_wrong);
	assert_true(seen.is_nano == is_nano);
}

static void test_every_kind_of_file_in_parts_of_every_size(void **state)
{
	static const size_t parts[] = { 1, 3, 17, 4096, 65536, 100003, FILE_BYTES };

	(void)state;
	for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++)
		for (size_t f = 0; f < ARRAY_LENGTH(formats) * 2; f++)
			for (size_t p = 0; p < ARRAY_LENGTH(parts); p++) {
				bool is_nano = f & 1 || formats[f / 2] == &format_pcapng;
				struct making file;

				make_file(&file, codecs[c], formats[f / 2], is_nano);
				check_all(file.bytes, file.length, parts[p], PACKETS, is_nano);
				free_file(&file);
			}
}

/* As after `cat one two`, and as a server packs what is packed. */
static void test_files_in_files(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++)
		for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
			bool is_nano = formats[f] == &format_pcapng;
			struct making file, outer = { .codec = &codec_gzip };
			cleanup_free uint8_t *twice = mem_alloc(2 * FILE_BYTES);

			make_file(&file, codecs[c], formats[f], is_nano);
			memcpy(twice, file.bytes, file.length);
			memcpy(twice + file.length, file.bytes, file.length);
			check_all(twice, 2 * file.length, 1000, 2 * PACKETS, is_nano);

			outer.bytes = mem_alloc(FILE_BYTES);
			outer.state = codec_state_new(&codec_gzip);
			add_member(&outer, file.bytes, file.length);
			check_all(outer.bytes, outer.length, 1000, PACKETS, is_nano);
			free_file(&outer);
			free_file(&file);
		}
}

static void test_files_of_several_formats_in_one(void **state)
{
	struct making one, two;
	cleanup_free uint8_t *all = mem_alloc(4 * FILE_BYTES);

	(void)state;
	for (size_t part = 1; part < FILE_BYTES; part *= 11)
		for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++) {
			size_t length = 0;
			struct seen seen = { 0 };
			struct decode *decode = decode_file(false, &large, see, &seen);
			struct error err;

			make_file(&one, codecs[c], &format_pcap, false);
			make_file(&two, codecs[c], &format_pcapng, true);
			for (int i = 0; i < 4; i++) {
				const struct making *file = i % 2 ? &one : &two;

				memcpy(all + length, file->bytes, file->length);
				length += file->length;
			}
			assert_int_equal(push(decode, all, length, part, &err), 0);
			assert_int_equal(seen.packets, 4 * PACKETS);
			assert_false(seen.is_wrong);
			decode_free(decode);
			free_file(&one);
			free_file(&two);
		}
}

/* A node of the other byte order: all numbers of a classic file are the other way round. */
static void swap_pcap(uint8_t *bytes, size_t length, bool has_header)
{
	size_t at = 0;
	uint32_t numbers[4];

	if (has_header) {
		for (size_t i = 0; i < 24; i += 4) {
			memcpy(numbers, bytes + i, 4);
			numbers[0] = __builtin_bswap32(numbers[0]);
			memcpy(bytes + i, numbers, 4);
		}
		/* Two numbers of 16 bits. */
		memcpy(bytes + 4, (const uint8_t[4]){ 0, 2, 0, 4 }, 4);
		at = 24;
	}
	while (at < length) {
		uint32_t captured;

		memcpy(numbers, bytes + at, sizeof numbers);
		captured = numbers[2];
		for (size_t i = 0; i < 4; i++)
			numbers[i] = __builtin_bswap32(numbers[i]);
		memcpy(bytes + at, numbers, sizeof numbers);
		at += sizeof numbers + captured;
	}
}

static void test_members_from_the_middle(void **state)
{
	(void)state;
	for (size_t c = 1; c < ARRAY_LENGTH(codecs); c++)
		for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
			const struct index_file about = {
				.wrapping = codecs[c] == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP,
				.link_type = 1,
				.is_nano = formats[f] == &format_pcapng,
				.is_pcapng = formats[f] == &format_pcapng,
			};
			struct seen seen = { 0 };
			struct decode *decode = decode_members(&about, see, &seen);
			struct making file;
			struct error err;

			make_file(&file, codecs[c], formats[f], about.is_nano);
			assert_int_equal(push(decode, file.bytes + file.header_length,
					      file.length - file.header_length, 70000, &err),
					 0);
			assert_int_equal(seen.packets, PACKETS);
			assert_false(seen.is_wrong);
			decode_free(decode);
			free_file(&file);
		}
}

static void test_the_other_byte_order(void **state)
{
	const struct index_file about = { .wrapping = INDEX_GZIP, .link_type = 1 };
	struct making file, members = { .codec = &codec_gzip };
	struct seen seen = { 0 };
	struct decode *decode = decode_members(&about, see, &seen);
	struct error err;

	(void)state;
	make_file(&file, &codec_none, &format_pcap, false);
	swap_pcap(file.bytes, file.length, true);
	check_all(file.bytes, file.length, 1000, PACKETS, false);

	members.bytes = mem_alloc(FILE_BYTES);
	members.state = codec_state_new(&codec_gzip);
	add_member(&members, file.bytes + 24, file.length - 24);
	assert_int_equal(push(decode, members.bytes, members.length, 1000, &err), 0);
	assert_int_equal(seen.packets, PACKETS);
	assert_false(seen.is_wrong);
	decode_free(decode);
	free_file(&members);
	free_file(&file);
}

/* Cut or damaged anywhere: never more than there was, all of it right, and never unsaid. */
static void test_damage_is_said_and_what_was_before_it_is_kept(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_LENGTH(codecs); c++)
		for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
			struct making file;

			make_file(&file, codecs[c], formats[f], formats[f] == &format_pcapng);
			for (size_t cut = 1; cut < file.length; cut += file.length / 97) {
				struct seen seen = { 0 };
				struct decode *decode = decode_file(false, &large, see, &seen);
				struct error err = { .kind = ERROR_NONE };
				int result = push(decode, file.bytes, cut, 5000, &err);

				/* Between two packets, or two members, nothing tells. */
				assert_true(result == 0 || err.kind == ERROR_REJECTED);
				assert_true(seen.packets < PACKETS);
				assert_false(seen.is_wrong);
				decode_free(decode);
			}
			if (codecs[c]->compress)
				for (size_t at = 20; at < file.length; at += file.length / 97) {
					struct seen seen = { 0 };
					struct decode *decode = decode_file(false, &large, see,
									    &seen);
					struct error err;

					file.bytes[at] ^= 0x55;
					/* A bit of gzip's header may say nothing. */
					if (push(decode, file.bytes, file.length, 5000, &err) == 0)
						assert_int_equal(seen.packets, PACKETS);
					file.bytes[at] ^= 0x55;
					decode_free(decode);
				}
			free_file(&file);
		}
}

/* Packets of so many bytes, the first of which is the only one in its part. */
static size_t make_swapped(uint8_t *bytes, uint32_t captured, uint32_t packets)
{
	cleanup_free uint8_t *packet = mem_calloc(1, captured);
	size_t length = 0;

	for (uint32_t i = 0; i < packets; i++)
		length += format_pcap.encode_record(bytes + length, 1700000000 + i, 1, captured,
						    captured, packet);
	swap_pcap(bytes, length, false);
	return length;
}

static void count(void *context, const struct format_record *record, bool is_nano)
{
	(void)is_nano;
	*(uint32_t *)context += record->time_ns / CLOCK_NS_PER_S - 1700000000 < 1000000;
}

/* Lengths that could be some in either byte order. */
static void test_lengths_that_do_not_tell_the_byte_order(void **state)
{
	static const uint32_t lengths[] = { 256, 512, 768, 1024, 65536 };
	const struct index_file about = { .wrapping = INDEX_GZIP, .link_type = 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
		for (uint32_t packets = 1; packets <= 300; packets += 23) {
			struct making members = { .codec = &codec_gzip };
			cleanup_free uint8_t *plain = mem_alloc(packets * (lengths[i] + 16));
			uint32_t seen = 0;
			struct decode *decode = decode_members(&about, count, &seen);
			struct error err;

			members.bytes = mem_alloc(2 * FILE_BYTES);
			members.state = codec_state_new(&codec_gzip);
			add_member(&members, plain, make_swapped(plain, lengths[i], packets));
			assert_int_equal(
				push(decode, members.bytes, members.length, FILE_BYTES, &err), 0);
			assert_int_equal(seen, packets);
			decode_free(decode);
			free_file(&members);
		}
}

static size_t put_block(uint8_t *out, uint32_t type, uint32_t length)
{
	memset(out, 0, length);
	memcpy(out, &type, sizeof type);
	memcpy(out + 4, &length, sizeof length);
	memcpy(out + length - 4, &length, sizeof length);
	return length;
}

/* What other tools put between packets is of any length; only what has to be read has to fit. */
static void test_long_blocks(void **state)
{
	static const uint32_t lengths[] = { (1 << 19) + 4, 600004, 3 << 20, 16 << 20 };
	struct making file;
	cleanup_free uint8_t *bytes = mem_alloc(2 * FILE_BYTES + ((size_t)32 << 20));

	(void)state;
	make_file(&file, &codec_none, &format_pcapng, true);
	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
		for (size_t part = 5000; part < 100 << 20; part *= 130) {
			size_t length = file.length;
			struct seen seen = { 0 };
			struct decode *decode;
			struct error err;

			memcpy(bytes, file.bytes, file.length);
			length += put_block(bytes + length, 0x0bad, lengths[i]);
			length += put_block(bytes + length, 0x0bad, lengths[i]);
			memcpy(bytes + length, file.bytes, file.length);
			length += file.length;
			check_all(bytes, length, part, 2 * PACKETS, true);

			/* Cut off in the middle of it; or it has to be read. */
			decode = decode_file(false, &large, see, &seen);
			assert_int_equal(
				push(decode, bytes, file.length + lengths[i] / 2, part, &err), -1);
			assert_int_equal(seen.packets, PACKETS);
			decode_free(decode);
			put_block(bytes + file.length, 6, lengths[i]);
			decode = decode_file(false, &large, see, &seen);
			assert_int_equal(push(decode, bytes, length, part, &err), -1);
			assert_int_equal(seen.packets, 2 * PACKETS);
			assert_false(seen.is_wrong);
			decode_free(decode);
		}
	free_file(&file);
}

/* The longest packet that there can be, wherever the buffer ends. */
static void test_the_longest_packets(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_LENGTH(formats); f++) {
		const struct chunk_source source = { .link_type = 1, .snaplen = 262144 };
		const struct format_origin origin = { "node", "", "", "" };
		cleanup_free uint8_t *packet = mem_calloc(1, FORMAT_CAPTURED_MAX);
		cleanup_free uint8_t *bytes = mem_alloc((size_t)20 * 263000);
		size_t length = formats[f]->encode_header(&source, &origin, bytes);
		uint32_t seen = 0;
		struct decode *decode = decode_file(false, &large, count, &seen);
		struct error err;

		for (uint32_t i = 0; i < 20; i++)
			length += formats[f]->encode_record(bytes + length, 1700000000 + i, 0,
							    FORMAT_CAPTURED_MAX - i, 300000,
							    packet);
		assert_int_equal(push(decode, bytes, length, 77777, &err), 0);
		assert_int_equal(seen, 20);
		decode_free(decode);
	}
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_file_in_parts_of_every_size),
		cmocka_unit_test(test_files_in_files),
		cmocka_unit_test(test_files_of_several_formats_in_one),
		cmocka_unit_test(test_members_from_the_middle),
		cmocka_unit_test(test_the_other_byte_order),
		cmocka_unit_test(test_damage_is_said_and_what_was_before_it_is_kept),
		cmocka_unit_test(test_lengths_that_do_not_tell_the_byte_order),
		cmocka_unit_test(test_long_blocks),
		cmocka_unit_test(test_the_longest_packets),
	};

	unit_add(tests, NULL, NULL);
}
