/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is full: the spool, for all, or one interface. Logged when it begins and when it is over, however many
 * segments or packets it costs.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "spool/spool_private.h"

static void set_full(struct spool *spool, struct spool_interface *interface, bool is_full)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	if (interface)
		interface->is_full = is_full;
	else
		atomic_store(&spool->is_full, is_full);
}

void spool_note_shortage(struct spool *spool, const struct spool_shortage *shortage, bool is_full)
{
	struct spool_interface *interface =
		*shortage->interface ? spool_interface_find(spool, shortage->interface) : NULL;
	bool was_full = interface ? interface->is_full : atomic_load(&spool->is_full);
	const char *name = interface ? interface->name : "*";

	if (is_full && !was_full)
		log_event(EVENT_SPOOL_FULL, log_text("limit", shortage->option),
			  log_text("interface", name),
			  log_number("waiting", spool->counts[SPOOL_READY]),
			  log_number("bytes", spool_bytes_taken(spool)));
	else if (!is_full && !spool->is_deleting && spool->deleted_segments > 0)
		log_event(EVENT_SPOOL_EVICTING, log_text("limit", shortage->option),
			  log_text("interface", name),
			  log_number("waiting", spool->counts[SPOOL_READY]),
			  log_number("bytes", spool_bytes_taken(spool)));
	spool->is_deleting |= spool->deleted_segments > 0;
	spool->was_full |= is_full;
	set_full(spool, interface, is_full);
}

void spool_note_slack(struct spool *spool)
{
	/* Those of deleted packets are among them. */
	uint64_t drops = counter_read(&spool->counters->drops[DROP_BUDGET]);

	if (spool->was_full || spool->is_deleting)
		log_event(EVENT_SPOOL_HAS_ROOM, log_number("deleted", spool->deleted_segments),
			  log_number("packets", spool->deleted_packets),
			  log_number("dropped",
				     drops - spool->drops_before - spool->deleted_packets));
	spool->drops_before = drops;
	spool->deleted_segments = spool->deleted_packets = 0;
	spool->is_deleting = spool->was_full = false;
}

void spool_end_shortages(struct spool *spool, const struct budget *budget,
			 struct budget_state state)
{
	struct spool_interface *interface;

	state.segments = 0;
	if (atomic_load(&spool->is_full) && budget_has_slack(budget, &state))
		set_full(spool, NULL, false);
	for (interface = spool->interfaces; interface; interface = interface->next) {
		const struct budget_state files = { .segments = interface->finished };

		if (interface->is_full && budget_has_slack(budget, &files))
			set_full(spool, interface, false);
	}
}

void spool_name_full(struct spool *spool, char ret_name[SEGMENT_INTERFACE_MAX + 1])
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);
	const struct spool_interface *each = spool->interfaces;

	while (each && !each->is_full)
		each = each->next;
	(void)snprintf(ret_name, SEGMENT_INTERFACE_MAX + 1, "%s",
		       each && !atomic_load(&spool->is_full) ? each->name : "");
}

bool spool_is_full(struct spool *spool, const char *interface)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);
	const struct spool_interface *each = spool->interfaces;
	char name[SEGMENT_INTERFACE_MAX + 1];

	name_format_interface(interface ? interface : "", name);
	while (each && !(each->is_full && (!interface || strcmp(each->name, name) == 0)))
		each = each->next;
	return each || atomic_load(&spool->is_full);
}
