/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The record stage of one interface (recorder.c): chunks from the queue, each compressed once and appended to
 * the open segment; a finished segment is published into the spool. One thread each. A disk that is full or
 * broken costs packets, which are counted, and nothing else; a recorder that falls behind compresses less.
 * Beside it, the recovery of what a crash left (recover.c).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/error.h"
#include "base/queue.h"
#include "index/index.h"
#include "packet/packet.h"
#include "segment/codec.h"
#include "spool/spool.h"

struct recorder;

/* What all recorders share; has to outlive them. */
struct recorder_context {
	const char *node;
	struct chunk_pool *pool;
	struct index_pool *index_pool;
	struct spool *spool;
	struct counters *counters;
	int wake_fd; /* an eventfd, written to when recorder_is_finished(); -1: none */
};

struct recorder *recorder_new(const struct recorder_context *context, const char *interface);
/* Closes the queue, and waits until everything in it is on disk. */
struct recorder *recorder_free(struct recorder *recorder);

/* The queue that the capture of this interface fills and closes. */
struct queue *recorder_queue(struct recorder *recorder);
/* From the next segment on. */
void recorder_set_codec(struct recorder *recorder, const struct codec *codec, int level);

int recorder_start(struct recorder *recorder, struct error *err)
	__attribute__((warn_unused_result));
/* The queue is closed and everything in it is on disk: recorder_free() will not wait. */
bool recorder_is_finished(const struct recorder *recorder);
/* Monotonic time of its last progress: how the watchdog sees it. */
uint64_t recorder_last_beat_ms(const struct recorder *recorder);

/* A published file that lacks packets between others is attached the times of these, FROM/TO[,FROM/TO...]. */
#define RECOVER_GAPS_KEY "gaps"

/*
 * Recovery of all files in capturing/ that nobody writes and that are due: what a crash left, or a disk that did
 * not take it. All members of each that are whole are published. One that cannot be read stays, and is tried
 * again with growing pauses; one that is damaged is kept in rejected/, beside what was published of it. Each gets an
 * index again, unless index_pool is NULL. Reads no more than the member that it is at, or a block, once is_stopping;
 * the file stays for the next start. Any thread; blocks on the disk.
 */
void recover_unfinished(struct spool *spool, struct counters *counters,
			struct index_pool *index_pool, const atomic_bool *is_stopping);
