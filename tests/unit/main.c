/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the tests of a folder as one cmocka group, because a program can print only one TAP plan. A test is
 * called MODULE.FUNCTION; an argument chooses some of them, e.g. unit_http 'rate.*'.
 */
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "base/mem.h"

#define GROUPS_MAX 64
#define TESTS_MAX  1024

static struct {
	CMFixtureFunction set_up, tear_down;
} groups[GROUPS_MAX];
static size_t group_count;

static struct CMUnitTest all_tests[TESTS_MAX];
static size_t test_count;

void unit_add_group(const char *file, const struct CMUnitTest *tests, size_t count,
		    CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
	const char *module = strrchr(file, '/') + strlen("/test_");
	int length = (int)strcspn(module, ".");

	assert_true(group_count < GROUPS_MAX && count <= TESTS_MAX - test_count);
	groups[group_count].set_up = set_up;
	groups[group_count++].tear_down = tear_down;
	for (size_t i = 0; i < count; i++) {
		all_tests[test_count] = tests[i];
		/* Kept to the end of the program. */
		all_tests[test_count++].name = mem_printf("%.*s.%s", length, module, tests[i].name);
	}
}

static int set_up_groups(void **state)
{
	for (size_t i = 0; i < group_count; i++)
		if (groups[i].set_up && groups[i].set_up(state) != 0)
			return -1;
	return 0;
}

static int tear_down_groups(void **state)
{
	int result = 0;

	for (size_t i = 0; i < group_count; i++)
		if (groups[i].tear_down && groups[i].tear_down(state) != 0)
			result = -1;
	return result;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("unit", all_tests, test_count, set_up_groups,
				       tear_down_groups);
}
