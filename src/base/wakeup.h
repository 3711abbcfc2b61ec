/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Interrupts the poll() of another thread, through an eventfd that one thread polls and others write to. */

#include "base/error.h"

/* Returns the fd, non-blocking; the caller closes it. */
int wakeup_open(struct error *err) __attribute__((warn_unused_result));
/* Wake the waiting thread; fd may be -1. Any thread; never blocks. */
void wakeup_send(int fd);
/* Consume all wake-ups sent so far. */
void wakeup_clear(int fd);
