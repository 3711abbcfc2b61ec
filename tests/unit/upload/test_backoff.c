/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next attempt. */
#include "unit.h"

#include "upload/worker.h"

static void test_ceiling_doubles_up_to_64_s(void **state)
{
	static const uint64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000 };

	(void)state;
	for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++)
		assert_int_equal(backoff_ms(i, 0, UINT32_MAX), ceilings[i]);
	assert_int_equal(backoff_ms(UINT32_MAX, 0, UINT32_MAX), 64000);
}

static void test_jitter_is_full_but_never_nothing(void **state)
{
	(void)state;
	assert_int_equal(backoff_ms(6, 0, 0), 100);
	assert_in_range(backoff_ms(6, 0, UINT32_MAX / 2), 31900, 32100);
}

static void test_the_servers_wish_is_a_floor(void **state)
{
	(void)state;
	assert_int_equal(backoff_ms(0, 5000, 0), 5100);
	assert_int_equal(backoff_ms(1, 3600000, 0), 600100);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling_doubles_up_to_64_s),
		cmocka_unit_test(test_jitter_is_full_but_never_nothing),
		cmocka_unit_test(test_the_servers_wish_is_a_floor),
	};

	unit_add(tests, NULL, NULL);
}
