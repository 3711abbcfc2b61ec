/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When a segment ends. By size as tcpdump's -C has it: before a packet is written, if the bytes so far
 * exceed the limit. By age at multiples of the interval in UTC, decided by the packets' own time stamps,
 * so that a segment holds exactly the packets of its interval; and by the clock when none come. A clock
 * that is set back ends it too: the times in a segment only grow, and the next one is in step with UTC
 * again. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

/* Packets that several CPUs received are out of order by much less than this. */
#define ROTATE_SET_BACK_NS UINT64_C(1000000000)

struct rotate_limits {
	uint64_t bytes;       /* of the file before compression */
	uint64_t interval_ns; /* 0: no limit */
};

struct rotate {
	struct rotate_limits limits;
	uint64_t bytes;              /* so far */
	uint64_t start_ns;           /* real time at which the segment begins */
	uint64_t latest_ns;          /* of what was seen in it, see rotate_seen() */
	uint64_t floor_ns;           /* what is earlier tells that the clock was set back */
	uint64_t boundary_ns;        /* real time at which it ends; UINT64_MAX: when it is full */
	const char *boundary_reason; /* "age", or that of rotate_cut() */
};

/* A segment begins at this real time (which the name bears). */
void rotate_begin(struct rotate *rotate, uint64_t start_ns, uint64_t header_bytes);
/* Other limits from now on, for the current segment too. */
void rotate_set_limits(struct rotate *rotate, struct rotate_limits limits);
/* A packet of this time was put into the segment: to be told now and then, in order. */
void rotate_seen(struct rotate *rotate, uint64_t packet_ns);

/*
 * End the segment at this real time, for this reason (a constant); false if its time is over already, and
 * it waits for its last packets.
 */
bool rotate_cut(struct rotate *rotate, uint64_t real_ns, const char *reason);

enum rotate_cause {
	ROTATE_NOT_DUE,
	ROTATE_SIZE,
	ROTATE_TIME,
	ROTATE_SET_BACK,
};

/* Before a packet of this time is added: does the segment have to end first? If both, time wins. */
static inline enum rotate_cause rotate_before_packet(const struct rotate *rotate,
						     uint64_t packet_ns)
{
	/* One comparison for both ends: what is below the floor becomes a large number. */
	if (__builtin_expect(packet_ns - rotate->floor_ns >= rotate->boundary_ns - rotate->floor_ns,
			     0))
		return packet_ns < rotate->floor_ns ? ROTATE_SET_BACK : ROTATE_TIME;
	if (__builtin_expect(rotate->bytes > rotate->limits.bytes, 0))
		return ROTATE_SIZE;
	return ROTATE_NOT_DUE;
}

/*
 * Between packets: is its time over? latency_ns is how long a packet may wait in the ring: until then,
 * packets of the old segment may still come.
 */
enum rotate_cause rotate_now(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns);
/* How long until rotate_now() can say so; UINT64_MAX: never by time. */
uint64_t rotate_wait_ns(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns);
/* Where the next segment begins: at the boundary, unless the clock was set far off. */
uint64_t rotate_next_start(const struct rotate *rotate, uint64_t real_ns);
