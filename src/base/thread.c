/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

/* The calling thread. */
static _Thread_local struct thread *own;

struct start {
	struct thread *thread;
	void (*run)(void *context);
	void *context;
};

static void *run_thread(void *argument)
{
	struct start start = *(struct start *)argument;

	free(argument);
	own = start.thread;
	start.run(start.context);
	return NULL;
}

static int start_thread(struct thread *thread, const char *name, const pthread_attr_t *attributes,
			void (*run)(void *context), void *context, struct error *err)
{
	struct start *start = mem_alloc(sizeof *start);
	char short_name[16];

	*start = (struct start){ thread, run, context };
	atomic_store(&thread->beat_ms, clock_monotonic_ms());
	errno = pthread_create(&thread->id, attributes, run_thread, start);
	if (errno) {
		free(start);
		return error_errno(err, "start thread %s", name);
	}
	thread->is_running = true;
	(void)snprintf(short_name, sizeof short_name, "%s", name);
	(void)pthread_setname_np(thread->id, short_name);
	return 0;
}

int thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context,
		 struct error *err)
{
	return start_thread(thread, name, NULL, run, context, err);
}

int thread_start_small(struct thread *thread, const char *name, size_t stack_bytes,
		       void (*run)(void *context), void *context, struct error *err)
{
	pthread_attr_t attributes;
	int result;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, stack_bytes);
	result = start_thread(thread, name, &attributes, run, context, err);
	(void)pthread_attr_destroy(&attributes);
	return result;
}

void thread_give_way(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)CLOCK_NS_PER_MS }, NULL);
}

void thread_join(struct thread *thread)
{
	if (!thread->is_running)
		return;
	(void)pthread_join(thread->id, NULL);
	thread->is_running = false;
}

void thread_beat(void)
{
	if (own)
		atomic_store_explicit(&own->beat_ms, clock_monotonic_ms(), memory_order_relaxed);
}

uint64_t thread_last_beat_ms(const struct thread *thread)
{
	return atomic_load_explicit(&thread->beat_ms, memory_order_relaxed);
}

bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % CLOCK_NS_PER_S),
	};

	return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &deadline) != ETIMEDOUT;
}

int wakeup_open(struct error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? error_errno(err, "eventfd") : fd;
}

void wakeup_send(int fd)
{
	if (fd >= 0)
		(void)eventfd_write(fd, 1);
}

void wakeup_clear(int fd)
{
	eventfd_t ignored;

	(void)eventfd_read(fd, &ignored);
}
