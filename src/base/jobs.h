/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the main thread must not wait for (the disk, other threads): jobs, done one after the other by a thread of
 * their own. Main adds them and sees when they are done; a job that never ends, because a disk hangs, holds up
 * those behind it and nobody else.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct jobs;

/* name: of the thread. wake_fd: gets a wakeup_send() whenever the last of the jobs is done; -1: nobody does. */
int jobs_start(const char *name, int wake_fd, struct jobs **ret_jobs, struct error *err)
	__attribute__((warn_unused_result));
/* Wait until all are done, and end the thread. */
struct jobs *jobs_stop(struct jobs *jobs);

/* run(context) is called on the jobs' thread, after those that were added before. Never blocks. */
void jobs_add(struct jobs *jobs, void (*run)(void *context), void *context);
/* How many are not done, the one under way included. */
size_t jobs_left(struct jobs *jobs);
