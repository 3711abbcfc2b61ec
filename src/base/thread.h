/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A named thread that is always joined, and how threads wait for each other. The caller blocks signals before
 * starting the first one.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct thread {
	pthread_t id;
	atomic_uint_fast64_t beat_ms;
	bool is_running; /* started and not joined yet; for the thread that starts and joins it */
};

/* Start a thread that calls run(context). Its name is truncated to 15 characters. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context,
		 struct error *err) __attribute__((warn_unused_result));
/* The same, with a stack of so many bytes: for many threads that do little. */
int thread_start_small(struct thread *thread, const char *name, size_t stack_bytes,
		       void (*run)(void *context), void *context, struct error *err)
	__attribute__((warn_unused_result));
/* Wait for the thread to end; does nothing if it was not started. */
void thread_join(struct thread *thread);
/*
 * Between two times that a loop holds a lock: whoever waits for it has it now. A mutex is not fair: without this the loop
 * takes it again before they are awake.
 */
void thread_give_way(void);

/*
 * Record progress of the calling thread; thread_last_beat_ms() returns the monotonic time of the last progress,
 * or of the start. Cheap; does nothing in a thread that thread_start() did not start.
 */
void thread_beat(void);
uint64_t thread_last_beat_ms(const struct thread *thread);

/* Locks a mutex for the rest of the block: cleanup_unlock pthread_mutex_t *lock = thread_lock(&queue->lock); */
#define cleanup_unlock __attribute__((__cleanup__(thread_unlock), __unused__))

static inline pthread_mutex_t *thread_lock(pthread_mutex_t *lock)
{
	(void)pthread_mutex_lock(lock);
	return lock;
}

static inline void thread_unlock(pthread_mutex_t **lock)
{
	(void)pthread_mutex_unlock(*lock);
}

/* Wait until clock_monotonic_ns() reaches deadline_ns; false on timeout. */
bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

/* An eventfd that one thread polls and others write to. Returns it, non-blocking; the caller closes it. */
int wakeup_open(struct error *err) __attribute__((warn_unused_result));
/* Wake the thread that polls; fd may be -1. Any thread; never blocks. */
void wakeup_send(int fd);
/* Consume all wake-ups sent so far. */
void wakeup_clear(int fd);
