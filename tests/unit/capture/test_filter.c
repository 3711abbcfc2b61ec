/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "capture/filter.h"

static void test_the_failure_of_an_interface_is_its_own(void **state)
{
	static const char *const interfaces[] = { "none0", "none1", "none0", "none2" };
	struct conf_cli cli = { .file = NULL };
	cleanup_conf struct conf *conf = NULL;
	const struct bpf_program *program;
	struct filter *filter;
	struct error err;

	(void)state;
	cli.value[CONF_capture_filter] = mem_strdup("udp");
	cli.typed[CONF_capture_filter] = mem_strdup("-f");
	assert_int_equal(conf_load(&cli, &conf, &err), 0);
	filter = filter_new(conf);
	/* The link type is the same: whoever comes first is opened for all, and is gone before it is. */
	for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++) {
		assert_int_equal(
			filter_get(filter, interfaces[i], DLT_EN10MB, 5000, &program, &err), -1);
		if (!strstr(err.message, interfaces[i]))
			fail_msg("of %s: %s", interfaces[i], err.message);
	}
	(void)filter_free(filter);
	conf_cli_done(&cli);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_failure_of_an_interface_is_its_own),
	};

	unit_add(tests, NULL, NULL);
}
