/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the main thread must not wait for (the disk, other threads): errands, done one after the other by
 * a thread of their own. Main adds them and sees when they are done; one that never ends, because a disk
 * hangs, keeps the ones after it waiting, and nobody else.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct errands;

/* wake_fd: an eventfd that is written to whenever the last of the errands is done; -1: nobody is told. */
int errands_start(int wake_fd, struct errands **ret_errands, struct error *err)
	__attribute__((warn_unused_result));
/* Wait until all are done, and end the thread. */
struct errands *errands_stop(struct errands *errands);

/* run(context) is called on the errands' thread, after those that were added before. Never blocks. */
void errands_add(struct errands *errands, void (*run)(void *context), void *context);
/* How many are not done, the one under way included. */
size_t errands_left(struct errands *errands);
