/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How a thread interrupts another one's poll(): an eventfd that one waits for and the others write to. */

#include "base/error.h"

/* Returns the fd, non-blocking; the caller closes it. */
int wakeup_open(struct error *err) __attribute__((warn_unused_result));
/* Any thread; never blocks. -1: nobody waits. */
void wakeup_send(int fd);
/* What was sent until now is seen. */
void wakeup_clear(int fd);
