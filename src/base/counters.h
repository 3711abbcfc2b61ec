/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Counters of the process and of each interface, updated by the stages and reported by the main thread. A
 * counter only increases; stages add once per chunk, segment or request, never per packet. Any thread may add
 * or read: each value is atomic, but all of them together are not a snapshot.
 *
 * The counters balance: sent = packets - packets_discarded + the sum of drops (the packets of our own uploads,
 * packets_own, are in neither). The packets of a segment that is evicted or rejected are in `packets`, in
 * `packets_discarded` and in `drops`. For a segment of an earlier run they are in the last two only, so the
 * difference may be negative.
 *
 * To add a counter: a field here, counter_add() where it happens, a row in status/metrics.c.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"

typedef atomic_uint_fast64_t counter;

/* A distribution of values: buckets[i] counts those up to bounds[i] and above the previous bound. */
#define HISTOGRAM_BOUNDS 12
struct histogram {
	counter buckets[HISTOGRAM_BOUNDS + 1]; /* the last one: above all bounds */
	counter sum;
};
extern const uint64_t histogram_ms_bounds[HISTOGRAM_BOUNDS];
extern const uint64_t histogram_bytes_bounds[HISTOGRAM_BOUNDS];
void histogram_add(struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS],
		   uint64_t value);

struct counters;

/*
 * The counters of one interface. Stages that work on the interface take and keep the pointer; after they
 * return it, it stays until its place is needed. Use interface_add() for fields that struct counters has, too:
 * it adds to both.
 */
#define COUNTERS_INTERFACES_MAX 256
struct interface_counters {
	counter packets, packets_discarded, packets_own, drops[DROP_REASON_COUNT];
	counter bytes; /* recorded, as in the file before compression */
	counter segments;
	counter restarts; /* how often it was reopened after it was gone */
	/* Not counters, but the current state. */
	atomic_bool is_live;       /* packets can be captured from it */
	atomic_bool has_been_live; /* so that the next time is a restart */
	/* Start of the segment that capture has begun (real time in ns); 0: none. */
	atomic_uint_fast64_t open_since_ns;
	counter segments_ended, segments_closed; /* ended by capture; then closed by the recorder */
	atomic_uint_fast64_t
		in_ring; /* packets waiting in the kernel's ring; UINT64_MAX: not known */
	/* Protected by the lock of struct counters. */
	char name[64];
	unsigned users;
	uint64_t returned_ms; /* monotonic: when the last user returned it */
	struct counters *all;
};

/* One codec at one level. */
#define COUNTERS_LEVELS_MAX 48
struct level_counters {
	const char *codec; /* "gzip"; NULL: not used yet */
	char level[12];    /* "2", "stored" */
	counter bytes_before, bytes_after, ns;
};

/* HTTP status codes are lower; 0 counts requests without a response. */
#define COUNTERS_HTTP_CODES 600

struct counters {
	counter packets;           /* recorded */
	counter packets_discarded; /* recorded, then evicted or rejected */
	counter packets_own;       /* of our own uploads, not recorded */
	counter drops[DROP_REASON_COUNT];
	counter bytes;
	counter segments; /* published into the spool */
	counter restarts;

	counter segments_uploaded; /* confirmed by the sink */
	counter segments_rejected;
	counter bytes_uploaded;
	counter upload_failures; /* attempts, not segments; including rejections */
	counter upload_retries;  /* attempts that will be retried */
	counter upload_responses[COUNTERS_HTTP_CODES];
	struct histogram upload_ms, upload_bytes;
	/* Real time in ns; 0: never. */
	atomic_uint_fast64_t uploaded_last_ns, token_expires_ns;

	counter reloads, reloads_refused;
	counter chunk_waits; /* for a free chunk: memory was full */
	/* Not a counter: selected interfaces beyond capture.max_interfaces. */
	atomic_uint_fast64_t interfaces_left_out;

	pthread_mutex_t lock; /* for membership of the interfaces; never held while packets wait */
	pthread_mutex_t
		level_lock; /* for that of the levels: a recorder that falls behind takes it, only briefly held */
	struct level_counters levels[COUNTERS_LEVELS_MAX];
	struct interface_counters interfaces[COUNTERS_INTERFACES_MAX], other_interfaces;
	bool has_other_interfaces;
};

static inline void counter_add(counter *count, uint64_t amount)
{
	atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

/* interface_add(interface, drops[DROP_DISK], 5) adds to the interface and to the process. */
#define interface_add(interface, field, amount)                  \
	do {                                                     \
		counter_add(&(interface)->field, (amount));      \
		counter_add(&(interface)->all->field, (amount)); \
	} while (0)

/* Packets sent, as defined above, of an interface or of the process. */
#define counters_sent(part) \
	counters_sum_sent(&(part)->packets, &(part)->packets_discarded, (part)->drops)
uint64_t counters_sum_sent(const counter *packets, const counter *discarded,
			   const counter drops[DROP_REASON_COUNT]);

/* Read counters of drops. */
struct drops counters_drops(const counter drops[DROP_REASON_COUNT]);

void counters_init(struct counters *counters);
void counters_done(struct counters *counters);

/* The sink has confirmed a segment of this size, uploaded in this time. */
void counters_add_upload(struct counters *counters, uint64_t bytes, uint64_t ms);

/*
 * Take the counters of this interface; give them back with counters_return(). When all places are in use,
 * they are those of `other_interfaces`. Locks.
 */
struct interface_counters *counters_take(struct counters *counters, const char *interface);
void counters_return(struct interface_counters *interface);
/* interface_add() drops and discarded packets without taking the interface's counters. Locks. */
void counters_discard(struct counters *counters, const char *interface, enum drop_reason reason,
		      uint64_t packets);
/* Visit all interfaces, with "other" at the end if there were others. Holds the lock meanwhile. */
void counters_each_interface(struct counters *counters,
			     void (*visit)(void *context,
					   const struct interface_counters *interface),
			     void *context);

/* The counters of this codec (a constant) and level; valid permanently. Locks. */
struct level_counters *counters_level(struct counters *counters, const char *codec,
				      const char *level);
/* Number of counters->levels in use; their names never change. Locks. */
size_t counters_levels(struct counters *counters);
