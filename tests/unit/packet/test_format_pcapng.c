/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "packet/packet.h"

static const struct chunk_source source = {
	.interface = "eth0", .link_type = 1, .snaplen = 96, .is_nano = true, .filter = "tcp"
};
static const struct format_origin origin = { "node-a", "x86_64", "Linux 6.1", "tracer 1" };

struct found {
	uint64_t packets, first_ns;
	size_t whole;
	struct format_record last;
};

/* All records of these bytes, from the file's beginning. */
static enum format_state read_all(const uint8_t *bytes, size_t length, struct found *ret_found)
{
	struct format_reader reader = { 0 };
	enum format_state state;

	*ret_found = (struct found){ 0 };
	while ((state = format_pcapng.next(&reader, bytes, length, &ret_found->whole,
					   &ret_found->last)) == FORMAT_RECORD)
		if (ret_found->packets++ == 0)
			ret_found->first_ns = ret_found->last.time_ns;
	return state;
}

/* draft-ietf-opsawg-pcapng, written down by hand; little endian. */
static void test_header_is_the_documented_one(void **state)
{
	static const char expected[] =
		/* Section header: type, length, magic, 1.0, length of the section unknown. */
		"\x0a\x0d\x0d\x0a\x58\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
		"\x01\0\x0b\0node node-a\0"
		"\x02\0\x06\0x86_64\0\0"
		"\x03\0\x09\0Linux 6.1\0\0\0"
		"\x04\0\x08\0tracer 1"
		"\0\0\0\0\x58\0\0\0"
		/* Interface: type, length, link type, snaplen; name, resolution, filter, system. */
		"\x01\0\0\0\x48\0\0\0\x01\0\0\0\x60\0\0\0"
		"\x02\0\x0b\0node-a/eth0\0"
		"\x09\0\x01\0\x09\0\0\0"
		"\x0b\0\x04\0\0tcp"
		"\x0c\0\x09\0Linux 6.1\0\0\0"
		"\0\0\0\0\x48\0\0\0";
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	size_t length = format_pcapng.encode_header(&source, &origin, bytes);
	struct found found;

	(void)state;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(length, sizeof expected - 1);
	assert_memory_equal(bytes, expected, length);
#else
	(void)expected;
#endif
	assert_int_equal(read_all(bytes, length, &found), FORMAT_END);
	assert_int_equal(found.whole, length);
	for (size_t cut = 0; cut < length; cut++)
		assert_true(read_all(bytes, cut, &found) != FORMAT_CORRUPT && found.whole <= cut);
	bytes[8] ^= 1; /* nobody's byte order */
	assert_int_equal(read_all(bytes, length, &found), FORMAT_CORRUPT);
}

/* Whatever the names and the filter are, the header fits, and is read back. */
static void test_long_texts_are_cut(void **state)
{
	static struct chunk_source long_source = { .link_type = 276 };
	static char text[2000];
	char interface[sizeof long_source.interface];
	const struct format_origin long_origin = { text, text, text, text };
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	struct found found;
	size_t length;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	memset(long_source.interface, 'i', sizeof long_source.interface - 1);
	memset(long_source.filter, 'f', sizeof long_source.filter - 1);
	length = format_pcapng.encode_header(&long_source, &long_origin, bytes);
	assert_true(length < sizeof bytes && length > 2000);
	/* Two interfaces of a node with a long name are still two. */
	interface[0] = '/';
	memcpy(interface + 1, long_source.interface, sizeof long_source.interface - 1);
	assert_non_null(memmem(bytes, length, interface, sizeof interface));
	assert_int_equal(read_all(bytes, length, &found), FORMAT_END);
}

static void test_packets_are_aligned_and_counted(void **state)
{
	uint8_t bytes[2048], packet[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t length = format_pcapng.encode_header(&source, &origin, bytes), ends[7] = { length };
	const size_t header = length;
	struct found found;

	(void)state;
	for (uint32_t captured = 0; captured < 6; captured++) {
		static const uint8_t zeros[4];
		size_t block;

		memset(bytes + length, 0xee, 64);
		block = format_pcapng.encode_record(bytes + length, 1700000000 + captured, 5,
						    captured, 1500, packet);
		assert_int_equal(block, format_record_bytes(&format_pcapng, captured));
		assert_int_equal(block % 4, 0);
		assert_memory_equal(bytes + length + 28, packet, captured);
		assert_memory_equal(bytes + length + 28 + captured, zeros, (4 - captured % 4) % 4);
		assert_int_equal(bytes[length + block], 0xee); /* not one byte more */
		length += block;
		ends[captured + 1] = length;
	}
	for (size_t cut = header; cut <= length; cut++) {
		enum format_state end = read_all(bytes, cut, &found);

		assert_int_equal(end, found.whole == cut ? FORMAT_END : FORMAT_TRUNCATED);
		assert_int_equal(found.whole, ends[found.packets]);
		assert_true(found.packets == 6 || ends[found.packets + 1] > cut);
	}
	assert_true(found.first_ns == UINT64_C(1700000000000000005));
	assert_true(found.last.time_ns == UINT64_C(1700000005000000005));
	assert_int_equal(found.last.captured, 5);
	assert_int_equal(found.last.original, 1500);
	assert_memory_equal(found.last.packet, packet, 5);
	assert_int_equal(found.last.link_type, 1);
	/* Zeros of a power failure, and a packet that claims more than its block. */
	memset(bytes + length, 0, sizeof bytes - length);
	assert_int_equal(read_all(bytes, sizeof bytes, &found), FORMAT_CORRUPT);
	assert_int_equal(found.whole, length);
	bytes[ends[2] + 20] = 9;
	assert_int_equal(read_all(bytes, length, &found), FORMAT_CORRUPT);
	assert_int_equal(found.whole, ends[2]);
}

/* By hand: big endian, two interfaces of other resolutions, a block that is not known, a second section. */
static void test_files_of_others_are_read(void **state)
{
	static const char file[] =
		"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c"
		"\0\0\0\1\0\0\0\x14\0\1\0\0\0\0\0\0\0\0\0\x14" /* Ethernet, microseconds */
		"\0\0\0\1\0\0\0\x20\0\x71\0\0\0\0\0\0\0\x09\0\1\x8a\0\0\0\0\0\0\0\0\0\0\x20" /* 2^-10 s */
		"\0\0\x0b\xad\0\0\0\x10xxxx\0\0\0\x10"
		"\0\0\0\6\0\0\0\x24\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\1\0\0\0\2q\0\0\0\0\0\0\x24"
		"\0\0\0\6\0\0\0\x20\0\0\0\1\0\0\0\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\0\x20"
		"\0\0\0\6\0\0\0\x20\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x20" /* of nobody */
		"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c";
	const uint8_t *bytes = (const uint8_t *)file;
	struct format_reader reader = { 0 };
	struct format_record record;
	size_t length = sizeof file - 1, offset = 0;

	(void)state;
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return;
	assert_int_equal(format_pcapng.next(&reader, bytes, length, &offset, &record),
			 FORMAT_RECORD);
	assert_int_equal(record.time_ns, 5000);
	assert_int_equal(record.captured, 1);
	assert_int_equal(record.packet[0], 'q');
	assert_int_equal(record.link_type, 1);
	assert_int_equal(format_pcapng.next(&reader, bytes, length, &offset, &record),
			 FORMAT_RECORD);
	assert_int_equal(record.time_ns, 1500000000);
	assert_int_equal(record.interface, 1);
	assert_int_equal(record.link_type, 113);
	assert_int_equal(format_pcapng.next(&reader, bytes, length, &offset, &record), FORMAT_END);
	assert_int_equal(offset, length);
}

static void test_statistics_end_the_file(void **state)
{
	const struct format_totals totals = { .start_ns = UINT64_C(0x1122334455667788),
					      .end_ns = UINT64_C(0x1122334499aabbcc),
					      .packets = 1000,
					      .packets_own = 10,
					      .drops.count = {
						      [DROP_KERNEL] = 7, [DROP_DISK] = 2 } };
	static const char expected[] =
		"\x05\0\0\0\x70\0\0\0\0\0\0\0\x44\x33\x22\x11\xcc\xbb\xaa\x99"
		"\x02\0\x08\0\x44\x33\x22\x11\x88\x77\x66\x55"
		"\x03\0\x08\0\x44\x33\x22\x11\xcc\xbb\xaa\x99"
		"\x04\0\x08\0\xfb\x03\0\0\0\0\0\0" /* received: 1019 */
		"\x05\0\x08\0\x09\0\0\0\0\0\0\0"
		"\x06\0\x08\0\xf9\x03\0\0\0\0\0\0" /* accepted: 1017 */
		"\x07\0\x08\0\x07\0\0\0\0\0\0\0"
		"\x08\0\x08\0\xf2\x03\0\0\0\0\0\0" /* delivered: 1010 */
		"\0\0\0\0\x70\0\0\0";
	uint8_t header[FORMAT_EDGE_BYTES_MAX], bytes[2 * FORMAT_EDGE_BYTES_MAX];
	size_t begin = format_pcapng.encode_header(&source, &origin, header);
	size_t length = format_pcapng.encode_trailer(&totals, bytes);
	struct found found;

	(void)state;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(length, sizeof expected - 1);
	assert_memory_equal(bytes, expected, length);
#else
	(void)expected;
#endif
	memmove(bytes + begin, bytes, length);
	memcpy(bytes, header, begin);
	assert_int_equal(read_all(bytes, begin + length, &found), FORMAT_END);
	assert_int_equal(found.packets, 0);
	assert_int_equal(read_all(bytes, begin + length - 1, &found), FORMAT_TRUNCATED);
	assert_int_equal(found.whole, begin);
	assert_null(format_pcap.encode_trailer);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_is_the_documented_one),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_packets_are_aligned_and_counted),
		cmocka_unit_test(test_files_of_others_are_read),
		cmocka_unit_test(test_statistics_end_the_file),
	};

	unit_add(tests, NULL, NULL);
}
