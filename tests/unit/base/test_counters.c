/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/counters.h"
#include "base/mem.h"

struct sums {
	uint64_t packets, drops, visits;
	char last[64];
};

static void add_up(void *context, const struct interface_counters *interface)
{
	struct sums *sums = context;

	sums->packets += counter_read(&interface->packets);
	sums->drops += counter_read(&interface->drops[DROP_BUDGET]);
	sums->visits++;
	(void)snprintf(sums->last, sizeof sums->last, "%s", interface->name);
}

static struct counters *new_counters(void)
{
	struct counters *counters = mem_calloc(1, sizeof *counters);

	counters_init(counters);
	return counters;
}

static void an_interface_keeps_its_place(void **state)
{
	cleanup_free struct counters *counters = new_counters();
	struct interface_counters *first = counters_take(counters, "eth0");
	struct sums sums = { 0 };

	(void)state;
	interface_add(first, packets, 5);
	assert_ptr_equal(counters_take(counters, "eth0"), first);
	counters_return(first);
	counters_return(first);
	assert_ptr_equal(counters_take(counters, "eth0"), first);
	assert_ptr_not_equal(counters_take(counters, "eth1"), first);
	assert_int_equal(counter_read(&counters->packets), 5);
	counters_each_interface(counters, add_up, &sums);
	assert_int_equal(sums.visits, 2);
	assert_int_equal(sums.packets, 5);
}

/* Interfaces of pods come and go for months: the table is bounded, the whole forgets nothing. */
static void thousands_come_and_go(void **state)
{
	cleanup_free struct counters *counters = new_counters();
	struct interface_counters *lasting = counters_take(counters, "eth0");
	struct sums sums = { 0 };

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct interface_counters *interface;
		char name[16];

		(void)snprintf(name, sizeof name, "veth%d", i);
		interface = counters_take(counters, name);
		interface_add(interface, packets, 2);
		counters_return(interface);
		counters_discard(counters, name, DROP_BUDGET, 1);
		interface_add(lasting, packets, 1);
	}
	counters_each_interface(counters, add_up, &sums);
	assert_int_equal(counter_read(&counters->packets), 15000);
	assert_int_equal(counter_read(&counters->drops[DROP_BUDGET]), 5000);
	assert_int_equal(counter_read(&counters->packets_discarded), 5000);
	/* The last ones; a past that moved to another series would be a rate that never was. */
	assert_int_equal(sums.visits, COUNTERS_INTERFACES_MAX);
	assert_int_equal(sums.packets, 5000 + 2 * (COUNTERS_INTERFACES_MAX - 1));
	assert_string_not_equal(sums.last, "other");
	assert_string_equal(lasting->name, "eth0");
	assert_int_equal(counter_read(&lasting->packets), 5000);
}

static void more_at_once_than_places(void **state)
{
	cleanup_free struct counters *counters = new_counters();
	struct interface_counters *taken[COUNTERS_INTERFACES_MAX + 10];
	struct sums sums = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 10; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "veth%zu", i);
		taken[i] = counters_take(counters, name);
		interface_add(taken[i], packets, 1);
	}
	assert_ptr_equal(taken[COUNTERS_INTERFACES_MAX], &counters->other_interfaces);
	counters_each_interface(counters, add_up, &sums);
	assert_int_equal(sums.packets, COUNTERS_INTERFACES_MAX + 10);
	assert_string_equal(sums.last, "other");
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 10; i++)
		counters_return(taken[i]);
	assert_string_equal(counters_take(counters, "late")->name, "late");
}

static void histogram_bounds_are_inclusive(void **state)
{
	struct histogram histogram = { 0 };

	(void)state;
	for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++) {
		assert_true(histogram_ms_bounds[i - 1] < histogram_ms_bounds[i]);
		assert_true(histogram_bytes_bounds[i - 1] < histogram_bytes_bounds[i]);
	}
	histogram_add(&histogram, histogram_ms_bounds, 50);
	histogram_add(&histogram, histogram_ms_bounds, 51);
	histogram_add(&histogram, histogram_ms_bounds, UINT64_C(1) << 40);
	assert_int_equal(counter_read(&histogram.buckets[0]), 1);
	assert_int_equal(counter_read(&histogram.buckets[1]), 1);
	assert_int_equal(counter_read(&histogram.buckets[HISTOGRAM_BOUNDS]), 1);
	assert_int_equal(counter_read(&histogram.sum), 101 + (UINT64_C(1) << 40));
}

static void levels_are_found_again(void **state)
{
	cleanup_free struct counters *counters = new_counters();
	struct level_counters *level = counters_level(counters, "gzip", "2");

	(void)state;
	assert_ptr_not_equal(counters_level(counters, "gzip", "stored"), level);
	assert_ptr_not_equal(counters_level(counters, "zstd", "2"), level);
	assert_ptr_equal(counters_level(counters, "gzip", "2"), level);
	for (int i = 0; i < 2 * COUNTERS_LEVELS_MAX; i++) {
		char name[12];

		(void)snprintf(name, sizeof name, "%d", i);
		assert_in_range((uintptr_t)counters_level(counters, "zstd", name),
				(uintptr_t)counters->levels,
				(uintptr_t)&counters->levels[COUNTERS_LEVELS_MAX - 1]);
	}
}

static void look_for_level(void *context, const struct interface_counters *interface)
{
	struct counters *counters = context;

	(void)interface;
	(void)counters_level(counters, "gzip", "stored");
}

/* A recorder that falls behind does not wait for somebody who reads. */
static void a_level_is_found_during_a_scrape(void **state)
{
	cleanup_free struct counters *counters = new_counters();

	(void)state;
	counters_return(counters_take(counters, "eth0"));
	(void)alarm(10);
	counters_each_interface(counters, look_for_level, counters);
	(void)alarm(0);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_keeps_its_place),
		cmocka_unit_test(thousands_come_and_go),
		cmocka_unit_test(more_at_once_than_places),
		cmocka_unit_test(histogram_bounds_are_inclusive),
		cmocka_unit_test(levels_are_found_again),
		cmocka_unit_test(a_level_is_found_during_a_scrape),
	};

	unit_add(tests, NULL, NULL);
}
