/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Decides when a segment ends. By size, as with tcpdump's -C: before a packet is written, if the bytes so
 * far exceed the limit. By age, at multiples of the interval in UTC, based on the packets' own timestamps, so
 * that a segment contains exactly the packets of its interval; and on the clock when no packets arrive. A
 * clock that is set back ends the segment, too: times within a segment only increase, and the next segment is
 * in step with UTC again. Pure; used by the capture thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* Packets received by different CPUs are out of order by much less than this. */
#define ROTATE_SET_BACK_NS UINT64_C(1000000000)

struct rotate_limits {
	uint64_t bytes;       /* of the file before compression */
	uint64_t interval_ns; /* 0: no limit */
};

struct rotate {
	struct rotate_limits limits;
	uint64_t bytes;              /* so far */
	uint64_t start_ns;           /* real time at which the segment begins */
	uint64_t latest_ns;          /* latest packet seen, see rotate_seen() */
	uint64_t floor_ns;           /* an earlier time means the clock was set back */
	uint64_t boundary_ns;        /* real time at which it ends; UINT64_MAX: when it is full */
	const char *boundary_reason; /* "age", or that of rotate_cut() */
};

/* Begin a segment at this real time, which becomes part of its name. */
void rotate_begin(struct rotate *rotate, uint64_t start_ns, uint64_t header_bytes);
/* Change the limits, for the current segment, too. */
void rotate_set_limits(struct rotate *rotate, struct rotate_limits limits);
/* A packet of this time was added to the segment. Call now and then, in order. */
void rotate_seen(struct rotate *rotate, uint64_t packet_ns);

/*
 * End the segment at this real time, for this reason (a constant). False if its time is over already and it
 * waits for its last packets.
 */
bool rotate_cut(struct rotate *rotate, uint64_t real_ns, const char *reason);

enum rotate_cause {
	ROTATE_NOT_DUE,
	ROTATE_SIZE,
	ROTATE_TIME,
	ROTATE_SET_BACK,
};

/* Must the segment end before a packet of this time is added? Time takes precedence over size. */
static inline enum rotate_cause rotate_before_packet(const struct rotate *rotate,
						     uint64_t packet_ns)
{
	/* One comparison for both ends: a time below the floor wraps to a large number. */
	if (__builtin_expect(packet_ns - rotate->floor_ns >= rotate->boundary_ns - rotate->floor_ns,
			     0))
		return packet_ns < rotate->floor_ns ? ROTATE_SET_BACK : ROTATE_TIME;
	if (__builtin_expect(rotate->bytes > rotate->limits.bytes, 0))
		return ROTATE_SIZE;
	return ROTATE_NOT_DUE;
}

/*
 * Between packets: is the segment's time over? latency_ns is how long a packet may wait in the ring, that is,
 * how long packets of the old segment may still arrive.
 */
enum rotate_cause rotate_now(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns);
/* Time until rotate_now() becomes due; UINT64_MAX: never. */
uint64_t rotate_wait_ns(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns);
/* Start of the next segment: the boundary, unless the clock was set. */
uint64_t rotate_next_start(const struct rotate *rotate, uint64_t real_ns);
