/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packet loop of one interface: copies packets from the kernel's ring into chunks, queues the chunks for
 * the recorder, and decides where a segment ends. Each capture has its own thread, which never allocates,
 * locks, logs or does I/O per packet, and waits only for the ring and for a free chunk. Packets that the
 * kernel had no room for are counted. When its interface is gone, it records what is left in the ring and
 * ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/queue.h"
#include "capture/filter.h"
#include "conf/conf.h"
#include "packet/packet.h"

struct capture;

/* Shared by all captures; must outlive them. */
struct capture_context {
	struct chunk_pool *pool;
	struct connections *connections;
	struct counters *counters;
	int wake_fd; /* an eventfd, written when a capture's state changes; -1: none */
};

/* A capture of the interface with this name and index (0: any index). Keeps references to conf and filter. */
int capture_new(const struct capture_context *context, const struct conf *conf,
		struct filter *filter, const char *interface, unsigned index,
		struct capture **ret_capture, struct error *err)
	__attribute__((warn_unused_result));
/* Waits for the thread, which was told to stop or has ended. */
struct capture *capture_free(struct capture *capture);
/*
 * Start the thread, which opens the interface, pushes chunks to the queue, and closes the
 * queue when it ends. With CAPTURE_FROM_START it records everything in the ring and all that follows; with
 * CAPTURE_FROM_LATER it discards packets until capture_begin() sets the time from which to record.
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
	CAPTURE_REFUSED, /* could not be opened */
	CAPTURE_ENDED,
};
struct capture_status {
	enum capture_state state;
	uint64_t opened_ms;          /* monotonic: when the interface was opened */
	uint64_t beat_ms;            /* monotonic: the thread's last loop iteration */
	const struct error *failure; /* why it could not be opened; borrowed from the capture */
};
struct capture_status capture_status(const struct capture *capture);

/*
 * Record packets from this real time on. To hand over between two captures of an interface, run both, with
 * the new one discarding, choose capture_next_instant(), and give it to the old one first (capture_stop()), so
 * that at no time both record.
 */
void capture_begin(struct capture *capture, uint64_t from_ns);
/*
 * Before that, both sides have to agree on when they had read all that there was (real time), so that they take the
 * same packets for ones that come after the clock was set back: the earliest of their own.
 */
uint64_t capture_emptied_ns(const struct capture *capture);
void capture_agree(struct capture *capture, uint64_t emptied_ns);
/*
 * The instant of a hand-over decided now: late enough that by then the kernel gives both captures the same
 * timestamps, and a whole microsecond, so that timestamps truncated to microseconds compare with it as the
 * full ones do. Pure.
 */
uint64_t capture_next_instant(uint64_t now_ns);

/* Change the limits (segment.*, capture.flush_interval); they apply to the current segment, too. */
void capture_set_limits(struct capture *capture, const struct conf *conf);
/*
 * Pause or resume reading. While paused, packets stay in the kernel's ring; what the kernel drops when the
 * ring is full counts as budget.
 */
void capture_pause(struct capture *capture, bool is_paused);
/* End the current segment now; the next packet begins another. reason must be a constant. */
void capture_end_segment(struct capture *capture, const char *reason);

/*
 * Record what was received before until_ns (real time), end the segment for this reason, and end the
 * thread. Asynchronous; capture_free() waits for it: about 0.4 s beyond until_ns, longer if the ring is full.
 */
void capture_stop(struct capture *capture, const char *reason, uint64_t until_ns);

/*
 * The interface went down or came up. The ring is kept, so nothing is lost; the segment ends when the
 * interface goes down.
 */
void capture_note_link(struct capture *capture, bool is_up);
