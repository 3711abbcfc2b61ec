/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/rotate.h"

static void set_boundary(struct rotate *rotate)
{
	uint64_t interval_ns = rotate->limits.interval_ns;

	rotate->boundary_ns = interval_ns == 0 ? UINT64_MAX
					       : (rotate->start_ns / interval_ns + 1) * interval_ns;
	rotate->boundary_reason = "age";
}

void rotate_begin(struct rotate *rotate, uint64_t start_ns, uint64_t monotonic_ns,
		  uint64_t header_bytes)
{
	rotate->bytes = header_bytes;
	rotate->start_ns = start_ns;
	rotate->start_monotonic_ns = monotonic_ns;
	set_boundary(rotate);
}

void rotate_set_limits(struct rotate *rotate, struct rotate_limits limits)
{
	rotate->limits = limits;
	set_boundary(rotate);
}

void rotate_cut(struct rotate *rotate, uint64_t real_ns, const char *reason)
{
	if (real_ns >= rotate->boundary_ns)
		return;
	rotate->boundary_ns = real_ns;
	rotate->boundary_reason = reason;
}

bool rotate_is_over(const struct rotate *rotate, uint64_t real_ns, uint64_t monotonic_ns,
		    uint64_t latency_ns)
{
	uint64_t interval_ns = rotate->limits.interval_ns;

	if (real_ns >= rotate->boundary_ns && real_ns - rotate->boundary_ns >= latency_ns)
		return true;
	/* The clock was set back: the boundary is far off, but the segment is old enough. */
	return interval_ns > 0 &&
	       monotonic_ns - rotate->start_monotonic_ns >= interval_ns + latency_ns;
}

uint64_t rotate_wait_ns(const struct rotate *rotate, uint64_t real_ns, uint64_t latency_ns)
{
	if (rotate->boundary_ns == UINT64_MAX)
		return UINT64_MAX;
	if (real_ns >= rotate->boundary_ns + latency_ns)
		return 0;
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
