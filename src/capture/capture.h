/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packet loop of one interface: packets from the kernel's ring into chunks, chunks into the recorder's
 * queue, and the decision where a segment ends. One thread each; it never allocates, locks, logs or does
 * I/O per packet, and waits for nothing but the ring and a free chunk. What the kernel could not hold is
 * counted. When its interface is gone it records what is left in the ring, and ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/queue.h"
#include "conf/conf.h"
#include "packet/chunk.h"
#include "packet/format.h"

struct capture;

/* What all captures share; has to outlive them. */
struct capture_context {
	struct chunk_pool *pool;
	struct connections *connections;
	struct counters *counters;
	int wake_fd; /* an eventfd, written to when capture_state() has changed; -1: nobody is told */
};

/* A capture of the interface of this name; index: the one that it has to be, 0: any. Refers to conf. */
int capture_new(const struct capture_context *context, const struct conf *conf,
		const char *interface, unsigned index, struct capture **ret_capture,
		struct error *err) __attribute__((warn_unused_result));
struct capture *capture_free(struct capture *capture);
/*
 * Open the interface and install the filter: from now on the kernel fills the ring. Takes some 10 ms. Bad
 * options: ERROR_CONFIG or ERROR_USAGE; an interface that is down or gone: ERROR_FATAL.
 */
int capture_open(struct capture *capture, struct error *err) __attribute__((warn_unused_result));

/*
 * Start the thread, which opens the interface if it is not, puts chunks into the queue, and closes it when
 * it ends. With CAPTURE_FROM_START it records what is in the ring and all that follows; with
 * CAPTURE_FROM_LATER it empties the ring and records nothing until capture_begin() tells from when on.
 */
enum capture_from {
	CAPTURE_FROM_START,
	CAPTURE_FROM_LATER
};
int capture_start(struct capture *capture, struct queue *queue, enum capture_from from,
		  struct error *err) __attribute__((warn_unused_result));

enum capture_state {
	CAPTURE_OPENING,
	CAPTURE_OPEN,
	CAPTURE_REFUSED, /* it could not be opened: capture_failure() */
	CAPTURE_ENDED,
};
enum capture_state capture_state(const struct capture *capture);
/* Why it was refused. */
const struct error *capture_failure(const struct capture *capture);
/* Monotonic time at which the thread opened its interface. */
uint64_t capture_opened_ms(const struct capture *capture);

/*
 * Record packets from this real time on. For a hand-over between two captures of an interface, both run, the
 * new one discarding, when capture_next_instant() is chosen; the old one learns it first (capture_stop()), so
 * that there is no time at which both record.
 */
void capture_begin(struct capture *capture, uint64_t from_ns);
/*
 * The instant for a hand-over that is decided now. It is so far ahead that the kernel has both captures read
 * the same time stamps by then, and a whole microsecond, at which those that are cut to microseconds come
 * before or after as the whole ones do. Pure.
 */
uint64_t capture_next_instant(uint64_t now_ns);

/* Other limits (segment.*, capture.flush_interval), for the current segment too. */
void capture_set_limits(struct capture *capture, const struct conf *conf);
/*
 * Leave packets in the kernel's ring, and when that is full to the kernel, whose drops count as budget then;
 * or read on.
 */
void capture_pause(struct capture *capture, bool is_paused);
/* End the current segment now; the next begins with the next packet. reason is a constant. */
void capture_end_segment(struct capture *capture, const char *reason);

/*
 * Stop: record what was received before until_ns (real time), end the segment for this reason, end the
 * thread. Asynchronous; capture_join() waits: about 0.4 s beyond until_ns, longer if the ring is full,
 * at most 10 s; what is left in it then is counted as dropped.
 */
void capture_stop(struct capture *capture, const char *reason, uint64_t until_ns);
void capture_join(struct capture *capture);

/*
 * Its interface went down or is up again, which the ring outlives: nothing is lost. The segment ends when
 * it goes down.
 */
void capture_note_link(struct capture *capture, bool is_up);

/* Monotonic time at which the thread last went round its loop: how the watchdog sees progress. */
uint64_t capture_last_beat_ms(const struct capture *capture);

/* Could the interface be captured with these options? Opens it and closes it again. */
int capture_check(const struct conf *conf, const char *interface, struct error *err)
	__attribute__((warn_unused_result));
/* The same without an interface: are we allowed to, and is the filter one for any kind of link? */
int capture_check_none(const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
