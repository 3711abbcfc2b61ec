/* SPDX-License-Identifier: Apache-2.0 */
/* The sink that is a folder. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "unit.h"

#include "base/checksum.h"
#include "http_fixture.h"
#include "sink/sink.h"

#define BYTES  700000 /* more than two blocks */
#define NAME   "node-1_20261123T083000.123Z_eth0_00000001.pcap.gz"
#define OBJECT "top/node-1/" NAME

/* In place of the C library's: the disk that fails is made here, and what was synced is seen. */
static struct {
	bool is_folder_failing, is_file_failing;
	unsigned folders, files; /* synced */
	off_t bytes;             /* that the file had when it was synced last */
	off_t most;              /* that one sync had to write */
} disk;

static int sync_with(long call, int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode) ? disk.is_folder_failing : disk.is_file_failing) {
		errno = EIO;
		return -1;
	}
	disk.folders += S_ISDIR(st.st_mode);
	if (S_ISREG(st.st_mode)) {
		disk.files++;
		if (st.st_size - disk.bytes > disk.most)
			disk.most = st.st_size - disk.bytes;
		disk.bytes = st.st_size;
	}
	return (int)syscall(call, fd);
}

int fsync(int fd)
{
	return sync_with(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_with(SYS_fdatasync, fd);
}

struct fixture {
	struct conf conf;
	atomic_bool cancel;
	struct rate rate;
	struct sink *sink;
	struct sink_worker *worker;
	char dir[32];
	char path[160], temporary[160]; /* of the object */
	char source[64];
	char *content;
	struct segment segment;
	struct sink_object object;
	struct sink_receipt receipt;
	struct error err;
};

static int open_sink(struct fixture *fixture, char *destination)
{
	const struct sink_context context = { .conf = &fixture->conf,
					      .rate = &fixture->rate,
					      .cancel = &fixture->cancel };

	fixture->conf.upload_destination = destination;
	return sink_open(&context, &fixture->sink, &fixture->err);
}

/* The sink for a destination; the one before is closed. */
static void use(struct fixture *fixture, char *destination)
{
	if (fixture->worker)
		sink_ops(fixture->sink)->worker_close(fixture->worker);
	fixture->sink = sink_close(fixture->sink);
	fixture->worker = NULL;
	if (open_sink(fixture, destination) < 0 ||
	    sink_ops(fixture->sink)->worker_open(fixture->sink, &fixture->worker, &fixture->err) <
		    0)
		fail_msg("%s", fixture->err.message);
}

static void write_file(const char *path, const char *content, size_t length)
{
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, length, file), length);
}

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	char destination[64];

	http_fixture_conf(&fixture->conf);
	(void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/test_sink_file.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	(void)snprintf(destination, sizeof destination, "file://%s/a", fixture->dir);
	(void)snprintf(fixture->path, sizeof fixture->path, "%s/a", fixture->dir);
	if (mkdir(fixture->path, 0755) < 0)
		return -1;
	(void)snprintf(fixture->path, sizeof fixture->path, "%s/a/" OBJECT, fixture->dir);
	(void)snprintf(fixture->temporary, sizeof fixture->temporary,
		       "%s/a/top/node-1/." NAME ".partial", fixture->dir);
	(void)snprintf(fixture->source, sizeof fixture->source, "%s/source", fixture->dir);
	fixture->content = mem_alloc(BYTES);
	for (size_t i = 0; i < BYTES; i++)
		fixture->content[i] = (char)(i * 7 + i / 256);
	write_file(fixture->source, fixture->content, BYTES);
	fixture->object = (struct sink_object){
		.name = OBJECT,
		.fd = open(fixture->source, O_RDONLY | O_CLOEXEC),
		.bytes = BYTES,
		.crc32c = crc32c_update(0, fixture->content, BYTES),
		.segment = &fixture->segment,
		.identity = "",
	};
	use(fixture, destination);
	*state = fixture;
	memset(&disk, 0, sizeof disk);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sink_ops(fixture->sink)->worker_close(fixture->worker);
	sink_close(fixture->sink);
	(void)close(fixture->object.fd);
	(void)nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture->content);
	free(fixture);
	return 0;
}

static int send_object(struct fixture *fixture)
{
	fixture->receipt = (struct sink_receipt){ .requests = 0 };
	return sink_ops(fixture->sink)
		->send(fixture->worker, &fixture->object, &fixture->receipt, &fixture->err);
}

static void expect_sent(struct fixture *fixture, bool was_there)
{
	cleanup_free char *bytes = mem_alloc(BYTES + 1);
	cleanup_fclose FILE *file = NULL;

	if (send_object(fixture) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(fixture->receipt.was_there, was_there);
	assert_int_equal(fixture->receipt.requests, 0);
	assert_string_equal(fixture->receipt.location, fixture->path);
	file = fopen(fixture->path, "re");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, BYTES + 1, file), BYTES);
	assert_memory_equal(bytes, fixture->content, BYTES);
	assert_int_equal(access(fixture->temporary, F_OK), -1);
}

static void expect_failed(struct fixture *fixture, enum error_kind kind, const char *part)
{
	assert_int_equal(send_object(fixture), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, kind);
	assert_int_equal(access(fixture->temporary, F_OK), -1);
}

/* Only the owner and the group may read; nothing of ours is left when the file cannot be made. */
static void test_file_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	expect_sent(fixture, false);
	assert_int_equal(stat(fixture->path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
}

static void test_leftovers_of_an_attempt_are_replaced(void **state)
{
	struct fixture *fixture = *state;

	expect_sent(fixture, false);
	assert_int_equal(unlink(fixture->path), 0);
	write_file(fixture->temporary, "half", 4);
	expect_sent(fixture, false);
	/* Also when the name is there already. */
	write_file(fixture->temporary, "half", 4);
	expect_sent(fixture, true);
}

static void test_nothing_is_overwritten(void **state)
{
	struct fixture *fixture = *state;
	struct stat before, after;

	expect_sent(fixture, false);
	assert_int_equal(stat(fixture->path, &before), 0);
	expect_sent(fixture, true);
	assert_int_equal(stat(fixture->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);

	/* Same length, other bytes. */
	fixture->content[BYTES - 1] ^= 1;
	write_file(fixture->path, fixture->content, BYTES);
	expect_failed(fixture, ERROR_REJECTED, "other content; nothing is overwritten");
	write_file(fixture->path, "other", 5);
	expect_failed(fixture, ERROR_REJECTED, "other content");
	assert_int_equal(stat(fixture->path, &after), 0);
	assert_int_equal(after.st_size, 5);

	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(symlink(fixture->source, fixture->path), 0);
	expect_failed(fixture, ERROR_REJECTED, "exists and is not a file");
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_failed(fixture, ERROR_REJECTED, "exists and is not a file");
}

/* What is there may be there in memory alone: the local copy goes only when the disk has the other. */
static void test_what_is_there_is_synced_before_it_counts(void **state)
{
	struct fixture *fixture = *state;

	expect_sent(fixture, false);
	memset(&disk, 0, sizeof disk);
	expect_sent(fixture, true);
	assert_true(disk.files > 0);
	assert_true(disk.folders > 0);
	disk.is_folder_failing = true;
	expect_failed(fixture, ERROR_TRANSIENT, "sync folder");
	disk.is_folder_failing = false;
	disk.is_file_failing = true;
	expect_failed(fixture, ERROR_TRANSIENT, "sync");
	disk.is_file_failing = false;
	expect_sent(fixture, true);

	/* The same when it was published, and its name could not be synced. */
	assert_int_equal(unlink(fixture->path), 0);
	disk.is_folder_failing = true;
	expect_failed(fixture, ERROR_TRANSIENT, "sync folder");
	assert_int_equal(access(fixture->path, F_OK), 0);
	expect_failed(fixture, ERROR_TRANSIENT, "sync folder");
	disk.is_folder_failing = false;
	expect_sent(fixture, true);
}

/* A worker that gives no sign of life for long is said to hang: no sync has all of a large file to write. */
static void test_a_large_file_is_synced_in_steps(void **state)
{
	const size_t bytes = (size_t)20 << 20;
	struct fixture *fixture = *state;
	cleanup_free char *content = mem_calloc(1, bytes);

	write_file(fixture->source, content, bytes);
	fixture->object.bytes = bytes;
	fixture->object.crc32c = crc32c_update(0, content, bytes);
	if (send_object(fixture) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(disk.bytes, bytes);
	assert_true(disk.most <= 8 << 20);
	assert_int_equal(unlink(fixture->path), 0);
	disk.is_file_failing = true;
	expect_failed(fixture, ERROR_TRANSIENT, "sync");
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_damaged_spool_file_is_rejected(void **state)
{
	struct fixture *fixture = *state;

	fixture->object.crc32c ^= 1;
	expect_failed(fixture, ERROR_REJECTED, "damaged in the spool");
	assert_int_equal(access(fixture->path, F_OK), -1);
	fixture->object.crc32c ^= 1;
	fixture->object.bytes--;
	expect_failed(fixture, ERROR_REJECTED, "damaged in the spool");
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_trouble_with_the_disk_is_transient(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit limit, small;
	cleanup_free char *folder = mem_printf("%s/a", fixture->dir);

	/* A file size limit is what a test can have of a full disk. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ .rlim_cur = 100000, .rlim_max = limit.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	expect_failed(fixture, ERROR_TRANSIENT, "File too large");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(access(fixture->path, F_OK), -1);

	/* The share is not there: a file stands in its place. */
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	write_file(folder, "", 0);
	expect_failed(fixture, ERROR_TRANSIENT, "is not a folder");
	assert_int_equal(unlink(folder), 0);
	assert_int_equal(mkdir(folder, 0755), 0);
	expect_sent(fixture, false);
}

static void test_cancel(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&fixture->cancel, true);
	expect_failed(fixture, ERROR_TRANSIENT, "stopped");
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static int probe(struct fixture *fixture)
{
	return sink_ops(fixture->sink)->probe(fixture->worker, "", &fixture->err);
}

static void test_probe(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *below = mem_printf("file://%s/source/x", fixture->dir);
	cleanup_free char *file = mem_printf("file://%s/source", fixture->dir);
	cleanup_free char *none = mem_printf("file://%s/none", fixture->dir);
	cleanup_free char *made = mem_printf("%s/none", fixture->dir);
	cleanup_free char *object_folder = mem_printf("%s/a/top", fixture->dir);
	static char root[] = "file:///";

	assert_int_equal(probe(fixture), 0);
	assert_int_equal(access(object_folder, F_OK), -1); /* leaves nothing behind */
	/* Perhaps not mounted yet: never made, tried again. */
	use(fixture, none);
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_non_null(
		strstr(fixture->err.message, "does not exist: create the folder, or mount"));
	expect_failed(fixture, ERROR_TRANSIENT, "does not exist");
	assert_int_equal(access(made, F_OK), -1);
	use(fixture, file);
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "is not a folder"));
	use(fixture, below);
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	if (geteuid() != 0) {
		use(fixture, root);
		assert_int_equal(probe(fixture), -1);
		assert_non_null(strstr(fixture->err.message, "cannot write"));
	}
}

static void test_paths_have_to_be_absolute(void **state)
{
	static char destination[] = "file://captures";
	struct fixture *fixture = *state;
	struct sink *sink = fixture->sink;

	assert_int_equal(open_sink(fixture, destination), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_string_equal(
		fixture->err.message,
		"upload.destination: \"file://captures\" is not an absolute path; write "
		"file:///DIR, with three slashes");
	fixture->sink = sink;
}

static void test_spool_is_no_destination(void **state)
{
	struct fixture *fixture = *state;
	struct sink *sink = fixture->sink;
	char link[96], destination[128], spool[64];

	(void)snprintf(spool, sizeof spool, "%s/a", fixture->dir);
	(void)snprintf(link, sizeof link, "%s/link", fixture->dir);
	assert_int_equal(symlink("a", link), 0);
	fixture->conf.spool_directory = spool;
	(void)snprintf(destination, sizeof destination, "file://%s/", spool);
	assert_int_equal(open_sink(fixture, destination), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "is the spool (-o)"));
	fixture->sink = sink;
	/* Whether another name leads there, only the disk knows: main opens sinks, and must not wait for that. */
	(void)snprintf(destination, sizeof destination, "file://%s/", link);
	use(fixture, destination);
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "is the spool (-o)"));
	expect_failed(fixture, ERROR_TRANSIENT, "is the spool (-o)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_the_url_of_a_segment(void **state)
{
	static const char name[] = "node-b_20261123T083000.123Z_eth0_00000042.pcap.gz";
	static const char *const cases[][3] = {
		{ "bucket", "", "gs://bucket/node-b/" },
		{ "gs://bucket", "", "gs://bucket/node-b/" },
		{ "gs://bucket/a/b/", "", "gs://bucket/a/b/node-b/" },
		{ "gs://bucket/a", "b/c", "gs://bucket/a/b/c/node-b/" },
		{ "file:///srv/captures", "", "file:///srv/captures/node-b/" },
		{ "file:///srv/captures//", "p", "file:///srv/captures/p/node-b/" },
		{ "file:///", "", "file:///node-b/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct conf conf = { .node_name = (char[]){ "node-a" } };
		char url[SINK_URL_MAX];
		struct text text = text_over(url, sizeof url);

		conf.upload_destination = (char *)(uintptr_t)cases[i][0];
		conf.upload_prefix = (char *)(uintptr_t)cases[i][1];
		sink_url(&conf, name, &text);
		assert_memory_equal(url, cases[i][2], strlen(cases[i][2]));
		assert_string_equal(url + strlen(cases[i][2]), name);
	}
}

static void test_urls_by_time(void **state)
{
	const struct conf conf = {
		.node_name = (char[]){ "node-a" },
		.upload_destination = (char[]){ "gs://bucket/a" },
		.upload_prefix = (char[]){ "b" },
		.upload_layout = CONF_LAYOUT_TIME,
	};
	char url[SINK_URL_MAX];
	struct text text = text_over(url, sizeof url);

	(void)state;
	sink_url(&conf, "n_20261123T083959.999Z_eth0_00000001.pcap", &text);
	assert_string_equal(url, "gs://bucket/a/b/2026/11/23/0835/"
				 "n_20261123T083959.999Z_eth0_00000001.pcap");
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_arrives_whole),
		TEST(test_leftovers_of_an_attempt_are_replaced),
		TEST(test_nothing_is_overwritten),
		TEST(test_what_is_there_is_synced_before_it_counts),
		TEST(test_a_large_file_is_synced_in_steps),
		TEST(test_damaged_spool_file_is_rejected),
		TEST(test_trouble_with_the_disk_is_transient),
		TEST(test_cancel),
		TEST(test_probe),
		TEST(test_paths_have_to_be_absolute),
		TEST(test_spool_is_no_destination),
		cmocka_unit_test(test_the_url_of_a_segment),
		cmocka_unit_test(test_urls_by_time),
	};

	unit_add(tests, NULL, NULL);
}
