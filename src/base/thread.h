/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A named thread that is always joined. Signals are blocked by the caller before the first one starts. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct thread {
	pthread_t id;
	atomic_uint_fast64_t beat_ms;
	bool is_running; /* started and not joined yet: for the thread that starts and joins it */
};

/* name is cut to 15 characters. run(context) is called in the new thread. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context,
		 struct error *err) __attribute__((warn_unused_result));
/* Wait for its end; nothing to do if it was not started. */
void thread_join(struct thread *thread);

/*
 * The calling thread makes progress: thread_last_beat_ms() tells whoever watches it when it last did (monotonic;
 * its start counts). Cheap; nothing where thread_start() did not make the thread.
 */
void thread_beat(void);
uint64_t thread_last_beat_ms(const struct thread *thread);

/* A condition variable whose timed waits use the monotonic clock. */
void thread_cond_init(pthread_cond_t *cond);
/* Wait on it until clock_monotonic_ns() reaches deadline_ns; false when that time has come. */
bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);
