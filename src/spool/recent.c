/* SPDX-License-Identifier: Apache-2.0 */
/* The last segments, for status: the list forgets those that are uploaded, and that is what people look for. */
#include <stdio.h>
#include <string.h>

#include "spool/spool_private.h"

void spool_recent_add(struct spool *spool, const char *name, const struct segment *segment)
{
	struct spool_recent *recent = spool->recent;

	memmove(&recent[1], &recent[0], (SPOOL_RECENT_MAX - 1) * sizeof *recent);
	recent[0] = (struct spool_recent){ .start_ns = segment->start_ns,
					   .end_ns = segment->end_ns,
					   .packets = segment->packets,
					   .drops = drops_sum(&segment->drops) };
	(void)snprintf(recent[0].name, sizeof recent[0].name, "%s", name);
}

void spool_recent_uploaded(struct spool *spool, const char *name)
{
	for (size_t i = 0; i < SPOOL_RECENT_MAX; i++)
		if (strcmp(spool->recent[i].name, name) == 0)
			spool->recent[i].state = "uploaded";
}

void spool_recent_fill(struct spool *spool, struct spool_recent recent[SPOOL_RECENT_MAX])
{
	static const char *const states[SPOOL_FOLDERS] = { [SPOOL_READY] = "waiting",
							   [SPOOL_SENDING] = "uploading",
							   [SPOOL_REJECTED] = "rejected" };

	memcpy(recent, spool->recent, sizeof spool->recent);
	for (size_t i = 0; i < SPOOL_RECENT_MAX && *recent[i].name; i++) {
		const struct spool_entry *entry =
			recent[i].state ? NULL : spool_entries_find(spool, recent[i].name);

		if (entry && states[entry->folder])
			recent[i].state = states[entry->folder];
		else if (!recent[i].state)
			recent[i].state = "deleted";
	}
}
