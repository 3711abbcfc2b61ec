/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the stages count and the main thread reports: the totals of the process, and the part of each
 * interface. A counter only grows; stages add once per chunk, segment or request, never per packet. Any
 * thread may add or read: the values are atomic, not one snapshot.
 *
 * What was sent adds up: sent = packets - packets_discarded + the sum of drops (the packets of our own
 * uploads, packets_own, are left out on both sides). A segment that is deleted for room or refused has
 * its packets in `packets`, in `packets_discarded` and in `drops`. One of an earlier run is in the last
 * two only, so the difference may be below 0.
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

/* How values are spread: buckets[i] holds those up to bounds[i] and above the one before. */
#define HISTOGRAM_BOUNDS 12
struct histogram {
	counter buckets[HISTOGRAM_BOUNDS + 1]; /* the last one: more than the last bound */
	counter sum;
};
extern const uint64_t histogram_ms_bounds[HISTOGRAM_BOUNDS];
extern const uint64_t histogram_bytes_bounds[HISTOGRAM_BOUNDS];
void histogram_add(struct histogram *histogram, const uint64_t bounds[HISTOGRAM_BOUNDS],
		   uint64_t value);

struct counters;

/*
 * The part of one interface. Taken by the stages that work on it, which keep the pointer; afterwards it
 * stays until its place is needed. Fields that are also in struct counters are added to with
 * interface_add(), which adds to both.
 */
#define COUNTERS_INTERFACES_MAX 256
struct interface_counters {
	counter packets, packets_discarded, packets_own, drops[DROP_REASON_COUNT];
	counter bytes; /* recorded, as they stand in the file before compression */
	counter segments;
	counter restarts; /* how often it was opened again after it was away */
	/* Not counters but how it is now. */
	atomic_bool is_live;       /* packets can be captured from it */
	atomic_bool has_been_live; /* so that the next time is a restart */
	/* When the segment began that capture has begun (real time in ns); 0: none is begun. */
	atomic_uint_fast64_t open_since_ns;
	counter segments_ended, segments_closed; /* by capture; of those, by the recorder */
	atomic_uint_fast64_t in_ring;            /* packets that wait in the kernel's ring */
	/* With the lock of struct counters. */
	char name[64];
	unsigned users;
	uint64_t returned_ms; /* monotonic: when the last user let go of it */
	struct counters *all;
};

/* One codec at one level. */
#define COUNTERS_LEVELS_MAX 48
struct level_counters {
	const char *codec; /* "gzip"; NULL: not used yet */
	char level[12];    /* "2", "stored" */
	counter bytes_before, bytes_after, ns;
};

/* HTTP status codes are below; 0 counts requests that got none. */
#define COUNTERS_HTTP_CODES 600

struct counters {
	counter packets;           /* recorded */
	counter packets_discarded; /* recorded, then deleted for room or refused */
	counter packets_own;       /* of our own uploads, left out */
	counter drops[DROP_REASON_COUNT];
	counter bytes;
	counter segments; /* published into the spool */
	counter restarts;

	counter segments_uploaded; /* proved by the sink */
	counter segments_rejected;
	counter bytes_uploaded;
	counter upload_failures; /* attempts, not segments; with those that were rejected */
	counter upload_retries;  /* attempts that are made again */
	counter upload_responses[COUNTERS_HTTP_CODES];
	struct histogram upload_ms, upload_bytes;
	/* Real time in ns; 0: there was none. */
	atomic_uint_fast64_t uploaded_last_ns, token_expires_ns;

	counter reloads, reloads_refused;
	counter chunk_waits; /* for a free chunk: memory was full */
	/* Not a counter: how many more interfaces there are than may be recorded. */
	atomic_uint_fast64_t interfaces_left_out;

	pthread_mutex_t lock; /* for who is in the tables; never held while packets wait */
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

/* interface_add(interface, drops[DROP_DISK], 5): to the interface's part and to the whole. */
#define interface_add(interface, field, amount)                  \
	do {                                                     \
		counter_add(&(interface)->field, (amount));      \
		counter_add(&(interface)->all->field, (amount)); \
	} while (0)

/* The packets that were sent, as above: of an interface's part, or of the whole. */
#define counters_sent(part) \
	counters_sum_sent(&(part)->packets, &(part)->packets_discarded, (part)->drops)
uint64_t counters_sum_sent(const counter *packets, const counter *discarded,
			   const counter drops[DROP_REASON_COUNT]);

/* What counters of drops say now. */
struct drops counters_drops(const counter drops[DROP_REASON_COUNT]);
/* interface_add() for each reason. */
void counters_add_drops(struct interface_counters *interface, const struct drops *drops);

void counters_init(struct counters *counters);
void counters_done(struct counters *counters);

/* The sink has proved that it holds a segment of this size, after this time. */
void counters_add_upload(struct counters *counters, uint64_t bytes, uint64_t ms);

/*
 * The part of this interface, for one more user; counters_return() lets go of it. When all places are in
 * use it is that of `other_interfaces`. Locks.
 */
struct interface_counters *counters_take(struct counters *counters, const char *interface);
void counters_return(struct interface_counters *interface);
/* interface_add() of drops and discarded packets for who is no lasting user of it. Locks. */
void counters_discard(struct counters *counters, const char *interface, enum drop_reason reason,
		      uint64_t packets);
/* Visit each interface there was, the others as "other" at the end if there were any. Locks meanwhile. */
void counters_each_interface(struct counters *counters,
			     void (*visit)(void *context,
					   const struct interface_counters *interface),
			     void *context);

/* Where to count this codec (a constant) and level; valid for good. Locks. */
struct level_counters *counters_level(struct counters *counters, const char *codec,
				      const char *level);
/* How many of counters->levels are in use. Their names stay as they are. Locks. */
size_t counters_levels(struct counters *counters);
