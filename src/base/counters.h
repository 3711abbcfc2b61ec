/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the stages count and the main thread reports. Each counter only grows; stages add once per chunk
 * or segment, never per packet. Any thread may add or read: the values are atomic, not one snapshot.
 *
 * What was sent adds up: sent = packets - packets_discarded + the sum of drops (the packets of our own
 * uploads, packets_own, are left out on both sides). A segment that is deleted for room or refused has
 * its packets in `packets`, in `packets_discarded` and in `drops`. One of an earlier run is in the last
 * two only, so the difference may be below 0.
 */

#include <stdatomic.h>
#include <stdint.h>

/* Why a packet that the kernel showed us is in no file. */
enum drop_reason {
	DROP_KERNEL,    /* the ring was full */
	DROP_INTERFACE, /* the interface could not hand it over */
	DROP_BUDGET,    /* the spool was full */
	DROP_DISK,      /* the file could not be written */
	DROP_REJECTED,  /* the sink will never take its segment, which waits in rejected/ */
	DROP_REASON_COUNT,
};

/* "kernel", "interface", …: as in logs and object metadata. */
extern const char *const drop_reason_names[DROP_REASON_COUNT];

struct counters {
	atomic_uint_fast64_t packets;           /* recorded */
	atomic_uint_fast64_t packets_discarded; /* recorded, then deleted for room or refused */
	atomic_uint_fast64_t packets_own;       /* of our own uploads, left out */
	atomic_uint_fast64_t drops[DROP_REASON_COUNT];
	atomic_uint_fast64_t segments;          /* published into the spool */
	atomic_uint_fast64_t segments_uploaded; /* proved by the sink */
	atomic_uint_fast64_t bytes_uploaded;
	atomic_uint_fast64_t upload_failures; /* attempts, not segments */
};

static inline void counter_add(atomic_uint_fast64_t *counter, uint64_t amount)
{
	atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static inline uint64_t counter_read(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}
