/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One capture, seen from main (capture.c) and from its own thread (capture_loop.c). */

#include <stdatomic.h>

#include "base/thread.h"
#include "capture/capture.h"
#include "capture/pcap_device.h"
#include "capture/own_traffic.h"
#include "capture/rotate.h"

struct capture {
	struct capture_context context;
	const struct conf *conf;
	unsigned index; /* that the interface has to have; 0: any */
	char interface[64];
	struct interface_counters *counts;
	struct thread thread;
	struct queue *queue;
	int wake_fd;

	/* Main writes, the thread reads. */
	_Atomic(const char *) end_reason; /* end the segment; NULL: nothing asked */
	_Atomic(const char *) stop_reason;
	atomic_uint_fast64_t from_ns, until_ns; /* of the packets to record; real time */
	atomic_uint_fast64_t from_set_ms;       /* monotonic: when from_ns was set */
	atomic_uint_fast64_t limit_bytes, limit_interval_ns, flush_interval_ms;
	atomic_bool is_paused;       /* the spool is full: leave packets to the kernel */
	atomic_bool is_empty_wanted; /* a file also for an interval without a packet */

	/* The thread writes, main reads. */
	atomic_int state;     /* enum capture_state */
	struct error failure; /* before the state says so */
	atomic_uint_fast64_t opened_ms;

	/* The thread's own. */
	struct device device;
	struct chunk_source source;
	struct own_traffic own;
	struct rotate rotate;
	bool is_pausing;
	struct chunk *chunk; /* being filled, or NULL */
	uint32_t snaplen;    /* what is recorded of a packet: own_traffic needs to see more */
	uint64_t seen;       /* packets that came out of the ring of this device */
	bool is_past_until;  /* a packet of the time after until_ns was seen */
	bool is_counting; /* drops are ours: not while another capture records the same packets */
	uint32_t packets_own; /* since the last chunk, like the drops */
	struct drops drops;
	uint64_t statistics_ms; /* monotonic: when they were asked for last */
	bool is_nano;
	bool is_begun; /* the segment has sent a chunk */
};

/* The thread: until it is told to stop, or its interface is gone. */
void capture_run(void *capture);
