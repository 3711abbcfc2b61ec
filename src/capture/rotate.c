/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/rotate.h"

#include <string.h>

static void set_boundary(struct rotate *rotate)
{
	uint64_t interval_ns = rotate->limits.interval_ns;

	rotate->boundary_ns = interval_ns == 0 ? UINT64_MAX
					       : (rotate->start_ns / interval_ns + 1) * interval_ns;
	rotate->boundary_reason = "age";
}

static void set_latest(struct rotate *rotate, uint64_t latest_ns)
{
	rotate->latest_ns = latest_ns;
	rotate->floor_ns = latest_ns > ROTATE_SET_BACK_NS ? latest_ns - ROTATE_SET_BACK_NS : 0;
}

void rotate_begin(struct rotate *rotate, uint64_t start_ns, uint64_t header_bytes)
{
	uint64_t cut_ns = rotate->boundary_ns;
	const char *cut_reason = rotate->boundary_reason;
	bool is_later = start_ns >= rotate->start_ns;

	rotate->bytes = header_bytes;
	rotate->start_ns = start_ns;
	set_latest(rotate, start_ns);
	set_boundary(rotate);
	/* Packets that were in the ring at a cut may fill a segment before they reach it. */
	if (is_later && cut_reason && strcmp(cut_reason, "age") != 0 && cut_ns > start_ns)
		(void)rotate_cut(rotate, cut_ns, cut_reason);
}

void rotate_set_limits(struct rotate *rotate, struct rotate_limits limits)
{
	/* A boundary that rotate_cut() has set stays, unless there are other limits. */
	if (limits.bytes == rotate->limits.bytes &&
	    limits.interval_ns == rotate->limits.interval_ns)
		return;
	rotate->limits = limits;
	set_boundary(rotate);
}

void rotate_seen(struct rotate *rotate, uint64_t packet_ns)
{
	/* A floor above the boundary would hide the boundary. */
	if (packet_ns > rotate->latest_ns && packet_ns < rotate->boundary_ns)
		set_latest(rotate, packet_ns);
}

bool rotate_cut(struct rotate *rotate, uint64_t real_ns, const char *reason)
{
	if (real_ns < rotate->floor_ns)
		real_ns = rotate->floor_ns; /* the clock was set back: end before the next packet */
	if (real_ns >= rotate->boundary_ns)
		return false;
	rotate->boundary_ns = real_ns;
	rotate->boundary_reason = reason;
	return true;
}

enum rotate_cause rotate_now(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns)
{
	if (real_ns < rotate->floor_ns)
		return ROTATE_SET_BACK;
	return real_ns >= rotate->boundary_ns && real_ns - rotate->boundary_ns >= latency_ns
		       ? ROTATE_TIME
		       : ROTATE_NOT_DUE;
}

uint64_t rotate_wait_ns(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns)
{
	if (rotate_now(rotate, real_ns, latency_ns) != ROTATE_NOT_DUE)
		return 0;
	if (rotate->boundary_ns == UINT64_MAX)
		return UINT64_MAX;
	return rotate->boundary_ns + latency_ns - real_ns;
}

uint64_t rotate_next_start(const struct rotate *rotate, uint64_t real_ns)
{
	uint64_t interval_ns = rotate->limits.interval_ns, boundary_ns = rotate->boundary_ns;

	/* Before the boundary, or more than an interval past it: the clock was set. */
	if (real_ns < boundary_ns || (interval_ns > 0 && real_ns - boundary_ns > interval_ns))
		return real_ns;
	return boundary_ns;
}
