/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "base/mem.h"
#include "fetch/sorted_run.h"

#define PACKETS 5000

static void add(struct run *run, uint64_t time_ns, uint32_t number, uint32_t captured)
{
	uint8_t bytes[70000];

	memset(bytes, (int)number, captured);
	run_add(run, &(struct run_packet){ .time_ns = time_ns,
					   .captured = captured,
					   .original = captured + 3,
					   .stream = number,
					   .packet = bytes });
}

/* Times that are nearly in order, many of them equal; and sizes from nothing to more than any buffer. */
static struct run *make(void)
{
	struct run *run = run_new();
	uint8_t random[PACKETS];

	unit_random(random, sizeof random);
	for (uint32_t i = 0; i < PACKETS; i++)
		add(run, 1000 + i / 3 + random[i] % 20, i, i % 499 == 0 ? 66000 : random[i]);
	return run;
}

/* All of it, in order of time, and of those of the same time in the order in which they came. */
static void check(struct run *run)
{
	struct run_packet packet;
	uint64_t last_ns = 0, next_ns;
	uint32_t last_number = 0;
	struct error err;

	for (uint32_t i = 0; i < PACKETS; i++) {
		assert_true(run_next_time(run, &next_ns));
		assert_int_equal(run_take(run, &packet, &err), 0);
		assert_int_equal(packet.time_ns, next_ns);
		assert_true(packet.time_ns > last_ns ||
			    (packet.time_ns == last_ns && packet.stream > last_number));
		assert_int_equal(packet.original, packet.captured + 3);
		for (uint32_t j = 0; j < packet.captured; j++)
			assert_int_equal(packet.packet[j], (uint8_t)packet.stream);
		last_ns = packet.time_ns;
		last_number = packet.stream;
	}
	assert_false(run_next_time(run, &next_ns));
}

static void test_packets_come_out_in_order(void **state)
{
	struct run *run = make();

	(void)state;
	run_sort(run);
	check(run);
	run_free(run);
}

static void test_a_file_does_as_well_as_memory(void **state)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	uint64_t offset = 0, before;
	struct run *runs[3];
	struct error err;

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LENGTH(runs); i++) {
		runs[i] = make();
		run_sort(runs[i]);
		before = offset;
		assert_int_equal(run_spill(runs[i], fd, &offset, &err), 0);
		assert_true(offset > before);
		assert_int_equal(run_bytes(runs[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(runs); i++) {
		check(runs[i]);
		assert_true(run_bytes(runs[i]) < 256 * 1024);
		run_free(runs[i]);
	}
	(void)close(fd);
}

static void test_a_file_that_is_cut_off_is_no_packet(void **state)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	struct run *run = make();
	struct run_packet packet;
	uint64_t offset = 0, next_ns;
	int result = 0;
	struct error err;

	(void)state;
	run_sort(run);
	assert_int_equal(run_spill(run, fd, &offset, &err), 0);
	assert_int_equal(ftruncate(fd, (off_t)offset / 2), 0);
	while (result == 0 && run_next_time(run, &next_ns))
		result = run_take(run, &packet, &err);
	assert_int_equal(result, -1);
	run_free(run);
	(void)close(fd);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_come_out_in_order),
		cmocka_unit_test(test_a_file_does_as_well_as_memory),
		cmocka_unit_test(test_a_file_that_is_cut_off_is_no_packet),
	};

	unit_add(tests, NULL, NULL);
}
