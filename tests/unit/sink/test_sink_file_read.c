/* SPDX-License-Identifier: Apache-2.0 */
/* The sink that is a folder, as a search reads it. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "unit.h"

#include "http_fixture.h"
#include "sink/sink.h"

#define NAMES_MAX 4096

/* In place of the C library's: what happens while a file is read, and a disk that fails. */
static struct {
	const char *written; /* the path of a file that somebody writes to just then; NULL: none */
	bool is_failing;
} disk;

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
	const char *path = disk.written;

	if (disk.is_failing) {
		errno = EIO;
		return -1;
	}
	disk.written = NULL;
	if (path) {
		cleanup_close int other = open(path, O_WRONLY | O_CLOEXEC);

		assert_int_equal(write(other, "X", 1), 1);
	}
	return syscall(SYS_pread64, fd, bytes, length, offset);
}

struct fixture {
	struct conf conf;
	atomic_bool cancel;
	struct sink *sink;
	struct sink_worker *worker;
	char dir[40], destination[64];
	int fd;                 /* of the destination */
	char *names[NAMES_MAX]; /* that are there, sorted */
	size_t count;
	/* What was listed. */
	char *seen[NAMES_MAX];
	char *versions[NAMES_MAX];
	uint64_t sizes[NAMES_MAX];
	size_t seen_count, stop_after; /* 0: never */
	struct error err;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	struct sink_context context = { .conf = &fixture->conf, .cancel = &fixture->cancel };

	http_fixture_conf(&fixture->conf);
	(void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/test_sink_file_read.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	(void)snprintf(fixture->destination, sizeof fixture->destination, "file://%s/d",
		       fixture->dir);
	fixture->conf.upload_destination = fixture->destination;
	if (mkdir(fixture->destination + strlen("file://"), 0755) < 0)
		return -1;
	fixture->fd = open(fixture->destination + strlen("file://"),
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fixture;
	return sink_open(&context, &fixture->sink, &fixture->err) < 0
		       ? -1
		       : sink_ops(fixture->sink)
				 ->worker_open(fixture->sink, &fixture->worker, &fixture->err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static void forget_seen(struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->seen_count; i++) {
		free(fixture->seen[i]);
		free(fixture->versions[i]);
	}
	fixture->seen_count = 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sink_ops(fixture->sink)->worker_close(fixture->worker);
	sink_close(fixture->sink);
	(void)close(fixture->fd);
	(void)nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	forget_seen(fixture);
	for (size_t i = 0; i < fixture->count; i++)
		free(fixture->names[i]);
	free(fixture);
	return 0;
}

/* A file below the destination with its folders; false if there is one of this name, or a folder. */
static bool make_file(struct fixture *fixture, const char *name, const char *content)
{
	cleanup_free char *path = mem_strdup(name);
	cleanup_close int fd = -1;

	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(fixture->fd, path, 0755) < 0 && errno != EEXIST)
			return false;
		*p = '/';
	}
	fd = openat(fixture->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* An object: its name has to be listed. */
static void add_object(struct fixture *fixture, const char *name)
{
	if (!make_file(fixture, name, name))
		return;
	assert_true(fixture->count < NAMES_MAX);
	fixture->names[fixture->count++] = mem_strdup(name);
}

static void sort_objects(struct fixture *fixture)
{
	qsort(fixture->names, fixture->count, sizeof *fixture->names, compare_texts);
}

static bool see_item(void *context, const struct sink_item *item)
{
	struct fixture *fixture = context;

	assert_true(fixture->seen_count < NAMES_MAX);
	assert_null(item->segment);
	assert_string_equal(item->storage_class, "");
	fixture->sizes[fixture->seen_count] = item->bytes;
	fixture->versions[fixture->seen_count] = mem_strdup(item->version);
	fixture->seen[fixture->seen_count++] = mem_strdup(item->name);
	return fixture->seen_count != fixture->stop_after;
}

static int list_objects(struct fixture *fixture, const char *prefix, const char *from,
			const char *to, unsigned limit)
{
	const struct sink_list what = { prefix, from, to, limit };
	unsigned requests = 7;
	int result;

	forget_seen(fixture);
	result = sink_ops(fixture->sink)
			 ->list(fixture->worker, &what, see_item, fixture, &requests,
				&fixture->err);
	assert_int_equal(requests, 7);
	return result;
}

/* The same by a filter over all names. */
static void expect_listed(struct fixture *fixture, const char *prefix, const char *from,
			  const char *to, unsigned limit)
{
	size_t expected = 0;

	if (list_objects(fixture, prefix, from, to, limit) < 0)
		fail_msg("%s", fixture->err.message);
	for (size_t i = 0; i < fixture->count; i++) {
		const char *name = fixture->names[i];

		if (strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name, from) < 0 ||
		    (to[0] && strcmp(name, to) >= 0) || (limit && expected == limit))
			continue;
		if (expected >= fixture->seen_count || strcmp(fixture->seen[expected], name) != 0)
			fail_msg("[%s] from [%s] to [%s] limit %u: %zu. is [%s], not [%s]", prefix,
				 from, to, limit, expected,
				 expected < fixture->seen_count ? fixture->seen[expected] : "",
				 name);
		assert_int_equal(fixture->sizes[expected], strlen(name));
		expected++;
	}
	if (fixture->seen_count != expected)
		fail_msg("[%s] from [%s] to [%s]: %zu more, [%s]", prefix, from, to,
			 fixture->seen_count - expected, fixture->seen[expected]);
}

/* Where folders and files sort differently from their names alone. */
static void test_names_are_in_byte_order(void **state)
{
	static const char *const names[] = {
		"a-b/x",    "a/b",       "a.c",        "a0",         "a/b-c/d",
		"a/b.d",    "a/b/../b1", "A/z",        "\xc3\xa4/x", "a/~",
		"node-1/f", "node-10/f", "node-1.a/f", "node-1_b/f", "z",
		"a b/c d",  "-x/-y",     "\xff\xfe/q", "q\"'\\/%2F", "a/c/.hidden/f",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (!strstr(names[i], ".."))
			add_object(fixture, names[i]);
	sort_objects(fixture);
	assert_int_equal(fixture->count, COUNT_OF(names) - 1);
	expect_listed(fixture, "", "", "", 0);
	for (size_t i = 0; i < fixture->count; i++) {
		const char *name = fixture->names[i];

		expect_listed(fixture, "", name, "", 0);
		expect_listed(fixture, "", "", name, 0);
		expect_listed(fixture, name, "", "", 0);
		expect_listed(fixture, "", name, "", 1);
		expect_listed(fixture, "node-1", name, "z", 2);
	}
	expect_listed(fixture, "node-1/", "", "", 0);
	expect_listed(fixture, "node-1/", "node-1/e", "node-1/g", 0);
	expect_listed(fixture, "", "node-10", "node-1_", 0);
	/* No name is like these. */
	expect_listed(fixture, "/", "", "", 0);
	expect_listed(fixture, "a//", "", "", 0);
	expect_listed(fixture, "../", "", "", 0);
	expect_listed(fixture, "a/../a/", "", "", 0);
	expect_listed(fixture, "./", "", "", 0);
	expect_listed(fixture, "z/", "", "", 0);
	expect_listed(fixture, "none/of/these/", "", "", 0);
	fixture->stop_after = 3;
	assert_int_equal(list_objects(fixture, "", "", "", 0), 0);
	assert_int_equal(fixture->seen_count, 3);
}

/* 1 to 3 of few characters, so that names and folders are beginnings of one another. */
static void choose_word(char *out, unsigned max)
{
	static const char letters[] = "ab-./0_~A\x7e";
	uint8_t random[8];

	unit_random(random, sizeof random);
	for (unsigned length = 1 + random[0] % max; length > 0; length--)
		*out++ = letters[random[length] % (sizeof letters - 1)];
	*out = '\0';
}

static bool is_plain(const char *name)
{
	cleanup_free char *copy = mem_strdup(name);
	char *rest = copy, *part;

	while ((part = strsep(&rest, "/")))
		if (!*part || strcmp(part, ".") == 0 || strcmp(part, "..") == 0 ||
		    (!rest && *part == '.'))
			return false;
	return true;
}

static void test_windows_against_a_model(void **state)
{
	struct fixture *fixture = *state;
	char name[32], prefix[8], from[8], to[8];
	uint8_t random[4];

	for (unsigned i = 0; i < 3000; i++) {
		unit_random(random, sizeof random);
		choose_word(name, 4);
		for (unsigned deep = random[0] % 4; deep > 0; deep--) {
			char word[8];

			choose_word(word, 3);
			(void)snprintf(name + strlen(name), sizeof name - strlen(name), "/%s",
				       word);
		}
		if (is_plain(name))
			add_object(fixture, name);
	}
	sort_objects(fixture);
	assert_true(fixture->count > 500);
	expect_listed(fixture, "", "", "", 0);
	for (unsigned i = 0; i < 250; i++) {
		unit_random(random, sizeof random);
		choose_word(prefix, 3);
		choose_word(from, 6);
		choose_word(to, 6);
		expect_listed(fixture, random[0] % 2 ? prefix : "", random[1] % 4 ? from : "",
			      random[2] % 4 ? to : "", random[3] % 3 ? 0 : random[3] % 10);
	}
}

static void test_three_thousand_names_of_ours(void **state)
{
	struct fixture *fixture = *state;
	char name[128], from[64];

	for (unsigned i = 0; i < 3000; i++) {
		uint32_t random;

		unit_random(&random, sizeof random);
		(void)snprintf(name, sizeof name,
			       "top/node-%u/node-%u_20261123T08%02u%02u.%03uZ_eth0_%08u.pcap.gz",
			       i % 12, i % 12, random % 60, random / 60 % 60, random % 1000, i);
		add_object(fixture, name);
	}
	sort_objects(fixture);
	expect_listed(fixture, "", "", "", 0);
	expect_listed(fixture, "top/node-1/node-1_", "top/node-1/node-1_20261123T0820",
		      "top/node-1/node-1_20261123T0840", 0);
	/* As a search finds the nodes: behind each folder, the first name. */
	from[0] = '\0';
	for (unsigned nodes = 0; nodes < 12; nodes++) {
		expect_listed(fixture, "top/", from, "", 1);
		assert_int_equal(fixture->seen_count, 1);
		(void)snprintf(from, sizeof from, "%.*s0",
			       (int)strcspn(fixture->seen[0] + 4, "/") + 4, fixture->seen[0]);
	}
	expect_listed(fixture, "top/", from, "", 1);
	assert_int_equal(fixture->seen_count, 0);
}

static void test_only_files_are_listed(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_free char *longest = mem_alloc(5 * 256 + 1);

	add_object(fixture, "n/a");
	add_object(fixture, "n/z");
	assert_true(make_file(fixture, "n/.n_1.pcap.gz.partial", "x"));
	assert_true(make_file(fixture, ".n", "x"));
	assert_true(make_file(fixture, "n/line\nend", "x"));
	assert_true(make_file(fixture, "bad\x1b/a", "x"));
	assert_true(make_file(fixture, "n/\xc2\x9b", "x"));
	assert_int_equal(mkfifoat(fixture->fd, "n/fifo", 0600), 0);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/d/n/socket", fixture->dir);
	assert_int_equal(bind(socket_fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(symlinkat("a", fixture->fd, "n/link"), 0);
	assert_int_equal(symlinkat("n", fixture->fd, "m"), 0);
	assert_int_equal(symlinkat("..", fixture->fd, "n/up"), 0);
	assert_int_equal(mkdirat(fixture->fd, "empty", 0755), 0);
	expect_listed(fixture, "", "", "", 0);
	assert_int_equal(fixture->seen_count, 2);
	expect_listed(fixture, "m/", "", "", 0);
	expect_listed(fixture, "n/up/n/", "", "", 0);
	/* Nine folders in folders are one too many, unless the prefix names some. */
	assert_true(make_file(fixture, "1/2/3/4/5/6/7/8/9/f", "x"));
	add_object(fixture, "1/2/3/4/5/6/7/8/f");
	sort_objects(fixture);
	expect_listed(fixture, "", "", "", 0);
	assert_int_equal(list_objects(fixture, "1", "", "", 0), 0);
	assert_int_equal(fixture->seen_count, 1);
	assert_int_equal(list_objects(fixture, "1/2", "", "", 0), 0);
	assert_int_equal(fixture->seen_count, 2);
	/* A name as long as a file system has it, but too long for an object. */
	memset(longest, 'x', 5 * 256);
	for (size_t i = 1; i < 5; i++)
		longest[i * 250] = '/';
	longest[1024] = '\0';
	add_object(fixture, longest);
	longest[1024] = 'x';
	longest[1025] = '\0';
	assert_true(make_file(fixture, longest, "x"));
	sort_objects(fixture);
	expect_listed(fixture, "x", "", "", 0);
	assert_int_equal(fixture->seen_count, 1);
	longest[1025] = 'x';
	longest[1100] = '/';
	longest[1101] = '\0';
	expect_listed(fixture, longest, "", "", 0);
	/* No file system has folders with such names. */
	memset(longest, 'x', 300);
	longest[300] = '/';
	longest[301] = '\0';
	expect_listed(fixture, longest, "", "", 0);
}

/* Permissions hold for everybody but root. */
static void drop_root(const struct fixture *fixture, mode_t mode)
{
	assert_int_equal(chmod(fixture->dir, mode), 0);
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip(); /* root of a namespace that has no such user */
}

static void regain_root(void)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* A window of one node reads no other node's folder: this one would be an error. */
static void test_other_folders_are_not_read(void **state)
{
	struct fixture *fixture = *state;

	add_object(fixture, "a/1");
	add_object(fixture, "b/1");
	add_object(fixture, "c/1");
	sort_objects(fixture);
	assert_int_equal(fchmodat(fixture->fd, "b", 0, 0), 0);
	drop_root(fixture, 0755);
	expect_listed(fixture, "a/", "", "", 0);
	expect_listed(fixture, "a", "", "", 0);
	expect_listed(fixture, "", "", "b/", 0);
	expect_listed(fixture, "", "b0", "", 0);
	expect_listed(fixture, "", "a", "", 1);
	assert_int_equal(list_objects(fixture, "", "", "", 0), -1);
	assert_int_equal(fixture->seen_count, 1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, " cannot list the folder "));
	assert_non_null(strstr(fixture->err.message, "/d/b/: Permission denied"));
	regain_root();
	assert_int_equal(fchmodat(fixture->fd, "b", 0700, 0), 0);
}

static void expect_no_list(struct fixture *fixture, enum error_kind kind, const char *part)
{
	assert_int_equal(list_objects(fixture, "", "", "", 0), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, kind);
}

static int read_object(struct fixture *fixture, const char *name, const char *version,
		       uint64_t offset, size_t length, char *out)
{
	return sink_ops(fixture->sink)
		->read(fixture->worker, name, version, offset, length, (uint8_t *)out,
		       &fixture->err);
}

static void test_the_destination_is_not_made(void **state)
{
	struct fixture *fixture = *state;
	const char *path = fixture->destination + strlen("file://");
	char out[1];

	assert_int_equal(rmdir(path), 0);
	expect_no_list(fixture, ERROR_CONFIG, "/d does not exist");
	assert_int_equal(read_object(fixture, "a", "", 0, 1, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	expect_no_list(fixture, ERROR_CONFIG, "/d is not a folder");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(path, path), 0);
	expect_no_list(fixture, ERROR_CONFIG, "symbolic links");
	assert_int_equal(unlink(path), 0);
	drop_root(fixture, 0);
	expect_no_list(fixture, ERROR_CONFIG, "Permission denied");
	assert_int_equal(read_object(fixture, "a", "", 0, 1, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	regain_root();
	assert_int_equal(chmod(fixture->dir, 0700), 0);
}

static void test_stopping(void **state)
{
	struct fixture *fixture = *state;

	add_object(fixture, "n/a");
	atomic_store(&fixture->cancel, true);
	expect_no_list(fixture, ERROR_TRANSIENT, "stopped");
	assert_int_equal(fixture->seen_count, 0);
}

/* -- reading ---------------------------------------------------------------------------------- */

#define FILE_NAME "top/n/f_1"
#define CONTENT   "top/n/f_1"

/* FILE_NAME as it is listed; the caller frees. */
static char *list_version(struct fixture *fixture)
{
	assert_int_equal(list_objects(fixture, FILE_NAME, "", "", 1), 0);
	assert_int_equal(fixture->seen_count, 1);
	return mem_strdup(fixture->versions[0]);
}

static void expect_read(struct fixture *fixture, const char *version, uint64_t offset,
			size_t length)
{
	char out[16] = "????????????????";

	if (read_object(fixture, FILE_NAME, version, offset, length, out) < 0)
		fail_msg("%s", fixture->err.message);
	assert_memory_equal(out, &CONTENT[offset], length);
	assert_int_equal(out[length], '?');
}

static void expect_not_read(struct fixture *fixture, const char *name, const char *version,
			    const char *part)
{
	char out[16];

	assert_int_equal(read_object(fixture, name, version, 0, 2, out), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
}

static void test_bytes_are_read_exactly(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *version = NULL;
	char out[16];

	add_object(fixture, FILE_NAME);
	version = list_version(fixture);
	expect_read(fixture, version, 0, strlen(CONTENT));
	expect_read(fixture, version, 3, 4);
	expect_read(fixture, version, strlen(CONTENT) - 1, 1);
	expect_read(fixture, version, 5, 0);
	assert_int_equal(read_object(fixture, FILE_NAME, version, 5, 5, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	assert_non_null(strstr(fixture->err.message, "ends before byte 10"));
}

static void test_another_file_is_not_read(void **state)
{
	static const struct timespec times[2] = { { 1, 0 }, { 1, 1 } };
	struct fixture *fixture = *state;
	cleanup_free char *version = NULL, *later = NULL;

	add_object(fixture, FILE_NAME);
	version = list_version(fixture);
	/* Of the same size; then the same file, touched by a nanosecond. */
	assert_int_equal(renameat(fixture->fd, FILE_NAME, fixture->fd, "kept"), 0);
	assert_true(make_file(fixture, FILE_NAME, CONTENT));
	expect_not_read(fixture, FILE_NAME, version, "was replaced");
	assert_int_equal(renameat(fixture->fd, "kept", fixture->fd, FILE_NAME), 0);
	expect_read(fixture, version, 0, 2);
	assert_int_equal(utimensat(fixture->fd, FILE_NAME, times, 0), 0);
	expect_not_read(fixture, FILE_NAME, version, "was replaced");
	later = list_version(fixture);
	expect_read(fixture, later, 0, 2);
	assert_int_equal(unlinkat(fixture->fd, FILE_NAME, 0), 0);
	expect_not_read(fixture, FILE_NAME, later, "is gone");
	assert_int_equal(symlinkat("/etc/passwd", fixture->fd, FILE_NAME), 0);
	expect_not_read(fixture, FILE_NAME, later, "is not a file");
	assert_int_equal(unlinkat(fixture->fd, FILE_NAME, 0), 0);
	assert_int_equal(mkfifoat(fixture->fd, FILE_NAME, 0600), 0);
	expect_not_read(fixture, FILE_NAME, later, "is not a file");
}

static void test_trouble_while_reading(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *version = NULL;
	cleanup_free char *path = mem_printf("%s/d/" FILE_NAME, fixture->dir);
	char out[16];

	add_object(fixture, FILE_NAME);
	version = list_version(fixture);
	disk.is_failing = true;
	assert_int_equal(read_object(fixture, FILE_NAME, version, 0, 2, out), -1);
	disk.is_failing = false;
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(fixture->err.message, FILE_NAME ": read: Input/output error"));
	expect_read(fixture, version, 0, 2);
	disk.written = path;
	expect_not_read(fixture, FILE_NAME, version, "was replaced");
}

static void test_reading_stays_below_the_destination(void **state)
{
	static const char *const names[] = { "../secret",   "a/../../secret",
					     "/etc/passwd", "link/secret",
					     "a//f",        "./f",
					     "a/.",         "",
					     "f/x" };
	struct fixture *fixture = *state;
	cleanup_free char *secret = mem_printf("%s/secret", fixture->dir);
	cleanup_fclose FILE *file = fopen(secret, "we");

	assert_non_null(file);
	add_object(fixture, "f");
	add_object(fixture, "a/f");
	assert_int_equal(symlinkat("..", fixture->fd, "link"), 0);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		expect_not_read(fixture, names[i], "", "");
	assert_int_equal(list_objects(fixture, "f", "", "", 0), 0);
	assert_int_equal(read_object(fixture, "f", fixture->versions[0], 0, 1, (char[1]){ 0 }), 0);
}

static void test_a_file_that_may_not_be_read(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *version = NULL;

	add_object(fixture, FILE_NAME);
	version = list_version(fixture);
	assert_int_equal(fchmodat(fixture->fd, FILE_NAME, 0, 0), 0);
	drop_root(fixture, 0755);
	expect_not_read(fixture, FILE_NAME, version, "Permission denied");
	regain_root();
	assert_int_equal(fchmodat(fixture->fd, "top/n", 0, 0), 0);
	drop_root(fixture, 0755);
	expect_not_read(fixture, FILE_NAME, version, "Permission denied");
	regain_root();
	assert_int_equal(fchmodat(fixture->fd, "top/n", 0700, 0), 0);
}

static void test_urls_of_objects(void **state)
{
	static const struct {
		char destination[32];
		const char *url;
	} cases[] = {
		{ "file:///a/b", "/a/b/n/f" },
		{ "file:///a/b//", "/a/b/n/f" },
		{ "file:///", "/n/f" },
		{ "bucket", "gs://bucket/n/f" },
		{ "gs://bucket", "gs://bucket/n/f" },
		{ "gs://bucket/p/", "gs://bucket/p/n/f" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct conf conf = { .upload_destination = (char *)cases[i].destination };
		char url[SINK_URL_MAX];
		struct text text = text_over(url, sizeof url);

		sink_object_url(&conf, "n/f", &text);
		assert_string_equal(url, cases[i].url);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_are_in_byte_order),
		TEST(test_windows_against_a_model),
		TEST(test_three_thousand_names_of_ours),
		TEST(test_only_files_are_listed),
		TEST(test_other_folders_are_not_read),
		TEST(test_the_destination_is_not_made),
		TEST(test_stopping),
		TEST(test_bytes_are_read_exactly),
		TEST(test_another_file_is_not_read),
		TEST(test_trouble_while_reading),
		TEST(test_reading_stays_below_the_destination),
		TEST(test_a_file_that_may_not_be_read),
		cmocka_unit_test(test_urls_of_objects),
	};

	unit_add(tests, NULL, NULL);
}
