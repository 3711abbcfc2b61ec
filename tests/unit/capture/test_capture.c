/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "capture/capture.h"
#include "capture/capture_check.h"

/* One capture reads whole time stamps, the other one microseconds: a packet belongs to exactly one of them. */
static void test_both_precisions_agree_on_the_instant(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S;

	(void)state;
	for (uint64_t past_ns = 0; past_ns < 3000; past_ns += 7) {
		uint64_t instant_ns = capture_next_instant(now_ns + past_ns);

		for (uint64_t ns = instant_ns - 2500; ns < instant_ns + 2500; ns++)
			assert_int_equal(ns / 1000 * 1000 < instant_ns, ns < instant_ns);
	}
}

static void test_the_instant_is_ahead(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S + 123456789;
	uint64_t ahead_ns = capture_next_instant(now_ns) - now_ns;

	(void)state;
	assert_true(ahead_ns >= 50 * CLOCK_NS_PER_MS && ahead_ns < 51 * CLOCK_NS_PER_MS);
}

/* The capabilities in effect, of this thread alone. */
static void change_rights(const struct __user_cap_data_struct rights[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	assert_int_equal(syscall(SYS_capset, &header, rights), 0);
}

static int check_filter(const char *expression, struct error *err)
{
	struct conf_cli cli = { .file = NULL };
	cleanup_conf struct conf *conf = NULL;
	struct filter *filter;
	int result;

	cli.value[CONF_capture_filter] = mem_strdup(expression);
	cli.typed[CONF_capture_filter] = mem_strdup("-f");
	if (conf_load(&cli, &conf, err) < 0)
		fail_msg("%s", err->message);
	filter = filter_new(conf);
	result = capture_check_filter(filter, 5000, err);
	(void)filter_free(filter);
	conf_cli_done(&cli);
	return result;
}

/* A text is right or wrong whatever this account may do. */
static void test_a_filter_is_checked_without_rights(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct rights[2], fewer[2];
	struct error err;

	(void)state;
	assert_int_equal(syscall(SYS_capget, &header, rights), 0);
	memcpy(fewer, rights, sizeof fewer);
	fewer[0].effective &= ~(1U << CAP_NET_RAW);
	change_rights(fewer);
	assert_int_equal(check_filter("udp port 53", &err), 0);
	assert_int_equal(check_filter("udp prt 53", &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.message, "is not a filter"));
	change_rights(rights);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_precisions_agree_on_the_instant),
		cmocka_unit_test(test_the_instant_is_ahead),
		cmocka_unit_test(test_a_filter_is_checked_without_rights),
	};

	unit_add(tests, NULL, NULL);
}
