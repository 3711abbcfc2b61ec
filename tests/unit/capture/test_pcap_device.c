/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "capture/pcap_device.h"

static void test_counters_of_32_bits_wrap(void **state)
{
	(void)state;
	assert_true(device_kernel_drops(0, 0) == 0);
	assert_true(device_kernel_drops(7, 12) == 5);
	assert_true(device_kernel_drops(UINT32_MAX, 0) == 1);
	assert_true(device_kernel_drops(UINT32_MAX - 4, 5) == 10);
	assert_true(device_kernel_drops(1, 0) == UINT32_MAX); /* nearly once round */
	assert_true(device_interface_drops(UINT32_MAX - 4, 5) == 10);
}

static void test_counters_of_a_vanished_interface(void **state)
{
	(void)state;
	/* It had lost 1000 before; sysfs has nothing more to tell, and libpcap subtracts them. */
	assert_true(device_interface_drops(0, 0U - 1000) == 0);
	assert_true(device_interface_drops(5, 5U - 1000) == 0);
	/* One of that name comes back and counts anew. */
	assert_true(device_interface_drops(0U - 1000, 3U - 1000) == 3);
	assert_true(device_interface_drops(0, INT32_MAX) == INT32_MAX);
}

static void test_sum_over_many_wraps(void **state)
{
	uint64_t sum = 0;
	unsigned counter = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		unsigned before = counter;

		counter += 123456789;
		sum += device_kernel_drops(before, counter);
	}
	assert_true(sum == UINT64_C(123456789000));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_of_32_bits_wrap),
		cmocka_unit_test(test_counters_of_a_vanished_interface),
		cmocka_unit_test(test_sum_over_many_wraps),
	};

	unit_add(tests, NULL, NULL);
}
