/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/here.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "fetch/cgroup.h"

#define ROOM_PART   4                    /* of the memory that the group has left */
#define CPU_PART    0.2                  /* of its quota */
#define SPARE_BYTES (UINT64_C(32) << 20) /* of addresses: stacks, libraries that are loaded late */
#define SLICE_NS    (50 * CLOCK_NS_PER_MS)

/* ioprio_set(2), which has no header. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE        (3 << 13)

int here_choose_memory(uint64_t asked, uint64_t room, uint64_t *ret_bytes, struct error *err)
{
	char size[TEXT_SIZE_MAX], least[TEXT_SIZE_MAX];
	uint64_t most = asked > 0 ? room : room / ROOM_PART;
	uint64_t bytes = asked > 0 ? asked : HERE_MEMORY_DEFAULT;

	text_format_size(HERE_MEMORY_MIN, least);
	if (asked > 0 && asked < HERE_MEMORY_MIN)
		return error_set(err, ERROR_USAGE, "--memory must be at least %s with --here",
				 least);
	text_format_size(room, size);
	if (asked > 0 && bytes > most)
		return error_set(
			err, ERROR_TRANSIENT,
			"the container or service has %s of memory left, less than --memory: "
			"the recorder in it would be killed; search the bucket instead",
			size);
	bytes = bytes < most ? bytes : most;
	if (bytes < HERE_MEMORY_MIN)
		return error_set(
			err, ERROR_TRANSIENT,
			"the container or service has %s of memory left, of which a search takes "
			"a quarter, and needs %s: raise its limit, or search the bucket instead",
			size, least);
	*ret_bytes = bytes;
	return 0;
}

/* The size of the process's address space, as RLIMIT_AS counts it; 0: not known. */
static uint64_t address_bytes(void)
{
	cleanup_free char *text = NULL;
	uint64_t pages;
	struct error err;
	size_t length;

	if (file_read_text(AT_FDCWD, "/proc/self/statm", 4096, &text, &length, &err) < 0)
		return 0;
	text[strcspn(text, " ")] = '\0';
	return text_parse_number(text, &pages) < 0 ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* That we fail, and not the group. */
static int limit_memory(uint64_t bytes, struct error *err)
{
	uint64_t now = address_bytes(), most = now + bytes + SPARE_BYTES;
	struct rlimit limit;

	if (now == 0 || getrlimit(RLIMIT_AS, &limit) < 0)
		return error_errno(err, "limit the memory of the search");
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < most)
		return 0;
	limit.rlim_cur = limit.rlim_max = most;
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return error_errno(err, "limit the memory of the search");
	return 0;
}

/* If memory is short all the same, the kernel takes us first. */
static void offer_to_be_killed(void)
{
	cleanup_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	struct error err;

	if (fd < 0 || file_write_all(fd, "1000", strlen("1000"), &err) < 0)
		log_debug("cannot offer to be killed first when memory is short");
}

static void lower_priority(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &none) < 0 && setpriority(PRIO_PROCESS, 0, 19) < 0)
		log_debug("cannot lower the priority of the search");
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE) < 0)
		log_debug("cannot lower the priority of the search on the disk");
}

static void count_from_now(struct here *here)
{
	here->since_ns = clock_monotonic_ns();
	here->used_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int here_begin(struct here *here, uint64_t *memory_bytes, const atomic_bool *cancel,
	       struct error *err)
{
	struct cgroup cgroup;
	uint64_t bytes;

	cgroup_read("/proc/self", "", &cgroup);
	if (here_choose_memory(*memory_bytes, cgroup.memory_room, &bytes, err) < 0 ||
	    limit_memory(bytes, err) < 0)
		return -1;
	offer_to_be_killed();
	lower_priority();
	*here = (struct here){ .cpus = CPU_PART * cgroup.cpus, .cancel = cancel };
	count_from_now(here);
	*memory_bytes = bytes;
	return 0;
}

uint64_t here_wait_ns(double cpus, uint64_t used_ns, uint64_t elapsed_ns)
{
	double needed_ns = cpus > 0 ? (double)used_ns / cpus : 0;

	return needed_ns > (double)elapsed_ns ? (uint64_t)(needed_ns - (double)elapsed_ns) : 0;
}

void here_pause(struct here *here)
{
	uint64_t now_ns = clock_monotonic_ns(), end_ns;

	if (here->cpus <= 0)
		return;
	end_ns = now_ns + here_wait_ns(here->cpus,
				       clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - here->used_ns,
				       now_ns - here->since_ns);
	for (; now_ns < end_ns && !atomic_load(here->cancel); now_ns = clock_monotonic_ns()) {
		uint64_t rest_ns = end_ns - now_ns;

		(void)nanosleep(
			&(struct timespec){
				.tv_nsec = (long)(rest_ns < SLICE_NS ? rest_ns : SLICE_NS) },
			NULL);
	}
	/* What was not used is not saved up: all of it at once would throttle the recorder. */
	count_from_now(here);
}
