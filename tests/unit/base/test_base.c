/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/checksum.h"
#include "base/clock.h"
#include "base/clock_sync.h"
#include "base/jobs.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/text.h"
#include "base/thread.h"

static void test_crc32c_has_the_published_check_value(void **state)
{
	const char *text = "123456789";

	(void)state;
	assert_int_equal(crc32c_update(0, text, 9), 0xe3069283);
	assert_int_equal(crc32c_update(0, "", 0), 0);
	/* In parts, it is the same. */
	assert_int_equal(crc32c_update(crc32c_update(0, text, 4), text + 4, 5), 0xe3069283);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t unit, bytes;
	} good[] = {
		{ "100", 1000000, 100000000 },
		{ "0", 1024, 0 },
		{ "2k", 1, 2000 },
		{ "2K", 1, 2000 },
		{ "3M", 7, 3000000 },
		{ "1G", 1, 1000000000 },
		{ "1KiB", 1, 1024 },
		{ "5MiB", 1, 5242880 },
		{ "1GiB", 1, 1073741824 },
	};
	static const char *const bad[] = { "",
					   "-1",
					   "1.5",
					   "k",
					   "1 M",
					   "1MB!",
					   "0x1",
					   " 1",
					   "1KIB",
					   "18446744073709551616",
					   "99999999999G" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
		assert_int_equal(text_parse_size(good[i].text, good[i].unit, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_int_equal(text_parse_size(bad[i], 1, &bytes), -1);
}

static void test_times_there_and_back(void **state)
{
	static const uint64_t times[] = { 0,
					  1,
					  1700000000000000000,
					  1700000000123456789,
					  1700000000100000000,
					  4102444799999999999 };
	char text[TEXT_TIME_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
		uint64_t back;

		text_format_time(times[i], text);
		assert_int_equal(text_parse_time(text, &back), 0);
		assert_true(back == times[i]);
	}
	text_format_time(1700000000100000000, text);
	assert_string_equal(text, "2023-11-14T22:13:20.1Z");
	text_format_rfc3339(1700000000123456789, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123Z");
}

static void test_times_that_are_none(void **state)
{
	static const char *const bad[] = { "",
					   "2023-11-14",
					   "2023-11-14T22:13:20",
					   "2023-11-14T22:13:20+01:00",
					   "2023-11-14T22:13:20Zx",
					   "2023-11-14T22:13:20.1234567890Z" };
	uint64_t time;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_int_equal(text_parse_time(bad[i], &time), -1);
}

static void test_text_is_cut_not_overrun(void **state)
{
	char bytes[8] = "1234567";
	struct text text = text_over(bytes, 6);

	(void)state;
	text_append(&text, "abc%d", 12345);
	assert_string_equal(bytes, "abc12");
	assert_true(text.is_cut);
	text_append(&text, "more");
	assert_string_equal(bytes, "abc12");
	assert_int_equal(bytes[6], '7');
}

static void test_json_strings_are_escaped(void **state)
{
	static const struct {
		const char *value, *json;
	} not_utf8[] = {
		{ "a\xff", "\"a\\ufffd\"" },
		{ "\x80z", "\"\\ufffdz\"" },
		{ "\xc3", "\"\\ufffd\"" },
		{ "\xc3z", "\"\\ufffdz\"" },
		{ "\xc1\xbf", "\"\\ufffd\\ufffd\"" },            /* overlong */
		{ "\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\"" }, /* overlong */
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" }, /* surrogate */
		{ "\xe2\x82\xac", "\"\xe2\x82\xac\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
		{ "\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* too high */
	};
	char bytes[64];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	text_append_json(&text, "a\"b\\c\n\x01 \xc3\xa4");
	assert_string_equal(bytes, "\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa4\"");
	for (size_t i = 0; i < sizeof not_utf8 / sizeof *not_utf8; i++) {
		text = text_over(bytes, sizeof bytes);
		text_append_json(&text, not_utf8[i].value);
		assert_string_equal(bytes, not_utf8[i].json);
	}
}

static void test_errors_stay_one_line(void **state)
{
	struct error err;
	char long_text[3000];

	(void)state;
	assert_int_equal(error_set(&err, ERROR_CONFIG, "bad\nvalue '%s'", "x\ty"), -1);
	assert_string_equal(err.message, "bad value 'x y'");
	error_set(&err, ERROR_CONFIG, "caf\xc3\xa9 \xc2\x9b[2J\xc2\xa0");
	assert_string_equal(err.message, "caf\xc3\xa9   [2J\xc2\xa0");
	error_set(&err, ERROR_CONFIG, "bad\nvalue '%s'", "x\ty");
	assert_int_equal(error_wrap(&err, "file:%d", 3), -1);
	assert_string_equal(err.message, "file:3: bad value 'x y'");
	assert_int_equal(err.kind, ERROR_CONFIG);
	errno = ENOENT;
	assert_int_equal(error_errno(&err, "open %s", "f"), -1);
	assert_string_equal(err.message, "open f: No such file or directory");
	assert_int_equal(err.kind, ERROR_FATAL);
	errno = EACCES;
	assert_int_equal(error_errno_as(&err, ERROR_TRANSIENT, "open %s", "g"), -1);
	assert_string_equal(err.message, "open g: Permission denied");
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_int_equal(err.errnum, EACCES);

	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	error_set(&err, ERROR_FATAL, "%s", long_text);
	error_wrap(&err, "%s", "front");
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
	assert_memory_equal(err.message, "front: xxx", 10);
}

static void test_exit_statuses(void **state)
{
	static const struct {
		enum error_kind kind;
		int status;
	} cases[] = { { ERROR_NONE, 0 },      { ERROR_USAGE, 64 },   { ERROR_CONFIG, 78 },
		      { ERROR_TRANSIENT, 1 }, { ERROR_REJECTED, 1 }, { ERROR_FATAL, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct error err = { .kind = cases[i].kind };

		assert_int_equal(error_exit_status(&err), cases[i].status);
	}
}

/* Files ----------------------------------------------------------------------------------------- */

static int make_folder(void **state)
{
	char *path = mem_strdup("/tmp/knt-test-base-XXXXXX");

	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static int remove_folder(void **state)
{
	cleanup_free char *command = mem_printf("rm -rf '%s'", (char *)*state);
	int result = system(command);

	free(*state);
	return result;
}

static void test_replace_is_whole_and_leaves_nothing_behind(void **state)
{
	cleanup_close int folder = open(*state, O_RDONLY | O_DIRECTORY);
	cleanup_free char *text = NULL;
	struct error err;
	size_t length;

	assert_int_equal(file_replace(folder, "f", 0640, "one", 3, &err), 0);
	assert_int_equal(file_replace(folder, "f", 0640, "second", 6, &err), 0);
	assert_int_equal(file_read_text(folder, "f", 6, &text, &length, &err), 0);
	assert_string_equal(text, "second");
	assert_int_equal(length, 6);
	assert_int_equal(faccessat(folder, ".f.new", F_OK, 0), -1);
}

static void test_read_text_refuses_what_is_too_large_or_no_file(void **state)
{
	cleanup_close int folder = open(*state, O_RDONLY | O_DIRECTORY);
	cleanup_free char *text = NULL;
	struct error err;
	size_t length;

	assert_int_equal(file_replace(folder, "f", 0640, "seven..", 7, &err), 0);
	assert_int_equal(file_read_text(folder, "f", 6, &text, &length, &err), -1);
	assert_int_equal(mkfifoat(folder, "fifo", 0600), 0);
	assert_int_equal(file_read_text(folder, "fifo", 6, &text, &length, &err), -1);
	assert_int_equal(file_read_text(folder, "none", 6, &text, &length, &err), -1);
	assert_null(text);
}

static void test_publish_never_replaces(void **state)
{
	cleanup_close int folder = open(*state, O_RDONLY | O_DIRECTORY);
	cleanup_free char *text = NULL;
	struct error err;
	size_t length;

	assert_int_equal(file_replace(folder, "new", 0640, "new", 3, &err), 0);
	assert_int_equal(file_replace(folder, "old", 0640, "old", 3, &err), 0);
	assert_int_equal(file_publish(folder, "new", "old", &err), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(file_read_text(folder, "old", 10, &text, &length, &err), 0);
	assert_string_equal(text, "old");
	assert_int_equal(file_publish(folder, "new", "newer", &err), 0);
	assert_int_equal(faccessat(folder, "newer", F_OK, 0), 0);
	assert_int_equal(faccessat(folder, "new", F_OK, 0), -1);
}

static void test_folders_are_made_with_their_parents(void **state)
{
	cleanup_free char *deep = mem_printf("%s/a/b/c", (char *)*state);
	cleanup_free char *file = mem_printf("%s/file", (char *)*state);
	cleanup_free char *below = mem_printf("%s/file/x", (char *)*state);
	cleanup_close int folder = open(*state, O_RDONLY | O_DIRECTORY);
	mode_t umask_before = umask(027);
	struct error err;
	struct stat st;

	assert_int_equal(file_make_folders(deep, 0750, &err), 0);
	(void)umask(umask_before);
	/* Another account, whose the last one will be, has to go through those above it. */
	assert_int_equal(fstatat(folder, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(fstatat(folder, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(file_make_folders(deep, 0750, &err), 0);
	assert_int_equal(file_replace(folder, "file", 0640, "", 0, &err), 0);
	assert_int_equal(file_make_folders(file, 0750, &err), -1);
	assert_int_equal(file_make_folders(below, 0750, &err), -1);
}

static void test_checksum_of_a_file(void **state)
{
	cleanup_close int folder = open(*state, O_RDONLY | O_DIRECTORY);
	cleanup_close int fd = -1;
	struct error err;
	uint32_t crc;

	assert_int_equal(file_replace(folder, "f", 0640, "123456789", 9, &err), 0);
	fd = openat(folder, "f", O_RDONLY);
	assert_int_equal(file_checksum(fd, &crc, &err), 0);
	assert_int_equal(crc, 0xe3069283);
}

/* Queue and threads ----------------------------------------------------------------------------- */

static void produce(void *context)
{
	struct queue *queue = context;

	for (uintptr_t i = 1; i <= 1000; i++) {
		queue_push(queue, (void *)i);
		if (i % 100 == 0)
			(void)usleep(1000);
	}
	queue_close(queue);
}

static void test_queue_keeps_the_order_across_threads(void **state)
{
	struct thread thread = { 0 };
	struct queue queue;
	struct error err;
	uintptr_t expected = 0;

	(void)state;
	queue_init(&queue, 1000);
	assert_int_equal(thread_start(&thread, "a name that is too long", produce, &queue, &err),
			 0);
	while (!queue_is_finished(&queue)) {
		void *item = queue_pop(&queue, 5000);

		if (item)
			assert_int_equal((uintptr_t)item, ++expected);
	}
	thread_join(&thread);
	thread_join(&thread); /* a second time is fine */
	assert_int_equal(expected, 1000);
	queue_done(&queue);
}

static void test_queue_waits_no_longer_than_asked(void **state)
{
	struct queue queue;
	uint64_t before_ms = clock_monotonic_ms();

	(void)state;
	queue_init(&queue, 1);
	assert_null(queue_pop(&queue, 30));
	assert_true(clock_monotonic_ms() - before_ms >= 29);
	queue_close(&queue);
	before_ms = clock_monotonic_ms();
	assert_null(queue_pop(&queue, 60000));
	assert_true(clock_monotonic_ms() - before_ms < 30000);
	queue_done(&queue);
}

struct job_case {
	struct queue started, may_go_on; /* how far the job is; when it may end */
	unsigned done;
};

static void slow_job(void *context)
{
	struct job_case *test = context;

	queue_push(&test->started, test);
	assert_non_null(queue_pop(&test->may_go_on, 60000));
	test->done = test->done * 10 + 1;
}

static void next_job(void *context)
{
	struct job_case *test = context;

	test->done = test->done * 10 + 2;
}

/* A disk that hangs: whoever adds an job does not wait for it, and those behind it keep their order. */
static void test_jobs_do_not_hold_up_the_one_who_has_them(void **state)
{
	struct job_case test = { .done = 0 };
	int wake_fd = eventfd(0, EFD_CLOEXEC);
	struct jobs *jobs;
	struct error err;
	eventfd_t count;

	(void)state;
	queue_init(&test.started, 1);
	queue_init(&test.may_go_on, 1);
	assert_int_equal(jobs_start("test", wake_fd, &jobs, &err), 0);
	jobs_add(jobs, slow_job, &test);
	assert_non_null(queue_pop(&test.started, 60000));
	jobs_add(jobs, next_job, &test);
	assert_int_equal(jobs_left(jobs), 2);
	queue_push(&test.may_go_on, &test);
	assert_int_equal(eventfd_read(wake_fd, &count), 0);
	assert_int_equal(jobs_left(jobs), 0);
	assert_int_equal(test.done, 12);
	jobs_add(jobs, next_job, &test);
	jobs_stop(jobs); /* when all are done */
	assert_int_equal(test.done, 122);
	(void)close(wake_fd);
	queue_done(&test.started);
	queue_done(&test.may_go_on);
}

static void test_how_exact_the_clock_is(void **state)
{
	char out[CLOCK_SYNC_MAX], word[CLOCK_SYNC_MAX];

	(void)state;
	clock_sync_format(true, 1200, out);
	assert_string_equal(out, "synchronised, error 1.2 ms");
	clock_sync_format(true, 1201, out); /* never less than it is */
	assert_string_equal(out, "synchronised, error 1.3 ms");
	clock_sync_format(true, 0, out);
	assert_string_equal(out, "synchronised, error 0.0 ms");
	clock_sync_format(false, 16000000, out);
	assert_string_equal(out, "unsynchronised, error 16000.0 ms");
	clock_sync_format(false, UINT64_MAX, out);
	assert_string_equal(out, "unsynchronised, error 18446744073709551.7 ms");
	clock_sync_describe(out);
	assert_true(strcmp(out, "unknown") == 0 ||
		    sscanf(out, "%[a-z], error %*u.%*u ms", word) == 1);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c_has_the_published_check_value),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times_there_and_back),
		cmocka_unit_test(test_times_that_are_none),
		cmocka_unit_test(test_text_is_cut_not_overrun),
		cmocka_unit_test(test_json_strings_are_escaped),
		cmocka_unit_test(test_errors_stay_one_line),
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test_setup_teardown(test_replace_is_whole_and_leaves_nothing_behind,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_read_text_refuses_what_is_too_large_or_no_file,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_publish_never_replaces, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_folders_are_made_with_their_parents,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_checksum_of_a_file, make_folder,
						remove_folder),
		cmocka_unit_test(test_queue_keeps_the_order_across_threads),
		cmocka_unit_test(test_queue_waits_no_longer_than_asked),
		cmocka_unit_test(test_how_exact_the_clock_is),
		cmocka_unit_test(test_jobs_do_not_hold_up_the_one_who_has_them),
	};

	unit_add(tests, NULL, NULL);
}
