/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Background jobs: work that would make the main thread wait for the disk or for other threads. They run one
 * after the other in a thread of their own. The main thread adds them and learns when they are done. A job that
 * never ends, because a disk hangs, blocks only the jobs after it.
 */

#include <stddef.h>

#include "base/error.h"

struct jobs;

/* name: of the thread. wake_fd: gets a wakeup_send() whenever the last job is done; -1: none. */
int jobs_start(const char *name, int wake_fd, struct jobs **ret_jobs, struct error *err)
	__attribute__((warn_unused_result));
/* Wait until all jobs are done, and end the thread. */
struct jobs *jobs_stop(struct jobs *jobs);

/* Call run(context) in the jobs' thread, after all jobs added before. Never blocks. */
void jobs_add(struct jobs *jobs, void (*run)(void *context), void *context);
/* Number of jobs not done, including the one running. */
size_t jobs_left(struct jobs *jobs);
