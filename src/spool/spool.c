/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/spool.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

/* From the folders, and what an earlier run left half done in them, to the list. */
static int load_spool(struct spool *spool, const char *directory, struct error *err)
{
	if (spool_folder_open(spool, directory, err) < 0)
		return -1;
	spool_destinations_load(spool);
	if (spool_sequence_open(spool, err) < 0 || spool_clean_up(spool, err) < 0 ||
	    spool_ledger_open(spool, err) < 0 || spool_scan(spool, err) < 0)
		return -1;
	spool_ledger_undo_unfinished(spool);
	return 0;
}

int spool_open(const char *directory, struct counters *counters, struct spool **ret_spool,
	       struct error *err)
{
	struct spool *spool = mem_calloc(1, sizeof *spool);
	int result;

	spool->counters = counters;
	spool->directory = mem_strdup(directory);
	spool->budget.max_segments = UINT64_MAX;
	spool->capacity = 64;
	spool->entries = mem_calloc(spool->capacity, sizeof(struct spool_entry *));
	(void)pthread_mutex_init(&spool->sequence_lock, NULL);
	(void)pthread_mutex_init(&spool->destination_lock, NULL);
	(void)pthread_mutex_init(&spool->budget_lock, NULL);
	(void)pthread_mutex_init(&spool->stating_lock, NULL);
	(void)pthread_mutex_init(&spool->ledger_lock, NULL);
	(void)pthread_mutex_init(&spool->event_lock, NULL);
	(void)pthread_mutex_init(&spool->lock, NULL);
	ended_init(&spool->ended);
	(void)pthread_cond_init(&spool->changed, NULL);
	(void)pthread_mutex_lock(&spool->lock);
	result = load_spool(spool, directory, err);
	(void)pthread_mutex_unlock(&spool->lock);
	if (result < 0) {
		spool_close(spool);
		return error_wrap(err, "spool %s", directory);
	}
	*ret_spool = spool;
	return 0;
}

struct spool *spool_close(struct spool *spool)
{
	if (!spool)
		return NULL;
	if (spool->lock_fd >= 0) {
		spool_ledger_save(spool);
		spool_sequence_close(spool);
	}
	spool_folder_close(spool);
	spool_entries_clear(spool);
	spool_destinations_free(spool);
	(void)pthread_cond_destroy(&spool->changed);
	ended_done(&spool->ended);
	(void)pthread_mutex_destroy(&spool->lock);
	(void)pthread_mutex_destroy(&spool->event_lock);
	(void)pthread_mutex_destroy(&spool->ledger_lock);
	(void)pthread_mutex_destroy(&spool->stating_lock);
	(void)pthread_mutex_destroy(&spool->budget_lock);
	(void)pthread_mutex_destroy(&spool->destination_lock);
	(void)pthread_mutex_destroy(&spool->sequence_lock);
	free(spool->directory);
	free(spool);
	return NULL;
}

int spool_rescan(struct spool *spool, struct error *err)
{
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	result = spool_scan(spool, err);
	(void)pthread_mutex_unlock(&spool->lock);
	spool_retry_now(spool);
	return result;
}

/*
 * The folders may be deleted while they are open, by somebody or by the server of a network file system. What
 * is left are descriptors of nothing; what was in them is counted, and a new start makes new ones.
 */
static void check_folders(struct spool *spool)
{
	struct error err;

	if (spool_is_removed(spool) || spool_folder_is_intact(spool))
		return;
	log_event(EVENT_SPOOL_REMOVED, log_text("spool", spool->directory));
	(void)pthread_mutex_lock(&spool->lock);
	if (spool_scan(spool, &err) < 0)
		log_debug("the folders that are left cannot be listed", log_reason(&err));
	(void)pthread_mutex_unlock(&spool->lock);
	atomic_store(&spool->is_removed, true);
}

bool spool_is_removed(const struct spool *spool)
{
	return atomic_load(&spool->is_removed);
}

void spool_maintain(struct spool *spool)
{
	check_folders(spool);
	spool_finish_removals(spool);
	spool_metadata_learn(spool);
	spool_destinations_follow_clock(spool, clock_real_ns());
	spool_ledger_save(spool);
	spool_kept_expire(spool);
	spool_enforce(spool);
}
