/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the tests of a folder as one cmocka group, because a program can print only one TAP plan. A test is
 * called MODULE.FUNCTION, with the time that it took; an argument chooses some: unit_http 'rate.*'. Random
 * numbers begin anew with each test.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"

#define GROUPS_MAX     64
#define TESTS_MAX      1024
#define TEST_NAME_SIZE 160

static struct {
	CMFixtureFunction set_up, tear_down;
} groups[GROUPS_MAX];
static size_t group_count;

/* A test as its file has it, and the name under which it is reported. */
static struct timed_test {
	struct CMUnitTest test;
	char name[TEST_NAME_SIZE];
	uint64_t start_ms;
} timed_tests[TESTS_MAX];
static struct timed_test *running;

/* What cmocka runs: between start_test() and end_test(). */
static struct CMUnitTest all_tests[TESTS_MAX];
static size_t test_count;

static uint64_t seed, random_state;

/* splitmix64. */
static uint64_t next_random(void)
{
	uint64_t value = random_state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

void unit_random(void *bytes, size_t length)
{
	for (size_t done = 0; done < length; done += sizeof(uint64_t)) {
		uint64_t value = next_random();
		size_t rest = length - done;

		memcpy((uint8_t *)bytes + done, &value, rest < sizeof value ? rest : sizeof value);
	}
}

static void choose_seed(void)
{
	const char *wanted = getenv("KNT_SEED");

	seed = wanted ? strtoull(wanted, NULL, 10) : clock_real_ns() % UINT32_MAX;
	printf("# KNT_SEED=%" PRIu64 "\n", seed);
}

static int start_test(void **state)
{
	running = *state;
	running->start_ms = clock_monotonic_ms();
	random_state = seed;
	*state = running->test.initial_state;
	return running->test.setup_func ? running->test.setup_func(state) : 0;
}

/* The name is printed after this. */
static int end_test(void **state)
{
	const CMFixtureFunction tear_down = running->test.teardown_func;
	const int result = tear_down ? tear_down(state) : 0;
	const size_t length = strlen(running->name);

	(void)snprintf(running->name + length, sizeof running->name - length, " (%.1f s)",
		       (double)(clock_monotonic_ms() - running->start_ms) / CLOCK_MS_PER_S);
	return result;
}

void unit_add_group(const char *file, const struct CMUnitTest *tests, size_t count,
		    CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
	const char *module = strrchr(file, '/') + strlen("/test_");
	int module_length = (int)strcspn(module, ".");

	assert_true(group_count < GROUPS_MAX && count <= TESTS_MAX - test_count);
	groups[group_count].set_up = set_up;
	groups[group_count++].tear_down = tear_down;
	for (size_t i = 0; i < count; i++) {
		struct timed_test *timed = &timed_tests[test_count];

		timed->test = tests[i];
		(void)snprintf(timed->name, sizeof timed->name, "%.*s.%s", module_length, module,
			       tests[i].name);
		all_tests[test_count++] = (struct CMUnitTest){
			.name = timed->name,
			.test_func = tests[i].test_func,
			.setup_func = start_test,
			.teardown_func = end_test,
			.initial_state = timed,
		};
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
	choose_seed();
	return _cmocka_run_group_tests("unit", all_tests, test_count, set_up_groups,
				       tear_down_groups);
}
