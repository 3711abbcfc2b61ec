/* SPDX-License-Identifier: Apache-2.0 */
/* A spool that is searched while its recorder works. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/mem.h"
#include "http_fixture.h"
#include "sink/sink.h"
#include "spool/spool_private.h"

#define NAME(sequence) "node-1_20261123T083000.123Z_eth0_" sequence ".pcap.gz"
static const char first[] = NAME("00000001"), second[] = NAME("00000002"),
		  third[] = NAME("00000003"), fourth[] = NAME("00000004");

struct fixture {
	struct conf conf;
	char directory[64];
	struct sink *sink;
	struct sink_worker *worker;
	struct error err;
};

static char *path_of(const struct fixture *fixture, const char *folder, const char *name)
{
	return mem_printf("%s/%s/%s", fixture->directory, folder, name);
}

static void put(const struct fixture *fixture, const char *folder, const char *name,
		const char *content)
{
	cleanup_free char *path = path_of(fixture, folder, name);
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
}

static void move(const struct fixture *fixture, const char *from, const char *to, const char *name)
{
	cleanup_free char *source = path_of(fixture, from, name);
	cleanup_free char *target = path_of(fixture, to, name);

	assert_int_equal(rename(source, target), 0);
}

static void erase(const struct fixture *fixture, const char *folder, const char *name)
{
	cleanup_free char *path = path_of(fixture, folder, name);

	assert_int_equal(unlink(path), 0);
}

static int open_spool(struct fixture *fixture)
{
	const struct sink_context context = { .conf = &fixture->conf };

	if (sink_open_spool(&context, fixture->directory, &fixture->sink, &fixture->err) < 0)
		return -1;
	if (sink_ops(fixture->sink)->worker_open(fixture->sink, &fixture->worker, &fixture->err) ==
	    0)
		return 0;
	fixture->sink = sink_close(fixture->sink);
	return -1;
}

static void close_spool(struct fixture *fixture)
{
	if (fixture->worker)
		sink_ops(fixture->sink)->worker_close(fixture->worker);
	fixture->worker = NULL;
	fixture->sink = sink_close(fixture->sink);
}

/* Folders as the spool has them: a test of their names, too. */
static int set_up(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	http_fixture_conf(&fixture->conf);
	strcpy(fixture->directory, "/dev/shm/knt-test-sink-spool-XXXXXX");
	if (!mkdtemp(fixture->directory))
		return -1;
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++) {
		cleanup_free char *path = path_of(fixture, ".", spool_folder_names[folder]);

		if (mkdir(path, 0750) < 0)
			return -1;
	}
	*state = fixture;
	return open_spool(fixture);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("rm -rf '%s'", fixture->directory);

	close_spool(fixture);
	free(fixture);
	return system(command);
}

#define FOUND_MAX 128
struct found {
	size_t count, limit;
	char names[FOUND_MAX][SEGMENT_NAME_MAX * 2];
	char versions[FOUND_MAX][SINK_VERSION_MAX];
	uint64_t bytes[FOUND_MAX], packets[FOUND_MAX], end_ns[FOUND_MAX];
	bool is_growing[FOUND_MAX];
};

static bool note(void *context, const struct sink_item *item)
{
	struct found *found = context;

	assert_true(found->count < FOUND_MAX);
	assert_string_equal(item->storage_class, "");
	strcpy(found->names[found->count], item->name);
	strcpy(found->versions[found->count], item->version);
	found->bytes[found->count] = item->bytes;
	found->is_growing[found->count] = item->is_growing;
	found->packets[found->count] = item->segment ? item->segment->packets : 0;
	found->end_ns[found->count] = item->segment ? item->segment->end_ns : 0;
	return ++found->count != found->limit;
}

static const struct sink_list all = { .prefix = "", .from = "", .to = "" };

static void list(struct fixture *fixture, const struct sink_list *what, struct found *found)
{
	unsigned requests = 0;

	found->count = 0;
	if (sink_ops(fixture->sink)
		    ->list(fixture->worker, what, note, found, &requests, &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(requests, 1);
}

static int read_at(struct fixture *fixture, const char *name, const char *version, uint64_t offset,
		   size_t length, char *out)
{
	return sink_ops(fixture->sink)
		->read(fixture->worker, name, version, offset, length, (uint8_t *)out,
		       &fixture->err);
}

static void test_all_folders_are_one(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;

	put(fixture, "kept", "b_20261123T083000.123Z_eth0_00000009.pcap", "kept");
	put(fixture, "kept/metadata", "b_20261123T083000.123Z_eth0_00000009.pcap",
	    "node=b\npackets=5\n");
	put(fixture, "capturing", fourth, "grows");
	put(fixture, "metadata", fourth, "node=node-1\npackets=7\n");
	put(fixture, "ready", third, "ready!!");
	put(fixture, "sending", second, "sending");
	put(fixture, "sending", "." NAME("00000005") ".new", "sent");
	put(fixture, "rejected", first, "no");
	put(fixture, "rejected", NAME("00000001") SPOOL_DAMAGED, "its packets are elsewhere");
	put(fixture, "ready", "notes.txt", "");
	put(fixture, "capturing", "." NAME("00000006") ".new", "a copy in the making");
	list(fixture, &all, &found);
	assert_int_equal(found.count, 6);
	assert_string_equal(found.names[0], "b/b_20261123T083000.123Z_eth0_00000009.pcap");
	assert_int_equal(found.bytes[0], 4);
	assert_string_equal(found.names[1], "node-1/" NAME("00000001"));
	assert_string_equal(found.names[2], "node-1/" NAME("00000002"));
	assert_string_equal(found.names[3], "node-1/" NAME("00000003"));
	assert_string_equal(found.names[4], "node-1/" NAME("00000004"));
	assert_string_equal(found.names[5], "node-1/" NAME("00000005"));
	for (size_t i = 0; i < found.count; i++)
		assert_int_equal(found.is_growing[i], i == 4);
	assert_int_equal(found.packets[0], 5);
	assert_int_equal(found.packets[4], 7);
	assert_int_equal(found.packets[1], 0);
}

static void test_what_is_asked_for(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	struct sink_list what = all;

	put(fixture, "ready", first, "");
	put(fixture, "ready", second, "");
	put(fixture, "kept", third, "");
	put(fixture, "ready", "node-10_20261123T083000.123Z_eth0_00000009.pcap", "");
	what.prefix = "node-1/";
	list(fixture, &what, &found);
	assert_int_equal(found.count, 3);
	what.from = "node-1/" NAME("00000002");
	list(fixture, &what, &found);
	assert_int_equal(found.count, 2);
	what.to = "node-1/" NAME("00000003");
	list(fixture, &what, &found);
	assert_int_equal(found.count, 1);
	what = all;
	what.limit = 2;
	list(fixture, &what, &found);
	assert_int_equal(found.count, 2);
	found.limit = 1;
	list(fixture, &all, &found);
	assert_int_equal(found.count, 1);
	found.limit = 0;
}

/* Of a recorder that was killed, nobody knows more than when it last wrote; one that runs is writing. */
static void test_who_is_writing(void **state)
{
	struct fixture *fixture = *state;
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { 1800000000, 5 } };
	cleanup_free struct found *found = mem_calloc(1, sizeof *found);
	cleanup_free char *path = path_of(fixture, "capturing", first);
	cleanup_free char *lock = path_of(fixture, ".", SPOOL_LOCK_FILE);
	cleanup_close int fd = -1;

	put(fixture, "capturing", first, "abc");
	put(fixture, "metadata", first, "node=node-1\ninterface=eth0\n");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	list(fixture, &all, found);
	assert_int_equal(found->count, 1);
	assert_true(found->is_growing[0]);
	assert_int_equal(found->end_ns[0], UINT64_C(1800000000000000005));
	put(fixture, ".", SPOOL_LOCK_FILE, "");
	list(fixture, &all, found);
	assert_int_equal(found->end_ns[0], UINT64_C(1800000000000000005));
	fd = open(lock, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	list(fixture, &all, found);
	assert_int_equal(found->end_ns[0], 0);
	/* It had ended, and its move is what is missing. */
	put(fixture, "metadata", first, "node=node-1\ninterface=eth0\nend=2026-11-23T08:30:09Z\n");
	list(fixture, &all, found);
	assert_in_range(found->end_ns[0], 1, UINT64_C(1800000000000000004));
}

static bool count(void *context, const struct sink_item *item)
{
	(void)item;
	++*(size_t *)context;
	return true;
}

/* As many as it says, and not the half of them: each is looked for more than once. */
static void test_very_many_files(void **state)
{
	enum {
		MANY = 65536
	};
	struct fixture *fixture = *state;
	const struct sink_ops *ops = sink_ops(fixture->sink);
	struct sink_list few = { .prefix = "", .from = "", .to = "node-1/node-1_20261123T083001" };
	unsigned requests = 0;
	size_t found = 0;

	put(fixture, "kept", first, "");
	for (unsigned i = 0; i < MANY; i++) {
		cleanup_free char *file = path_of(fixture, "kept", first);
		cleanup_free char *name =
			mem_printf("node-1_20261123T083001.123Z_eth0_%08u.pcap.gz", i + 10);
		cleanup_free char *path = path_of(fixture, "kept", name);

		assert_int_equal(link(file, path) == 0 || errno == EMLINK, true);
	}
	assert_int_equal(ops->list(fixture->worker, &few, count, &found, &requests, &fixture->err),
			 0);
	assert_int_equal(found, 1);
	few = (struct sink_list){ .prefix = "", .from = few.to, .to = "" };
	found = 0;
	if (ops->list(fixture->worker, &few, count, &found, &requests, &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(found, MANY);
	/* And one more is refused. */
	assert_int_equal(ops->list(fixture->worker, &all, count, &found, &requests, &fixture->err),
			 -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
}

static void test_read_wherever_it_is_by_now(void **state)
{
	static const char *const ways[] = { "ready",   "sending",  "ready",
					    "sending", "rejected", "kept" };
	static struct found found;
	struct fixture *fixture = *state;
	const char *where = "capturing", *name = "node-1/" NAME("00000001");
	char out[16] = "";

	put(fixture, "capturing", first, "0123456789");
	list(fixture, &all, &found);
	assert_int_equal(found.bytes[0], 10);
	put(fixture, "capturing", first, "0123456789abc"); /* it grows */
	assert_int_equal(read_at(fixture, name, found.versions[0], 8, 2, out), 0);
	assert_string_equal(out, "89");
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		move(fixture, where, ways[i], first);
		where = ways[i];
		assert_int_equal(read_at(fixture, name, found.versions[0], i, 2, out), 0);
		assert_memory_equal(out, &"0123456789"[i], 2);
	}
	list(fixture, &all, &found);
	assert_int_equal(found.bytes[0], 13);
	assert_int_equal(read_at(fixture, name, found.versions[0], 10, 3, out), 0);
	assert_memory_equal(out, "abc", 3);
	/* Beyond the end, there is nothing. */
	assert_int_equal(read_at(fixture, name, found.versions[0], 10, 4, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	/* While it is moved to kept/. */
	{
		cleanup_free char *from = path_of(fixture, "kept", first);
		cleanup_free char *to = path_of(fixture, "sending", "." NAME("00000001") ".new");

		assert_int_equal(rename(from, to), 0);
		assert_int_equal(read_at(fixture, name, found.versions[0], 0, 3, out), 0);
		assert_int_equal(rename(to, from), 0);
	}
	erase(fixture, "kept", first);
	assert_int_equal(read_at(fixture, name, found.versions[0], 0, 1, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	assert_non_null(
		strstr(fixture->err.message, "was uploaded meanwhile: fetch it from the bucket"));
}

static void test_another_file_is_not_taken_for_it(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	const char *name = "node-1/" NAME("00000001");
	char out[16];

	put(fixture, "ready", first, "whole");
	put(fixture, "capturing", second, "grows");
	list(fixture, &all, &found);
	put(fixture, "ready", first, "whole, and changed");
	assert_int_equal(read_at(fixture, name, found.versions[0], 0, 2, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	/* Repaired: another file of that name. */
	put(fixture, "ready", second, "grows");
	move(fixture, "ready", "capturing", second);
	assert_int_equal(read_at(fixture, "node-1/" NAME("00000002"), found.versions[1], 0, 2, out),
			 -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	assert_int_equal(read_at(fixture, "node-1/../../etc/passwd", "1", 0, 2, out), -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	assert_int_equal(read_at(fixture, "../" NAME("00000009"), "1", 0, 2, out), -1);
}

/* No link, folder or device of such a name is opened, and a pipe is no place to wait in. */
static void test_only_files(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	cleanup_free char *link = path_of(fixture, "ready", first);
	cleanup_free char *folder = path_of(fixture, "ready", second);
	cleanup_free char *pipe = path_of(fixture, "ready", third);

	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	put(fixture, "ready", fourth, "x");
	list(fixture, &all, &found);
	assert_int_equal(found.count, 1);
	assert_string_equal(found.names[0], "node-1/" NAME("00000004"));
}

static unsigned count_open_files(void)
{
	cleanup_closedir DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	return count;
}

static void test_nothing_stays_open_or_changes(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	cleanup_free char *lock = path_of(fixture, ".", "lock");
	unsigned before = count_open_files();
	char name[SEGMENT_NAME_MAX], out[2];

	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof name, "n_20261123T083000.123Z_eth0_%08u.pcap", i);
		put(fixture, i % 2 ? "ready" : "kept", name, "xy");
	}
	list(fixture, &all, &found);
	assert_int_equal(found.count, 100);
	for (size_t i = 0; i < found.count; i++)
		assert_int_equal(read_at(fixture, found.names[i], found.versions[i], 0, 2, out), 0);
	assert_int_equal(count_open_files(), before);
	assert_int_equal(access(lock, F_OK), -1);
}

/* A recorder that moves its files back and forth, all the time. */
struct mover {
	const struct fixture *fixture;
	atomic_bool is_stopping;
	unsigned long moves;
};
#define MOVING 40

static void *run_mover(void *context)
{
	static const char *const way[] = { "capturing", "ready",   "sending",
					   "ready",     "sending", "kept" };
	struct mover *mover = context;
	unsigned place = 0;

	while (!atomic_load(&mover->is_stopping)) {
		unsigned next = (place + 1) % 6;

		for (unsigned i = 0; i < MOVING; i++) {
			cleanup_free char *name =
				mem_printf("n_20261123T083000.123Z_eth0_%08u.pcap", i);

			move(mover->fixture, way[place], way[next], name);
			mover->moves++;
			(void)nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
		}
		/* From kept/ they begin again. */
		place = next;
	}
	return NULL;
}

static void test_moves_during_a_scan(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	struct mover mover = { .fixture = fixture };
	pthread_t thread;
	char out[2];

	for (unsigned i = 0; i < MOVING; i++) {
		cleanup_free char *name = mem_printf("n_20261123T083000.123Z_eth0_%08u.pcap", i);

		put(fixture, "capturing", name, "xy");
	}
	assert_int_equal(pthread_create(&thread, NULL, run_mover, &mover), 0);
	for (unsigned round = 0; round < 300; round++) {
		list(fixture, &all, &found);
		assert_int_equal(found.count, MOVING);
		for (size_t i = 0; i < found.count; i += 7)
			if (read_at(fixture, found.names[i], found.versions[i], 0, 2, out) < 0)
				fail_msg("%s", fixture->err.message);
	}
	atomic_store(&mover.is_stopping, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(mover.moves > 300);
}

static void test_what_is_no_spool(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *directory = mem_strdup(fixture->directory);

	close_spool(fixture);
	(void)snprintf(fixture->directory, sizeof fixture->directory, "%s/ready", directory);
	assert_int_equal(open_spool(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "is not the spool of a recorder"));
	(void)snprintf(fixture->directory, sizeof fixture->directory, "%s/nowhere", directory);
	assert_int_equal(open_spool(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	strcpy(fixture->directory, directory);
}

/* A version that keeps nothing has no such folder. */
static void test_without_the_folder_of_kept_ones(void **state)
{
	static struct found found;
	struct fixture *fixture = *state;
	cleanup_free char *inner = path_of(fixture, "kept", "metadata");
	cleanup_free char *outer = path_of(fixture, ".", "kept");

	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(rmdir(outer), 0);
	put(fixture, "ready", first, "x");
	list(fixture, &all, &found);
	assert_int_equal(found.count, 1);
}

/* As somebody else: the account that may read it is named. Exit status of the child. */
static int try_as_somebody(struct fixture *fixture)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		char expected[64];

		if (setgid(12345) < 0 || setuid(12345) < 0)
			_exit(2);
		(void)snprintf(expected, sizeof expected, "run as uid %ju, which owns the spool",
			       (uintmax_t)0);
		close_spool(fixture);
		_exit(open_spool(fixture) == -1 && fixture->err.kind == ERROR_CONFIG &&
				      strstr(fixture->err.message, expected)
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void test_the_account_is_named(void **state)
{
	struct fixture *fixture = *state;
	int status;

	if (geteuid() != 0)
		skip();
	status = try_as_somebody(fixture);
	if (status == 2)
		skip(); /* root of a namespace that has no such user */
	assert_int_equal(status, 0);
}

static void test_it_is_no_destination(void **state)
{
	struct fixture *fixture = *state;
	char destination[] = "spool:///var/lib/kube-node-tracer";
	const struct sink_context context = { .conf = &fixture->conf };
	struct sink *sink = NULL;

	fixture->conf.upload_destination = destination;
	assert_int_equal(sink_open(&context, &sink, &fixture->err), -1);
	assert_null(sink);
	assert_non_null(strstr(fixture->err.message, "is not a destination"));
	assert_null(strstr(strstr(fixture->err.message, "allowed"), "spool"));
	assert_null(sink_spool.send);
}

#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		SPOOL_TEST(test_all_folders_are_one),
		SPOOL_TEST(test_what_is_asked_for),
		SPOOL_TEST(test_who_is_writing),
		SPOOL_TEST(test_very_many_files),
		SPOOL_TEST(test_read_wherever_it_is_by_now),
		SPOOL_TEST(test_another_file_is_not_taken_for_it),
		SPOOL_TEST(test_only_files),
		SPOOL_TEST(test_nothing_stays_open_or_changes),
		SPOOL_TEST(test_moves_during_a_scan),
		SPOOL_TEST(test_what_is_no_spool),
		SPOOL_TEST(test_without_the_folder_of_kept_ones),
		SPOOL_TEST(test_the_account_is_named),
		SPOOL_TEST(test_it_is_no_destination),
	};

	unit_add(tests, NULL, NULL);
}
