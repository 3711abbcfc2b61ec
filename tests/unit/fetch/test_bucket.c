/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket that is asked again, and what is kept of it. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "memory_sink.h"

/* In place of the C library's: time that passes at once. */
static struct {
	bool is_set; /* sleeping takes no time */
	atomic_uint_fast64_t ahead_ns;
} skew;

int clock_gettime(clockid_t id, struct timespec *ret_now)
{
	int result = (int)syscall(SYS_clock_gettime, id, ret_now);
	uint64_t now_ns = (uint64_t)ret_now->tv_sec * CLOCK_NS_PER_S + (uint64_t)ret_now->tv_nsec;

	if (id == CLOCK_MONOTONIC)
		now_ns += atomic_load(&skew.ahead_ns);
	ret_now->tv_sec = (time_t)(now_ns / CLOCK_NS_PER_S);
	ret_now->tv_nsec = (long)(now_ns % CLOCK_NS_PER_S);
	return result;
}

int nanosleep(const struct timespec *wanted, struct timespec *rest)
{
	if (!skew.is_set)
		return (int)syscall(SYS_nanosleep, wanted, rest);
	atomic_fetch_add(&skew.ahead_ns, (uint64_t)wanted->tv_nsec);
	return 0;
}

struct fixture {
	struct memory memory;
	struct bucket_reader reader;
	struct error err;
	char folder[32]; /* "": there is none */
	char *names;     /* that were visited, one after another */
	unsigned stop_after;
	unsigned visited;
	uint64_t visit_ms; /* how long one takes */
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	memory_open(&fixture->memory);
	fixture->names = mem_strdup("");
	fixture->reader.bucket = &fixture->memory.bucket;
	*state = fixture;
	return sink_ops(fixture->memory.bucket.sink)
		->worker_open(fixture->memory.bucket.sink, &fixture->reader.worker, &fixture->err);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	skew.is_set = false;
	sink_ops(fixture->memory.bucket.sink)->worker_close(fixture->reader.worker);
	memory_close(&fixture->memory);
	if (*fixture->folder)
		(void)nftw(fixture->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture->names);
	free(fixture);
	return 0;
}

static bool note_name(void *context, const struct sink_item *item)
{
	struct fixture *fixture = context;
	char *names = mem_printf("%s%s ", fixture->names, item->name);

	free(fixture->names);
	fixture->names = names;
	atomic_fetch_add(&skew.ahead_ns, fixture->visit_ms * CLOCK_NS_PER_MS);
	return ++fixture->visited != fixture->stop_after;
}

static int list(struct fixture *fixture, unsigned limit)
{
	const struct sink_list what = { .prefix = "", .from = "b", .to = "i", .limit = limit };

	memory_sort(&fixture->memory);
	free(fixture->names);
	fixture->names = mem_strdup("");
	fixture->visited = 0;
	return bucket_list(&fixture->reader, &what, note_name, fixture, &fixture->err);
}

static void add_letters(struct fixture *fixture)
{
	for (char letter = 'a'; letter <= 'j'; letter++)
		memory_add(&fixture->memory, "%c", letter);
}

static void a_listing_goes_on_where_it_broke_off(void **state)
{
	struct fixture *fixture = *state;

	add_letters(fixture);
	for (unsigned after = 0; after < 9; after++) {
		fixture->memory.fail_from = fixture->memory.fail_to =
			atomic_load(&fixture->memory.requests) + 1;
		fixture->memory.fail_after = after;
		assert_int_equal(list(fixture, 0), 0);
		assert_string_equal(fixture->names, "b c d e f g h ");
	}
	assert_int_equal(atomic_load(&fixture->memory.bucket.requests),
			 atomic_load(&fixture->memory.requests));
}

/* Half a minute is for failures in a row, however long the listing takes. */
static void a_long_listing_that_breaks_off_often(void **state)
{
	struct fixture *fixture = *state;

	skew.is_set = true;
	add_letters(fixture);
	fixture->memory.fail_from = 1;
	fixture->memory.fail_to = 6;
	fixture->memory.fail_after = 2;
	fixture->memory.retry_after_ms = 20000;
	fixture->visit_ms = 40000;
	assert_int_equal(list(fixture, 0), 0);
	assert_string_equal(fixture->names, "b c d e f g h ");
	assert_int_equal(atomic_load(&fixture->memory.requests), 7);
}

static void half_a_minute_of_failures_is_enough(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start_ms = clock_monotonic_ms();
	uint8_t byte;

	skew.is_set = true;
	fixture->memory.fail_from = 1;
	fixture->memory.fail_to = UINT32_MAX;
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
	assert_in_range(clock_monotonic_ms() - start_ms, 20000, 31000);
	/* 0.25, 0.5, 1, 2, 4, 8 and 8 s apart; and then whether anybody is there. */
	assert_int_equal(atomic_load(&fixture->memory.requests), 8 + 1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	start_ms = clock_monotonic_ms();
	assert_int_equal(list(fixture, 0), -1);
	assert_in_range(clock_monotonic_ms() - start_ms, 20000, 31000);
}

/* One object that has no answer is lost; the rest of the bucket is not. */
static void a_bucket_that_answers_others(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	skew.is_set = true;
	fixture->memory.silent = "a";
	for (int i = 0; i < 20; i++) {
		assert_int_equal(
			bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
		assert_int_equal(fixture->err.kind, ERROR_REJECTED);
		assert_string_equal(fixture->err.message, "made to fail");
		assert_int_equal(
			bucket_read(&fixture->reader, "b", "1", 0, 1, &byte, &fixture->err), 0);
	}
	/* If no object at all can be read, that is the bucket. */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(
			bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
		assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	}
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
}

/* And whoever interrupts it has lost nothing. */
static void an_interrupted_read_is_no_loss(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte;

	skew.is_set = true;
	fixture->memory.silent = "a";
	fixture->memory.cancel_at = 2;
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
}

static void a_limit_holds_after_a_failure(void **state)
{
	struct fixture *fixture = *state;

	add_letters(fixture);
	for (unsigned after = 0; after < 4; after++) {
		fixture->memory.fail_from = fixture->memory.fail_to =
			atomic_load(&fixture->memory.requests) + 1;
		fixture->memory.fail_after = after;
		assert_int_equal(list(fixture, 3), 0);
		assert_string_equal(fixture->names, "b c d ");
	}
	/* All that was wanted came before it failed. */
	assert_int_equal(atomic_load(&fixture->memory.requests), 7);
}

static void a_limit_holds_when_the_last_name_vanishes(void **state)
{
	struct fixture *fixture = *state;

	add_letters(fixture);
	fixture->memory.fail_from = fixture->memory.fail_to = 1;
	fixture->memory.fail_after = 2;
	fixture->memory.vanishes = "c";
	assert_int_equal(list(fixture, 4), 0);
	assert_string_equal(fixture->names, "b c d e ");
}

static void who_has_seen_enough_is_not_asked_again(void **state)
{
	struct fixture *fixture = *state;

	add_letters(fixture);
	fixture->stop_after = 3;
	assert_int_equal(list(fixture, 0), 0);
	assert_string_equal(fixture->names, "b c d ");
	assert_int_equal(atomic_load(&fixture->memory.requests), 1);
}

static void only_what_may_pass_is_tried_again(void **state)
{
	static const enum error_kind kinds[] = { ERROR_CONFIG, ERROR_REJECTED, ERROR_FATAL };
	struct fixture *fixture = *state;
	uint8_t byte;

	add_letters(fixture);
	fixture->memory.fail_from = 1;
	fixture->memory.fail_to = UINT32_MAX;
	for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++) {
		fixture->memory.fail_kind = kinds[i];
		assert_int_equal(list(fixture, 0), -1);
		assert_int_equal(fixture->err.kind, kinds[i]);
		assert_int_equal(
			bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
		assert_int_equal(atomic_load(&fixture->memory.requests), 2 * (i + 1));
	}
	assert_int_equal(atomic_load(&fixture->memory.bucket.bytes), 0);
}

static void a_read_is_tried_again(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[4];

	fixture->memory.fail_from = 1;
	fixture->memory.fail_to = 2;
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 5, 4, bytes, &fixture->err), 0);
	assert_memory_equal(bytes, "\x05\x06\x07\x08", 4);
	assert_int_equal(atomic_load(&fixture->memory.bucket.requests), 3);
	assert_int_equal(atomic_load(&fixture->memory.bucket.bytes), 4);
}

/* A delay that the bucket asks for is kept, and one that is too long is a failure at once. */
static void the_delay_that_is_asked_for(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start_ms = clock_monotonic_ms();
	uint8_t byte;

	fixture->memory.fail_from = fixture->memory.fail_to = 1;
	fixture->memory.retry_after_ms = 600;
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), 0);
	assert_true(clock_monotonic_ms() - start_ms >= 600);
	fixture->memory.fail_to = UINT32_MAX;
	fixture->memory.retry_after_ms = 3600000;
	start_ms = clock_monotonic_ms();
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
	assert_true(clock_monotonic_ms() - start_ms < 5000);
}

static void interrupt_soon(void *context)
{
	struct fixture *fixture = context;

	(void)nanosleep(&(struct timespec){ .tv_nsec = 50 * (long)CLOCK_NS_PER_MS }, NULL);
	atomic_store(&fixture->memory.cancel, true);
}

static void an_interruption_ends_the_waiting(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start_ms = clock_monotonic_ms();
	struct thread thread;
	uint8_t byte;

	fixture->memory.fail_from = 1;
	fixture->memory.fail_to = UINT32_MAX;
	fixture->memory.retry_after_ms = 20000;
	assert_int_equal(thread_start(&thread, "test", interrupt_soon, fixture, &fixture->err), 0);
	assert_int_equal(bucket_read(&fixture->reader, "a", "1", 0, 1, &byte, &fixture->err), -1);
	thread_join(&thread);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_int_equal(list(fixture, 0), -1);
	assert_true(clock_monotonic_ms() - start_ms < 5000);
}

/* Cache ------------------------------------------------------------------------------------------- */

static void use_cache(struct fixture *fixture)
{
	(void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_bucket.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	fixture->memory.bucket.cache_fd = open(fixture->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->memory.bucket.cache_fd >= 0);
}

static void read_some(struct fixture *fixture, const char *name, const char *version,
		      uint64_t offset, unsigned reads)
{
	uint8_t bytes[100] = { 0 };

	if (bucket_read(&fixture->reader, name, version, offset, sizeof bytes, bytes,
			&fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	for (size_t i = 0; i < sizeof bytes; i++)
		assert_int_equal(bytes[i], (uint8_t)(offset + i));
	assert_int_equal(atomic_load(&fixture->memory.reads), reads);
}

static void what_was_read_once_is_kept(void **state)
{
	struct fixture *fixture = *state;

	use_cache(fixture);
	read_some(fixture, "a", "1", 7, 1);
	read_some(fixture, "a", "1", 7, 1);
	assert_int_equal(atomic_load(&fixture->memory.bucket.bytes), 100);
	assert_int_equal(atomic_load(&fixture->memory.bucket.cached_bytes), 100);
	assert_int_equal(atomic_load(&fixture->memory.bucket.requests), 1);
	/* Whatever differs is read. */
	read_some(fixture, "b", "1", 7, 2);
	read_some(fixture, "a", "2", 7, 3);
	read_some(fixture, "a", "1", 8, 4);
	fixture->memory.conf.upload_destination = (char *)"memory://c";
	read_some(fixture, "a", "1", 7, 5);
}

/* The only file of the cache. */
static char *find_file(const struct fixture *fixture)
{
	cleanup_closedir DIR *dir = opendir(fixture->folder);
	char *path = NULL;

	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.' && strlen(entry->d_name) < 3)
			continue;
		assert_null(path);
		path = mem_printf("%s/%s", fixture->folder, entry->d_name);
	}
	assert_non_null(path);
	return path;
}

static void a_damaged_file_is_read_again(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = NULL;
	unsigned reads = 1;
	struct stat st;

	use_cache(fixture);
	read_some(fixture, "a", "1", 7, reads);
	path = find_file(fixture);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (off_t place = 0; place < st.st_size; place += 3) {
		cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
		char byte;

		assert_int_equal(pread(fd, &byte, 1, place), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, place), 1);
		read_some(fixture, "a", "1", 7, ++reads);
		read_some(fixture, "a", "1", 7, reads);
	}
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	read_some(fixture, "a", "1", 7, ++reads);
	assert_int_equal(truncate(path, 0), 0);
	read_some(fixture, "a", "1", 7, ++reads);
	/* Somebody else's link is not followed. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	read_some(fixture, "a", "1", 7, ++reads);
	read_some(fixture, "a", "1", 7, reads);
}

static void a_cache_without_room_is_none(void **state)
{
	struct fixture *fixture = *state;

	use_cache(fixture);
	assert_int_equal(rmdir(fixture->folder), 0);
	read_some(fixture, "a", "1", 7, 1);
	read_some(fixture, "a", "1", 7, 2);
}

/* Crew -------------------------------------------------------------------------------------------- */

struct crew {
	atomic_uint begun;
	struct sink_worker *workers[8];
};

static int note_worker(void *context, struct bucket_reader *reader, struct error *err)
{
	struct crew *crew = context;
	unsigned number = atomic_fetch_add(&crew->begun, 1);

	crew->workers[number] = reader->worker;
	while (atomic_load(&crew->begun) < 5) /* they are there at the same time */
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return number == 3 ? error_set(err, ERROR_REJECTED, "the fourth") : 0;
}

static void a_crew_has_a_connection_for_each(void **state)
{
	struct fixture *fixture = *state;
	struct crew crew = { .begun = 0 };

	assert_int_equal(bucket_crew(&fixture->memory.bucket, 5, note_worker, &crew, &fixture->err),
			 -1);
	assert_string_equal(fixture->err.message, "the fourth");
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	assert_int_equal(atomic_load(&crew.begun), 5);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(crew.workers[i], crew.workers[k]);
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_listing_goes_on_where_it_broke_off),
		TEST(a_long_listing_that_breaks_off_often),
		TEST(half_a_minute_of_failures_is_enough),
		TEST(a_bucket_that_answers_others),
		TEST(an_interrupted_read_is_no_loss),
		TEST(a_limit_holds_after_a_failure),
		TEST(a_limit_holds_when_the_last_name_vanishes),
		TEST(who_has_seen_enough_is_not_asked_again),
		TEST(only_what_may_pass_is_tried_again),
		TEST(a_read_is_tried_again),
		TEST(the_delay_that_is_asked_for),
		TEST(an_interruption_ends_the_waiting),
		TEST(what_was_read_once_is_kept),
		TEST(a_damaged_file_is_read_again),
		TEST(a_cache_without_room_is_none),
		TEST(a_crew_has_a_connection_for_each),
	};

	unit_add(tests, NULL, NULL);
}
