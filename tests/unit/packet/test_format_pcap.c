/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "packet/format.h"

static const struct chunk_source source = { .link_type = 1, .snaplen = 96, .is_nano = false };

static void test_header_is_the_documented_one(void **state)
{
	struct chunk_source nano = source;
	uint8_t bytes[FORMAT_EDGE_BYTES_MAX];
	bool is_nano;
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
	assert_int_equal(format_pcap.decode_header(bytes, 24, &is_nano), 24);
	assert_false(is_nano);
	nano.is_nano = true;
	format_pcap.encode_header(&nano, NULL, bytes);
	assert_int_equal(format_pcap.decode_header(bytes, 24, &is_nano), 24);
	assert_true(is_nano);
	assert_int_equal(format_pcap.decode_header(bytes, 23, &is_nano), 0);
	bytes[0] ^= 1;
	assert_int_equal(format_pcap.decode_header(bytes, 24, &is_nano), 0);
}

static void test_records_are_counted_and_cut_at_the_last_whole_one(void **state)
{
	uint8_t bytes[256], packet[40] = { 1, 2, 3 };
	struct format_summary summary;
	size_t length = 0;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		length += format_pcap.encode_record(bytes + length, 1700000000 + i, 5, 40, 1500,
						    packet);
	assert_int_equal(length, 3 * format_record_bytes(&format_pcap, 40));
	for (size_t cut = 0; cut <= length; cut++) {
		size_t whole = format_pcap.summarize(bytes, cut, false, &summary);

		assert_int_equal(whole, cut / 56 * 56);
		assert_int_equal(summary.packets, cut / 56);
	}
	assert_true(summary.first_ns == UINT64_C(1700000000000005000));
	assert_true(summary.last_ns == UINT64_C(1700000002000005000));
	format_pcap.summarize(bytes, length, true, &summary);
	assert_true(summary.first_ns == UINT64_C(1700000000000000005));
	/* A power failure leaves zeros: they are no records. */
	memset(bytes + length, 0, sizeof bytes - length);
	assert_int_equal(format_pcap.summarize(bytes, sizeof bytes, false, &summary), length);
	assert_int_equal(summary.packets, 3);
	/* A length that no capture has: nothing from there on is trusted. */
	bytes[56 + 10] = 0x80;
	assert_int_equal(format_pcap.summarize(bytes, length, false, &summary), 56);
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
		cmocka_unit_test(test_records_are_counted_and_cut_at_the_last_whole_one),
		cmocka_unit_test(test_formats_are_known_by_their_extension),
	};

	unit_add(tests, NULL, NULL);
}
