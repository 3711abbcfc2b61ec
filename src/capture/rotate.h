/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When a segment ends. By size as tcpdump's -C has it: before a packet is written, if the bytes so far
 * exceed the limit. By age at multiples of the interval in UTC, decided by the packets' own time stamps,
 * so that a segment holds exactly the packets of its interval; and by the clock when none come. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

struct rotate_limits {
	uint64_t bytes;       /* of the file before compression */
	uint64_t interval_ns; /* 0: no limit */
};

struct rotate {
	struct rotate_limits limits;
	uint64_t bytes;              /* so far */
	uint64_t start_ns;           /* real time at which the segment begins */
	uint64_t start_monotonic_ns; /* the same instant, for when the clock is set back */
	uint64_t boundary_ns;        /* real time at which it ends; UINT64_MAX: when it is full */
	const char *boundary_reason; /* "age", or that of rotate_cut() */
};

/* A segment begins: at this real time (which the name bears), this monotonic time. */
void rotate_begin(struct rotate *rotate, uint64_t start_ns, uint64_t monotonic_ns,
		  uint64_t header_bytes);
/* Other limits from now on, for the current segment too. */
void rotate_set_limits(struct rotate *rotate, struct rotate_limits limits);

/* End the segment at this real time, for this reason (a constant), if it does not end earlier. */
void rotate_cut(struct rotate *rotate, uint64_t real_ns, const char *reason);

/* Before a packet of this time is added: does the segment have to end first? If both, time wins. */
enum rotate_cause {
	ROTATE_NOT_DUE,
	ROTATE_SIZE,
	ROTATE_TIME
};

static inline enum rotate_cause rotate_before_packet(const struct rotate *rotate,
						     uint64_t packet_ns)
{
	if (__builtin_expect(packet_ns >= rotate->boundary_ns, 0))
		return ROTATE_TIME;
	if (__builtin_expect(rotate->bytes > rotate->limits.bytes, 0))
		return ROTATE_SIZE;
	return ROTATE_NOT_DUE;
}

/*
 * Between packets: true when its time is over. latency_ns is how long a packet may wait in the ring:
 * until then, packets of the old segment may still come.
 */
bool rotate_is_over(const struct rotate *rotate, uint64_t real_ns, uint64_t monotonic_ns,
		    uint64_t latency_ns);
/* How long until rotate_is_over() can become true; UINT64_MAX: never by time. */
uint64_t rotate_wait_ns(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns);
/* Where the next segment begins: at the boundary, unless the clock was set far off. */
uint64_t rotate_next_start(const struct rotate *rotate, uint64_t real_ns);
