/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What every unit test includes: cmocka, with the headers that it wants before it, and main.c's side of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

/*
 * Stands where a program would have its main(): before main() begins, the body hands this file's tests over. A
 * program has the files of one folder, and prints their results as one list.
 */
#define UNIT_TESTS() static void __attribute__((constructor)) unit_tests(void)

/* Adds the tests of an array, to be run between set_up and tear_down, which may be NULL. */
#define unit_add(tests, set_up, tear_down) \
	unit_add_group(__FILE__, tests, ARRAY_LENGTH(tests), set_up, tear_down)

/* Fills a block with random bytes; KNT_SEED in the environment has a test get the same ones again. */
void unit_random(void *bytes, size_t length);

void unit_add_group(const char *file, const struct CMUnitTest *tests, size_t count,
		    CMFixtureFunction set_up, CMFixtureFunction tear_down);
