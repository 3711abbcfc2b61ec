/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One capture, as used by the main thread (capture.c) and by its own thread (capture_loop.c). */

#include <stdatomic.h>

#include "base/thread.h"
#include "capture/capture.h"
#include "capture/handover.h"
#include "capture/pcap_device.h"
#include "capture/own_traffic.h"
#include "capture/rotate.h"
#include "index/collector.h"

typedef _Atomic(const char *) capture_reason;

struct capture {
	struct capture_context context;
	const struct conf *conf;
	struct filter *filter;
	unsigned index; /* required index of the interface; 0: any */
	char interface[64];
	struct interface_counters *counts;
	struct thread thread;
	struct queue *queue;
	int wake_fd;

	/* Written by the main thread, read by the capture thread. */
	capture_reason end_reason; /* end the segment; NULL: no request */
	capture_reason stop_reason;
	atomic_uint_fast64_t from_ns, until_ns; /* of the packets to record; real time */
	atomic_uint_fast64_t from_set_ms;       /* monotonic: when from_ns was set */
	atomic_uint_fast64_t agreed_ns; /* in place of emptied_ns, for both sides; 0: none */
	atomic_uint_fast64_t limit_bytes, limit_interval_ns, flush_interval_ms;
	atomic_bool is_paused;       /* the spool is full: leave packets to the kernel */
	atomic_bool is_empty_wanted; /* create a file for an interval without packets, too */
	atomic_bool is_index_wanted;

	/* Written by the capture thread, read by the main thread. */
	atomic_int state;     /* enum capture_state */
	struct error failure; /* set before the state */
	atomic_uint_fast64_t opened_ms;
	atomic_uint_fast64_t emptied_ns; /* real time before the ring was last read to its end */

	/* Used by the capture thread only. */
	struct device device;
	struct chunk_source source;
	struct own_traffic own;
	bool is_collecting;         /* the keys of the chunk being filled */
	struct collector collector; /* of them */
	struct rotate rotate;
	uint64_t since_ns; /* real time: captured without a break since then; 0: not yet */
	bool is_pausing;
	struct chunk *chunk; /* being filled, or NULL */
	uint64_t seen;       /* packets read from the ring of this device */
	struct handover handover;
	bool is_past_until; /* a packet from after until_ns was seen */
	bool is_seen_known; /* every packet in the ring is seen: device_unseen() is true */
	bool is_counting;   /* count drops: false while another capture records the same packets */
	uint32_t packets_own; /* since the last chunk, like the drops */
	struct drops drops;
	uint64_t statistics_ms; /* monotonic: last query of the drops */
	bool is_begun;          /* the segment has a chunk, or has sent one */
};

/*
 * capture.c. Open the interface and install the filter; from then on the kernel fills the ring. Takes about 10 ms, and
 * waits for the filter to be compiled, or capture_stop(). Fails with ERROR_CONFIG or ERROR_USAGE for bad options,
 * ERROR_FATAL if the interface is down or gone.
 */
int capture_open(struct capture *capture, struct error *err) __attribute__((warn_unused_result));
