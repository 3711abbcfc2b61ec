/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * To which of two captures of an interface a packet belongs: both see every packet in about the same order, and the real
 * time of an instant divides them. When the clock is set back meanwhile, packets have times from before the instant for
 * as long as it was set back; they come after it all the same. Both sides know a time before which nothing can be that
 * comes (reference_ns): when they read their rings to the end, less the time that a packet waits in a block. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* So much later than the instant, no packet from before it can come on another CPU. */
#define HANDOVER_JITTER_NS (350 * CLOCK_NS_PER_MS)

struct handover {
	bool is_over, has_begun; /* for all further packets */
};

static inline bool handover_is_after(uint64_t reference_ns, uint64_t instant_ns, uint64_t packet_ns)
{
	return packet_ns < reference_ns || packet_ns >= instant_ns + HANDOVER_JITTER_NS;
}

/* The old side: does the packet come after its end? */
static inline bool handover_is_over(struct handover *handover, uint64_t reference_ns,
				    uint64_t until_ns, uint64_t packet_ns)
{
	handover->is_over |= handover_is_after(reference_ns, until_ns, packet_ns);
	return handover->is_over || packet_ns >= until_ns;
}

/* The new side: does the packet come after its beginning? */
static inline bool handover_has_begun(struct handover *handover, uint64_t reference_ns,
				      uint64_t from_ns, uint64_t packet_ns)
{
	handover->has_begun |= handover_is_after(reference_ns, from_ns, packet_ns);
	return handover->has_begun || packet_ns >= from_ns;
}
