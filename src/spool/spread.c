/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an upload starts. All nodes end a segment at the same second of UTC; 10,000 uploads in that second are more
 * than a bucket takes at first. So what ended by age waits for a moment within upload.spread, always the same one for
 * a node and interface. All else goes at once, and so does what an earlier run left: that is a backlog.
 */
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "spool/spool_private.h"

uint32_t spread_share(const char *node, const char *interface)
{
	/* With the byte that ends the first: "a" and "bc" are not "ab" and "c". Even enough as it is: see the test. */
	uint32_t crc = crc32c_update(0, node, strlen(node) + 1);

	return crc32c_update(crc, interface, strlen(interface));
}

void spread_begin(struct spool_entry *entry, const struct segment *segment)
{
	uint64_t now_ms = clock_monotonic_ms(), now_ns = clock_real_ns(), late_ms = 0;

	entry->ended_ms = 0;
	if (strcmp(segment->reason, "age") != 0)
		return;
	if (now_ns > segment->end_ns)
		late_ms = (now_ns - segment->end_ns) / CLOCK_NS_PER_MS;
	entry->ended_ms = now_ms > late_ms ? now_ms - late_ms : 0;
	entry->start_ns = segment->start_ns;
	entry->share = spread_share(segment->node, segment->interface);
}

uint64_t spread_due_ms(const struct spread *spread, const struct spool_entry *entry)
{
	return entry->ended_ms > 0 && entry->start_ns > spread->hurried_ns
		       ? entry->ended_ms + spread_offset_ms(entry->share, spread->span_ms)
		       : 0;
}
