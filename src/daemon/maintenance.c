/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's upkeep, as jobs: limits, losses, a list that follows what an operator moved. Recovery of what a crash
 * left has a thread of its own, because it may take minutes: a reload's joins and the steps of a stop do not wait for
 * it.
 */
#include "base/log.h"
#include "daemon/daemon_state.h"
#include "record/record.h"

static struct budget_floor share_of(struct conf_share share)
{
	return (struct budget_floor){ share.amount, share.is_percent };
}

struct budget daemon_budget(const struct conf *conf)
{
	static const enum budget_policy policies[] = {
		[CONF_WHEN_FULL_DROP_OLDEST] = BUDGET_DROP_OLDEST,
		[CONF_WHEN_FULL_DROP_NEWEST] = BUDGET_DROP_NEWEST,
		[CONF_WHEN_FULL_STOP_CAPTURE] = BUDGET_STOP_CAPTURE,
	};

	return (struct budget){
		.policy = policies[conf->spool_when_full],
		.max_segments = conf->spool_max_segments,
		.max_bytes = conf->spool_max_size,
		.min_free = share_of(conf->spool_min_free),
		.min_free_inodes = share_of(conf->spool_min_free_inodes),
		.workers = conf->upload_workers,
	};
}

void daemon_set_budget(struct daemon *daemon)
{
	const struct budget budget = daemon_budget(daemon->conf);

	spool_set_budget(daemon->spool, &budget);
}

static void maintain_spool(void *spool)
{
	spool_maintain(spool);
}

static void recover_segments(void *context)
{
	struct daemon *daemon = context;

	recover_unfinished(daemon->spool, &daemon->counters, &daemon->is_stopping);
}

void daemon_maintain(struct daemon *daemon)
{
	/* One of each at a time. */
	if (jobs_left(daemon->jobs) == 0)
		jobs_add(daemon->jobs, maintain_spool, daemon->spool);
	if (daemon->phase != PHASE_STOPPING && jobs_left(daemon->recovery) == 0)
		jobs_add(daemon->recovery, recover_segments, daemon);
}

static void rescan_spool(void *spool)
{
	struct error err;

	if (spool_rescan(spool, &err) < 0)
		log_error("spool cannot be listed", log_reason(&err));
}

void daemon_rescan(struct daemon *daemon)
{
	jobs_add(daemon->jobs, rescan_spool, daemon->spool);
}

static void retry_segments(void *spool)
{
	spool_retry_now(spool);
}

void daemon_retry_now(struct daemon *daemon)
{
	jobs_add(daemon->jobs, retry_segments, daemon->spool);
	uploader_retry_now(daemon->uploader);
}
