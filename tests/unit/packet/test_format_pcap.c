/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "packet/packet.h"

static const struct chunk_source source = { .link_type = 1, .snaplen = 96, .is_nano = false };

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
	while ((state = format_pcap.next(&reader, bytes, length, &ret_found->whole,
					 &ret_found->last)) == FORMAT_RECORD)
		if (ret_found->packets++ == 0)
			ret_found->first_ns = ret_found->last.time_ns;
	return state;
}

static void test_header_is_the_documented_one(void **state)
{
	struct chunk_source nano = source;
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	struct found found;
	/* draft-ietf-opsawg-pcap, little endian. */
	static const uint8_t expected[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2,  0, 4, 0, 0, 0, 0, 0,
					      0,    0,    0,    0,    96, 0, 0, 0, 1, 0, 0, 0 };

	(void)state;
	assert_int_equal(format_pcap.encode_header(&source, NULL, bytes), 24);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_memory_equal(bytes, expected, sizeof expected);
#else
	(void)expected;
#endif
	assert_int_equal(read_all(bytes, 24, &found), FORMAT_END);
	assert_int_equal(found.whole, 24);
	nano.is_nano = true;
	format_pcap.encode_header(&nano, NULL, bytes);
	assert_int_equal(read_all(bytes, 24, &found), FORMAT_END);
	assert_int_equal(found.whole, 24);
	assert_int_equal(read_all(bytes, 23, &found), FORMAT_TRUNCATED);
	assert_int_equal(found.whole, 0);
	bytes[0] ^= 1;
	assert_int_equal(read_all(bytes, 24, &found), FORMAT_CORRUPT);
	assert_int_equal(found.whole, 0);
}

static void test_records_are_read_up_to_the_last_whole_one(void **state)
{
	uint8_t bytes[512], packet[40] = { 1, 2, 3 };
	struct chunk_source nano = source;
	struct found found;
	size_t length;

	(void)state;
	nano.is_nano = true;
	length = format_pcap.encode_header(&source, NULL, bytes);
	for (uint32_t i = 0; i < 3; i++)
		length += format_pcap.encode_record(bytes + length, 1700000000 + i, 5, 40, 1500,
						    packet);
	assert_int_equal(length, 24 + 3 * format_record_bytes(&format_pcap, 40));
	for (size_t cut = 24; cut <= length; cut++) {
		enum format_state end = read_all(bytes, cut, &found);

		assert_int_equal(end, (cut - 24) % 56 ? FORMAT_TRUNCATED : FORMAT_END);
		assert_int_equal(found.whole, 24 + (cut - 24) / 56 * 56);
		assert_int_equal(found.packets, (cut - 24) / 56);
	}
	assert_true(found.first_ns == UINT64_C(1700000000000005000));
	assert_true(found.last.time_ns == UINT64_C(1700000002000005000));
	assert_int_equal(found.last.captured, 40);
	assert_int_equal(found.last.original, 1500);
	assert_int_equal(found.last.link_type, 1);
	assert_memory_equal(found.last.packet, packet, 40);
	format_pcap.encode_header(&nano, NULL, bytes);
	assert_int_equal(read_all(bytes, length, &found), FORMAT_END);
	assert_true(found.first_ns == UINT64_C(1700000000000000005));
	/* A power failure leaves zeros: they are no records. */
	memset(bytes + length, 0, sizeof bytes - length);
	assert_int_equal(read_all(bytes, sizeof bytes, &found), FORMAT_CORRUPT);
	assert_int_equal(found.whole, length);
	assert_int_equal(found.packets, 3);
	/* A length that no capture has: nothing from there on is trusted. */
	bytes[24 + 56 + 10] = 0x80;
	assert_int_equal(read_all(bytes, length, &found), FORMAT_CORRUPT);
	assert_int_equal(found.whole, 24 + 56);
}

/* Written down by hand, as a machine of the other byte order writes it. */
static void test_the_other_byte_order_is_read(void **state)
{
	static const uint8_t big[] = "\xa1\xb2\xc3\xd4\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\x60\0\0\0\x71"
				     "\x65\x53\xf1\0\0\0\0\7\0\0\0\2\0\0\5\xdc"
				     "ab";
	struct found found;

	(void)state;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	assert_int_equal(read_all(big, sizeof big - 1, &found), FORMAT_END);
	assert_int_equal(found.packets, 1);
	assert_true(found.first_ns == UINT64_C(1700000000000007000));
	assert_int_equal(found.last.captured, 2);
	assert_int_equal(found.last.original, 1500);
	assert_int_equal(found.last.link_type, 113);
	assert_memory_equal(found.last.packet, "ab", 2);
#else
	(void)big;
	(void)found;
#endif
}

static void test_formats_are_known_by_their_extension(void **state)
{
	(void)state;
	assert_ptr_equal(format_of_name("n_x_e_1.pcap"), &format_pcap);
	assert_ptr_equal(format_of_name("n_x_e_1.pcap.gz"), &format_pcap);
	assert_ptr_equal(format_of_name("node.pcapng_x.pcap.zst"), &format_pcap);
	assert_ptr_equal(format_of_name("n_x_e_1.pcapng"), &format_pcapng);
	assert_ptr_equal(format_of_name("a.pcap.gz_x_b.pcap_1.pcapng.gz"), &format_pcapng);
	assert_null(format_of_name("n_x_e_1.pcapngx"));
	assert_null(format_of_name("something"));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_is_the_documented_one),
		cmocka_unit_test(test_records_are_read_up_to_the_last_whole_one),
		cmocka_unit_test(test_the_other_byte_order_is_read),
		cmocka_unit_test(test_formats_are_known_by_their_extension),
	};

	unit_add(tests, NULL, NULL);
}
