/* SPDX-License-Identifier: Apache-2.0 */
#include "record/surroundings.h"

#include <stdio.h>
#include <string.h>

#include "base/clock_sync.h"

#define MORE_BYTES sizeof " +256 more"

struct list {
	char *out;
	size_t length, capacity, more;
};

static void add_interface(void *context, const struct interface_counters *interface)
{
	struct list *list = context;
	size_t length = strlen(interface->name);

	/* An interface that is down has its capture, and nothing of it is missed. */
	if (interface->users == 0 || !atomic_load(&interface->has_been_live))
		return;
	if (list->more > 0 || list->length + 1 + length + MORE_BYTES > list->capacity) {
		list->more++;
		return;
	}
	list->length += (size_t)snprintf(list->out + list->length, list->capacity - list->length,
					 "%s%s", list->length > 0 ? " " : "", interface->name);
}

void surroundings_note(struct counters *counters, struct segment *segment)
{
	struct list list = { .out = segment->interfaces, .capacity = sizeof segment->interfaces };

	segment->interfaces[0] = '\0';
	counters_each_interface(counters, add_interface, &list);
	if (list.more > 0)
		(void)snprintf(list.out + list.length, list.capacity - list.length, "%s+%zu more",
			       list.length > 0 ? " " : "", list.more);
	clock_sync_describe(segment->clock);
}
