/* SPDX-License-Identifier: Apache-2.0 */
/* The spool in numbers, for the status and the rules of health. */
#include "base/clock.h"
#include "spool/spool_private.h"

/* When the oldest begins in these folders, in name order, so by time; 0: there is none. */
static uint64_t find_oldest_ns(const struct spool *spool, enum spool_folder from,
			       enum spool_folder to)
{
	for (size_t i = 0; i < spool->count; i++)
		if (spool->entries[i]->folder >= from && spool->entries[i]->folder <= to &&
		    !spool->entries[i]->is_proven)
			return name_start_ns(spool->entries[i]->name);
	return 0;
}

/* How many wait for nothing but their moment; the oldest of the others, for which that time does not count. */
static void look_for_spread(struct spool *spool, struct spool_totals *totals)
{
	const struct spread spread = spool_spread(spool);
	uint64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < spool->count; i++) {
		const struct spool_entry *entry = spool->entries[i];
		uint64_t due_ms = spread_due_ms(&spread, entry);

		if ((entry->folder != SPOOL_READY && entry->folder != SPOOL_SENDING) ||
		    entry->is_proven)
			continue;
		if (due_ms > now_ms && !entry->is_claimed && !entry->is_kept_back)
			totals->delayed++;
		else if (totals->oldest_ns == 0)
			totals->oldest_ns = name_start_ns(entry->name) +
					    (due_ms > 0 ? due_ms - entry->ended_ms : 0) *
						    CLOCK_NS_PER_MS;
	}
}

bool spool_totals(struct spool *spool, struct spool_totals *ret_totals)
{
	struct budget_state state, needed;
	struct budget budget;

	if (pthread_mutex_trylock(&spool->lock) != 0)
		return false;
	budget = spool_budget(spool);
	state = spool_state(spool);
	needed = spool_without_kept(spool, state);
	*ret_totals = (struct spool_totals){
		.capturing = spool->counts[SPOOL_CAPTURING],
		.ready = spool->counts[SPOOL_READY],
		.sending = spool->counts[SPOOL_SENDING],
		.rejected = spool->counts[SPOOL_REJECTED],
		.fullest = state.segments,
		.bytes = state.bytes,
		.room_bytes = budget_room_bytes(&budget, &state),
		.room_inodes = budget_room_inodes(&budget, &state),
		.use = budget_use(&budget, &needed),
		.refused = spool->refused,
		.lost = spool->lost,
		.disk_free = state.disk_free,
		.disk_total = state.disk_total,
		.oldest_capturing_ns = spool->counts[SPOOL_CAPTURING] > 0
					       ? find_oldest_ns(spool, SPOOL_CAPTURING,
								SPOOL_CAPTURING)
					       : 0,
		.kept = spool->counts[SPOOL_KEPT],
		.kept_bytes = spool->kept_bytes,
		.oldest_kept_ns = spool->counts[SPOOL_KEPT] > 0
					  ? find_oldest_ns(spool, SPOOL_KEPT, SPOOL_KEPT)
					  : 0,
		.oldest_unsent_ns = find_oldest_ns(spool, SPOOL_READY, SPOOL_SENDING),
	};
	look_for_spread(spool, ret_totals);
	spool_name_full(spool, ret_totals->full_interface);
	for (size_t i = 0; i < spool->count; i++)
		ret_totals->kept_back += spool->entries[i]->is_kept_back &&
					 spool->entries[i]->folder == SPOOL_READY;
	spool_recent_fill(spool, ret_totals->recent);
	(void)pthread_mutex_unlock(&spool->lock);
	return true;
}
