/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "packet/format.h"

static const struct chunk_source source = {
	.interface = "eth0", .link_type = 1, .snaplen = 96, .is_nano = true, .filter = "tcp"
};
static const struct format_origin origin = { "node-a", "x86_64", "Linux 6.1", "tracer 1" };

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
		"\x01\0\0\0\x40\0\0\0\x01\0\0\0\x60\0\0\0"
		"\x02\0\x04\0eth0"
		"\x09\0\x01\0\x09\0\0\0"
		"\x0b\0\x04\0\0tcp"
		"\x0c\0\x09\0Linux 6.1\0\0\0"
		"\0\0\0\0\x40\0\0\0";
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	size_t length = format_pcapng.encode_header(&source, &origin, bytes);
	bool is_nano = false;

	(void)state;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(length, sizeof expected - 1);
	assert_memory_equal(bytes, expected, length);
#else
	(void)expected;
#endif
	assert_int_equal(format_pcapng.decode_header(bytes, length, &is_nano), length);
	assert_true(is_nano);
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(format_pcapng.decode_header(bytes, cut, &is_nano), 0);
	bytes[8] ^= 1; /* the other byte order's, or nobody's */
	assert_int_equal(format_pcapng.decode_header(bytes, length, &is_nano), 0);
}

/* Whatever the names and the filter are, the header fits, and is read back. */
static void test_long_texts_are_cut(void **state)
{
	static struct chunk_source long_source = { .link_type = 276 };
	static char text[2000];
	const struct format_origin long_origin = { text, text, text, text };
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	bool is_nano;
	size_t length;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	memset(long_source.interface, 'i', sizeof long_source.interface - 1);
	memset(long_source.filter, 'f', sizeof long_source.filter - 1);
	length = format_pcapng.encode_header(&long_source, &long_origin, bytes);
	assert_true(length < sizeof bytes && length > 2000);
	assert_int_equal(format_pcapng.decode_header(bytes, length, &is_nano), length);
}

static void test_packets_are_aligned_and_counted(void **state)
{
	uint8_t bytes[1024], packet[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct format_summary summary;
	size_t length = 0, ends[7] = { 0 };

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
	for (size_t cut = 0; cut <= length; cut++) {
		size_t whole = format_pcapng.summarize(bytes, cut, true, &summary);

		assert_true(whole <= cut);
		assert_int_equal(whole, ends[summary.packets]);
		assert_true(summary.packets == 6 || ends[summary.packets + 1] > cut);
	}
	assert_true(summary.first_ns == UINT64_C(1700000000000000005));
	assert_true(summary.last_ns == UINT64_C(1700000005000000005));
	/* Zeros of a power failure, and a packet that claims more than its block. */
	memset(bytes + length, 0, sizeof bytes - length);
	assert_int_equal(format_pcapng.summarize(bytes, sizeof bytes, true, &summary), length);
	bytes[ends[2] + 20] = 9;
	assert_int_equal(format_pcapng.summarize(bytes, length, true, &summary), ends[2]);
}

static void test_statistics_end_the_file(void **state)
{
	const struct format_totals totals = { .start_ns = UINT64_C(0x1122334455667788),
					      .end_ns = UINT64_C(0x1122334499aabbcc),
					      .packets = 1000,
					      .packets_own = 10,
					      .drops_kernel = 7,
					      .drops = 9 };
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
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	struct format_summary summary;
	size_t length = format_pcapng.encode_trailer(&totals, bytes);

	(void)state;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(length, sizeof expected - 1);
	assert_memory_equal(bytes, expected, length);
#else
	(void)expected;
#endif
	assert_int_equal(format_pcapng.summarize(bytes, length, true, &summary), length);
	assert_int_equal(summary.packets, 0);
	assert_int_equal(format_pcapng.summarize(bytes, length - 1, true, &summary), 0);
	assert_null(format_pcap.encode_trailer);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_is_the_documented_one),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_packets_are_aligned_and_counted),
		cmocka_unit_test(test_statistics_end_the_file),
	};

	unit_add(tests, NULL, NULL);
}
