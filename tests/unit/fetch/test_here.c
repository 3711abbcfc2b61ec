/* SPDX-License-Identifier: Apache-2.0 */
/* What a search beside a recorder may use. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "fetch/cgroup.h"
#include "fetch/here.h"

#define MIB (UINT64_C(1) << 20)

/* A machine's /proc/self and its hierarchies, in a folder. */
struct fixture {
	char root[32];
	char *proc;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	strcpy(fixture->root, "/tmp/test_here.XXXXXX");
	if (!mkdtemp(fixture->root))
		return -1;
	fixture->proc = mem_printf("%s/proc", fixture->root);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("rm -rf '%s'", fixture->root);

	free(fixture->proc);
	free(fixture);
	return system(command);
}

static void put(const struct fixture *fixture, const char *path, const char *content)
{
	cleanup_free char *whole = mem_printf("%s%s", fixture->root, path);
	cleanup_free char *folder = mem_strdup(whole);
	cleanup_fclose FILE *file = NULL;
	struct error err;

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_make_folders(folder, 0700, &err), 0);
	file = fopen(whole, "we");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
}

static struct cgroup read_it(const struct fixture *fixture)
{
	struct cgroup cgroup;

	cgroup_read(fixture->proc, fixture->root, &cgroup);
	return cgroup;
}

static void assert_cpus(double cpus, double expected)
{
	assert_true(cpus > expected - 1e-9 && cpus < expected + 1e-9);
}

#define MOUNT_2 \
	"24 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"

static void test_nothing_is_known(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup cgroup = read_it(fixture);

	assert_true(cgroup.memory_room == UINT64_MAX);
	assert_cpus(cgroup.cpus, 0);
	put(fixture, "/proc/cgroup", "0::/\n");
	put(fixture, "/proc/mountinfo", "22 1 0:4 / /proc rw - proc proc rw\n");
	assert_true(read_it(fixture).memory_room == UINT64_MAX);
	put(fixture, "/proc/mountinfo", MOUNT_2); /* the root group has no such files */
	cgroup = read_it(fixture);
	assert_true(cgroup.memory_room == UINT64_MAX);
	assert_cpus(cgroup.cpus, 0);
}

static void test_version_2(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "/proc/cgroup", "0::/system.slice/knt.service\n");
	put(fixture, "/proc/mountinfo", "22 1 0:4 / /proc rw - proc proc rw\n" MOUNT_2);
	put(fixture, "/sys/fs/cgroup/system.slice/knt.service/memory.max", "134217728\n");
	put(fixture, "/sys/fs/cgroup/system.slice/knt.service/memory.current", "33554432\n");
	put(fixture, "/sys/fs/cgroup/system.slice/knt.service/cpu.max", "50000 100000\n");
	assert_int_equal(read_it(fixture).memory_room, 96 * MIB);
	assert_cpus(read_it(fixture).cpus, 0.5);
	/* A group above it has less left. */
	put(fixture, "/sys/fs/cgroup/system.slice/memory.max", "134217728\n");
	put(fixture, "/sys/fs/cgroup/system.slice/memory.current", "130023424\n");
	put(fixture, "/sys/fs/cgroup/system.slice/cpu.max", "20000 100000\n");
	assert_int_equal(read_it(fixture).memory_room, 4 * MIB);
	assert_cpus(read_it(fixture).cpus, 0.2);
	put(fixture, "/sys/fs/cgroup/system.slice/memory.max", "max\n");
	put(fixture, "/sys/fs/cgroup/system.slice/cpu.max", "80000 100000\n");
	assert_cpus(read_it(fixture).cpus, 0.5);
	put(fixture, "/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
	assert_int_equal(read_it(fixture).memory_room, 96 * MIB);
	assert_cpus(read_it(fixture).cpus, 0.5);
	/* More is taken than there may be. */
	put(fixture, "/sys/fs/cgroup/system.slice/knt.service/memory.current", "140000000\n");
	assert_int_equal(read_it(fixture).memory_room, 0);
}

/* A recorder's files fill the cache, which is no shortage. */
static void test_unused_cache_is_room(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "/proc/cgroup", "0::/\n");
	put(fixture, "/proc/mountinfo", MOUNT_2);
	put(fixture, "/sys/fs/cgroup/memory.max", "134217728\n");
	put(fixture, "/sys/fs/cgroup/memory.current", "134213632\n");
	put(fixture, "/sys/fs/cgroup/memory.stat",
	    "anon 20971520\nfile 113242112\nactive_file 8388608\ninactive_file 104853504\n"
	    "inactive_file_x 9\n");
	assert_int_equal(read_it(fixture).memory_room, 100 * MIB);
}

/* In a container: the root of its own namespace, and mounted as such. */
static void test_container_of_version_2(void **state)
{
	static const char *const groups[] = { "0::/\n", "0::/../../outside\n" };
	static const char *const mounts[] = {
		MOUNT_2,
		"24 1 0:22 /../../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
	};
	struct fixture *fixture = *state;

	put(fixture, "/sys/fs/cgroup/memory.max", "134217728\n");
	put(fixture, "/sys/fs/cgroup/memory.current", "67108864\n");
	put(fixture, "/sys/fs/cgroup/cpu.max", "30000 100000\n");
	for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
		for (size_t k = 0; k < ARRAY_LENGTH(mounts); k++) {
			put(fixture, "/proc/cgroup", groups[i]);
			put(fixture, "/proc/mountinfo", mounts[k]);
			assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
			assert_cpus(read_it(fixture).cpus, 0.3);
		}
	/* What is outside is not to be looked at. */
	put(fixture, "/proc/cgroup", groups[1]);
	put(fixture, "/proc/mountinfo", MOUNT_2);
	put(fixture, "/sys/outside/memory.max", "10\n");
	put(fixture, "/sys/outside/memory.current", "1\n");
	assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
	/* Without a namespace: only its own group is mounted, and the path is of the machine. */
	put(fixture, "/proc/cgroup", "0::/kubepods/pod1/abc\n");
	put(fixture, "/proc/mountinfo",
	    "24 1 0:22 /kubepods/pod1/abc /sys/fs/cgroup ro shared:1 - cgroup2 cgroup rw\n");
	assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
	/* A group whose name begins with that of another one is not in it. */
	put(fixture, "/proc/cgroup", "0::/kubepods/pod1/abcd\n");
	assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
}

#define MOUNTS_1                                                                     \
	"40 1 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
	"41 1 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"               \
	"42 1 0:32 / /sys/fs/cgroup/mem\\040ory rw master:3 - cgroup cgroup rw,memory\n"

static void test_version_1(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "/proc/cgroup",
	    "9:memory:/a/b\n8:cpuset:/x\n3:cpu,cpuacct:/a\n1:name=systemd:/\n0::/\n");
	put(fixture, "/proc/mountinfo", MOUNTS_1);
	put(fixture, "/sys/fs/cgroup/mem ory/memory.limit_in_bytes", "9223372036854771712\n");
	put(fixture, "/sys/fs/cgroup/mem ory/memory.usage_in_bytes", "1000\n");
	assert_true(read_it(fixture).memory_room == UINT64_MAX);
	put(fixture, "/sys/fs/cgroup/mem ory/a/b/memory.limit_in_bytes", "134217728\n");
	put(fixture, "/sys/fs/cgroup/mem ory/a/b/memory.usage_in_bytes", "134217728\n");
	put(fixture, "/sys/fs/cgroup/mem ory/a/b/memory.stat",
	    "inactive_file 1\ntotal_inactive_file 67108864\n");
	put(fixture, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
	put(fixture, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
	put(fixture, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
	put(fixture, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
	assert_cpus(read_it(fixture).cpus, 1.5);
	/* A container: its own group is mounted. */
	put(fixture, "/proc/mountinfo",
	    "42 1 0:32 /a/b /sys/fs/cgroup/mem\\040ory/a/b rw - cgroup cgroup rw,memory\n");
	assert_int_equal(read_it(fixture).memory_room, 64 * MIB);
	assert_cpus(read_it(fixture).cpus, 0);
}

/* What the kernel would never write does no harm. */
static void test_damaged_files(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		":",
		"0:",
		"0::",
		"0::/\n0::/",
		"a b c",
		"1 2 3",
		"a - b",
		" - ",
		"-",
		"24 1 0:22 / /x - cgroup2",
		"- cgroup2 a rw",
		"24 1 - cgroup2 a rw",
		"24 1 0:22 / \\0 x - cgroup2 a rw",
		"9:memory:/../..",
		"24 1 0:22 /very/long / x - cgroup a memory,cpu",
	};
	struct fixture *fixture = *state;
	char many[5000];

	memset(many, '/', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		for (size_t k = 0; k < ARRAY_LENGTH(texts); k++) {
			put(fixture, "/proc/cgroup", texts[i]);
			put(fixture, "/proc/mountinfo", texts[k]);
			assert_true(read_it(fixture).memory_room == UINT64_MAX);
		}
	{
		cleanup_free char *long_path = mem_printf("0::%s\n", many);

		put(fixture, "/proc/cgroup", long_path);
		put(fixture, "/proc/mountinfo", MOUNT_2);
		assert_true(read_it(fixture).memory_room == UINT64_MAX);
	}
	put(fixture, "/proc/cgroup", "0::/\n");
	put(fixture, "/sys/fs/cgroup/memory.max", "many\n");
	put(fixture, "/sys/fs/cgroup/memory.current", "1\n");
	put(fixture, "/sys/fs/cgroup/cpu.max", "1 0\n");
	assert_true(read_it(fixture).memory_room == UINT64_MAX);
	assert_cpus(read_it(fixture).cpus, 0);
}

static void test_how_much_memory(void **state)
{
	struct error err;
	uint64_t bytes = 1;

	(void)state;
	assert_int_equal(here_choose_memory(0, UINT64_MAX, &bytes, &err), 0);
	assert_int_equal(bytes, 32 * MIB);
	assert_int_equal(here_choose_memory(0, 96 * MIB, &bytes, &err), 0);
	assert_int_equal(bytes, 24 * MIB);
	assert_int_equal(here_choose_memory(0, 32 * MIB, &bytes, &err), 0);
	assert_int_equal(bytes, 8 * MIB);
	bytes = 1;
	assert_int_equal(here_choose_memory(0, 32 * MIB - 4, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_int_equal(bytes, 1);
	assert_int_equal(here_choose_memory(64 * MIB, 96 * MIB, &bytes, &err), 0);
	assert_int_equal(bytes, 64 * MIB);
	assert_int_equal(here_choose_memory(97 * MIB, 96 * MIB, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_int_equal(here_choose_memory(8 * MIB - 1, UINT64_MAX, &bytes, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(here_choose_memory(1024 * MIB, UINT64_MAX, &bytes, &err), 0);
	assert_int_equal(bytes, 1024 * MIB);
}

static void test_how_long_to_wait(void **state)
{
	(void)state;
	assert_int_equal(here_wait_ns(0, 1000, 1), 0);
	assert_int_equal(here_wait_ns(0.1, 100, 100), 900);
	assert_int_equal(here_wait_ns(0.1, 100, 1000), 0);
	assert_int_equal(here_wait_ns(0.1, 100, 5000), 0);
	assert_int_equal(here_wait_ns(2, 100, 10), 40);
	assert_int_equal(here_wait_ns(0.1, 0, 0), 0);
}

static void burn(uint64_t ns)
{
	uint64_t end_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) + ns;

	while (clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) < end_ns)
		;
}

static void test_pauses_keep_the_share(void **state)
{
	atomic_bool cancel = false;
	struct here here = { .cpus = 0.25, .cancel = &cancel };
	uint64_t since_ns, used_ns;

	(void)state;
	here_pause(&here); /* which begins now, whatever was before */
	since_ns = clock_monotonic_ns();
	used_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < 5; i++) {
		burn(10 * CLOCK_NS_PER_MS);
		here_pause(&here);
	}
	used_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - used_ns;
	since_ns = clock_monotonic_ns() - since_ns;
	assert_true((double)used_ns <= 0.27 * (double)since_ns);
	/* A time in which nothing was done is no credit. */
	(void)nanosleep(&(struct timespec){ .tv_nsec = 200 * (long)CLOCK_NS_PER_MS }, NULL);
	here_pause(&here);
	since_ns = clock_monotonic_ns();
	burn(20 * CLOCK_NS_PER_MS);
	here_pause(&here);
	assert_true(clock_monotonic_ns() - since_ns >= 75 * CLOCK_NS_PER_MS);
	/* Ctrl-C ends the waiting. */
	atomic_store(&cancel, true);
	here.cpus = 0.0001;
	since_ns = clock_monotonic_ns();
	burn(10 * CLOCK_NS_PER_MS);
	here_pause(&here);
	assert_true(clock_monotonic_ns() - since_ns < 5 * CLOCK_NS_PER_S);
	/* Without a quota there is nothing to wait for. */
	atomic_store(&cancel, false);
	here.cpus = 0;
	here_pause(&here);
}

static void *do_nothing(void *context)
{
	return context;
}

/* In a process of its own, as what it does cannot be undone: 0, or the line that failed. */
static int try_to_begin(void)
{
	atomic_bool cancel = false;
	struct here here;
	uint64_t bytes = 16 * MIB;
	struct error err;
	cleanup_free char *text = NULL;
	size_t length;
	pthread_t thread;
	void *block;

#define TRY(condition)                         \
	do {                                   \
		if (!(condition))              \
			return __LINE__ % 256; \
	} while (0)
	TRY(here_begin(&here, &bytes, &cancel, &err) == 0);
	TRY(bytes == 16 * MIB);
	TRY(sched_getscheduler(0) == SCHED_IDLE);
	TRY(syscall(SYS_ioprio_get, 1, 0) >> 13 == 3);
	TRY(file_read_text(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, &length, &err) == 0);
	TRY(strcmp(text, "1000\n") == 0);
	/* What it may use, it gets; with more we fail. */
	block = malloc(bytes);
	TRY(block);
	TRY(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
	TRY(pthread_join(thread, NULL) == 0);
	TRY(!malloc(bytes + 64 * MIB));
	free(block);
	return 0;
}

static uint64_t address_bytes(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_it_begins(void **state)
{
	pid_t child;
	int status;

	(void)state;
	if (address_bytes() > UINT64_C(1) << 40)
		return; /* a sanitizer has taken terabytes of them: there is no such limit then */
	child = fork();
	if (child == 0)
		_exit(try_to_begin());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define GROUP_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		GROUP_TEST(test_nothing_is_known),
		GROUP_TEST(test_version_2),
		GROUP_TEST(test_unused_cache_is_room),
		GROUP_TEST(test_container_of_version_2),
		GROUP_TEST(test_version_1),
		GROUP_TEST(test_damaged_files),
		cmocka_unit_test(test_how_much_memory),
		cmocka_unit_test(test_how_long_to_wait),
		cmocka_unit_test(test_pauses_keep_the_share),
		cmocka_unit_test(test_it_begins),
	};

	unit_add(tests, NULL, NULL);
}
