/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "capture/interfaces.h"

#define HEADING \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

static void test_default_route_of_ipv4_with_the_lowest_metric(void **state)
{
	char name[IF_NAMESIZE] = "";

	(void)state;
	assert_true(interfaces_default_ipv4(
		HEADING "ens5\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
			"ens4\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
			"ens6\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
			"gke0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
		name));
	assert_string_equal(name, "ens4");
}

static void test_what_is_no_default_route_of_ipv4(void **state)
{
	char name[IF_NAMESIZE] = "none";

	(void)state;
	assert_false(interfaces_default_ipv4("", name));
	assert_false(interfaces_default_ipv4(HEADING, name));
	/* Half of everything (a VPN's 0.0.0.0/1), a route that is down, one that rejects. */
	assert_false(interfaces_default_ipv4(
		HEADING "tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
			"ens4\t00000000\t0100000A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"
			"*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
			"broken line\n",
		name));
	assert_string_equal(name, "none");
}

static void test_default_route_of_ipv6(void **state)
{
#define ZERO "00000000000000000000000000000000"
	char name[IF_NAMESIZE] = "";

	(void)state;
	assert_true(interfaces_default_ipv6(
		"fd000000000000000000000000000000 40 " ZERO " 00 " ZERO
		" 00000100 00000001 00000000 00000001     eth9\n" ZERO " 00 " ZERO
		" 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n" ZERO
		" 00 " ZERO
		" 00 fe800000000000000000000000000001 00000200 00000001 00000000 00000003     eth0\n" ZERO
		" 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n",
		name));
	assert_string_equal(name, "eth0");
	assert_false(interfaces_default_ipv6(ZERO " 00 " ZERO " 00 " ZERO
						  " ffffffff 00000001 00000000 00200200       lo\n",
					     name));
	assert_false(interfaces_default_ipv6("", name));
}

static void test_names_are_resolved_once(void **state)
{
	struct conf conf = { .capture_interface = (char *)(uintptr_t) "lo,any,lo" };
	struct interfaces interfaces;
	struct error err;

	(void)state;
	conf.origin[CONF_capture_interface] = (char *)(uintptr_t) "-i";
	assert_int_equal(interfaces_resolve(&conf, &interfaces, &err), 0);
	assert_int_equal(interfaces.count, 2);
	assert_string_equal(interfaces.names[0], "lo");
	assert_string_equal(interfaces.names[1], "any");
	conf.capture_interface = (char *)(uintptr_t) "lo,nosuch0";
	assert_int_equal(interfaces_resolve(&conf, &interfaces, &err), -1);
	assert_non_null(strstr(err.message, "no interface 'nosuch0'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_route_of_ipv4_with_the_lowest_metric),
		cmocka_unit_test(test_what_is_no_default_route_of_ipv4),
		cmocka_unit_test(test_default_route_of_ipv6),
		cmocka_unit_test(test_names_are_resolved_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
