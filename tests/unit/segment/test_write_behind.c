/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "base/file.h"
#include "base/mem.h"
#include "segment/write_behind.h"

#define PART_BYTES ((size_t)1 << 20)
#define PARTS      20

/* How much of a file is in the page cache. */
static size_t cached_bytes(int fd, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = length / page, count = 0;
	cleanup_free unsigned char *is_there = mem_alloc(pages);
	void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mincore(map, length, is_there), 0);
	for (size_t i = 0; i < pages; i++)
		count += is_there[i] & 1;
	assert_int_equal(munmap(map, length), 0);
	return count * page;
}

static void write_parts(int fd, struct write_behind *behind)
{
	cleanup_free char *part = mem_alloc(PART_BYTES);
	struct error err;

	memset(part, 'x', PART_BYTES);
	write_behind_begin(behind, fd);
	for (size_t i = 1; i <= PARTS; i++) {
		assert_int_equal(file_write_all(fd, part, PART_BYTES, &err), 0);
		write_behind_advance(behind, i * PART_BYTES);
	}
	assert_int_equal(fsync(fd), 0);
}

/* In the build folder, which is on a disk most of the time. */
static void test_the_cache_is_given_back_when_asked_only(void **state)
{
	char path[] = "write-behind-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	struct write_behind behind;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	write_parts(fd, &behind);
	if (!behind.is_on)
		skip(); /* the build folder is on no local disk */
	/* Its upload reads it from there. */
	assert_int_equal(cached_bytes(fd, PARTS * PART_BYTES), PARTS * PART_BYTES);
	assert_int_equal(behind.started_bytes, 16 * PART_BYTES);
	write_behind_drop(&behind);
	assert_int_equal(cached_bytes(fd, PARTS * PART_BYTES), 0);
}

static void test_a_file_without_a_disk_is_left_alone(void **state)
{
	cleanup_close int fd = memfd_create("write-behind", MFD_CLOEXEC);
	struct write_behind behind;

	(void)state;
	assert_true(fd >= 0);
	write_parts(fd, &behind);
	assert_false(behind.is_on);
	write_behind_drop(&behind);
	assert_int_equal(cached_bytes(fd, PARTS * PART_BYTES), PARTS * PART_BYTES);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cache_is_given_back_when_asked_only),
		cmocka_unit_test(test_a_file_without_a_disk_is_left_alone),
	};

	unit_add(tests, NULL, NULL);
}
