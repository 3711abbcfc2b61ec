/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "base/mem.h"
#include "segment/segment_file.h"

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

static void write_parts(int fd, struct segment_file *file)
{
	cleanup_free char *part = mem_alloc(PART_BYTES);
	struct error err;

	memset(part, 'x', PART_BYTES);
	segment_file_init(file, fd);
	for (size_t i = 1; i <= PARTS; i++)
		assert_int_equal(segment_file_append(file, part, PART_BYTES, &err), 0);
	assert_int_equal(segment_file_sync(file, false, &err), 0);
}

/* In the build folder, which is on a disk most of the time. */
static void test_the_cache_is_given_back_when_asked_only(void **state)
{
	char path[] = "segment-file-XXXXXX";
	cleanup_close int fd = mkstemp(path);
	struct segment_file file;
	struct error err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	write_parts(fd, &file);
	if (!file.is_on_disk)
		skip(); /* the build folder is on no local disk */
	/* Its upload reads it from there. */
	assert_int_equal(cached_bytes(fd, PARTS * PART_BYTES), PARTS * PART_BYTES);
	assert_int_equal(file.started_bytes, 16 * PART_BYTES);
	assert_int_equal(segment_file_sync(&file, true, &err), 0);
	assert_int_equal(cached_bytes(fd, PARTS * PART_BYTES), 0);
}

static void test_a_file_without_a_disk_is_left_alone(void **state)
{
	cleanup_close int fd = memfd_create("segment-file", MFD_CLOEXEC);
	struct segment_file file;
	struct error err;

	(void)state;
	assert_true(fd >= 0);
	write_parts(fd, &file);
	assert_false(file.is_on_disk);
	assert_int_equal(segment_file_sync(&file, true, &err), 0);
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
