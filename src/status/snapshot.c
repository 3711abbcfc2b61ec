/* SPDX-License-Identifier: Apache-2.0 */
#include "status/snapshot.h"

#include <stdio.h>
#include <string.h>

struct visiting {
	const struct status_snapshot *facts;
	void (*visit)(void *context, const struct interface_counters *interface);
	void *context;
	bool is_visited[STATUS_AWAITED_MAX]; /* of those that are awaited */
};

/* Its place among those that are awaited, or their number. */
static size_t find_awaited(const struct status_snapshot *facts, const char *name)
{
	size_t place = 0;

	while (place < facts->awaited_count && strcmp(facts->awaited[place], name) != 0)
		place++;
	return place;
}

bool facts_is_awaited(const struct status_snapshot *facts, const char *name)
{
	return find_awaited(facts, name) < facts->awaited_count;
}

static void visit_counted(void *context, const struct interface_counters *interface)
{
	struct visiting *visiting = context;
	size_t place = find_awaited(visiting->facts, interface->name);
	bool is_awaited = place < visiting->facts->awaited_count;

	if (interface->users == 0 && !is_awaited)
		return;
	if (is_awaited)
		visiting->is_visited[place] = true;
	visiting->visit(visiting->context, interface);
}

void facts_each_interface(const struct status_snapshot *facts,
			  void (*visit)(void *context, const struct interface_counters *interface),
			  void *context)
{
	struct visiting visiting = { .facts = facts, .visit = visit, .context = context };

	counters_each_interface(facts->counters, visit_counted, &visiting);
	for (size_t i = 0; i < facts->awaited_count; i++) {
		struct interface_counters nothing = { .all = facts->counters };

		if (visiting.is_visited[i])
			continue;
		(void)snprintf(nothing.name, sizeof nothing.name, "%s", facts->awaited[i]);
		visit(context, &nothing);
	}
}
