/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which segments ended of late: for those who ended them. They may be uploaded, and so in no list, before anybody asks.
 * Any thread; never waits for the disk.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"

/* Those of a moment: there are at most 128 interfaces. The oldest are forgotten first. */
#define ENDED_MAX 512

struct ended {
	pthread_mutex_t lock; /* of the spool's the innermost */
	size_t next;
	struct {
		char *name; /* NULL: none yet */
		uint64_t start_ns, ended_ns;
	} list[ENDED_MAX];
};

void ended_init(struct ended *ended);
void ended_done(struct ended *ended);

/* This segment, which began at start_ns, has ended now. */
void ended_add(struct ended *ended, const char *name, uint64_t start_ns);
/* Visit those that began before this real time and ended after it, in the order in which they ended; locks meanwhile. */
void ended_each(struct ended *ended, uint64_t real_ns,
		void (*visit)(void *context, const char *name), void *context);

struct spool;
/* Its segments. */
struct ended *spool_ended(struct spool *spool);
