/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's upkeep, as jobs: limits, losses, a list that follows what an operator moved. Recovery of what a crash
 * left has a thread of its own, because it may take minutes: a reload's joins and the steps of a stop do not wait for
 * it.
 */
#include "base/log.h"
#include "daemon/daemon_state.h"
#include "record/record.h"

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
		.min_free = { conf->spool_min_free.amount, conf->spool_min_free.is_percent },
		.min_free_inodes = { conf->spool_min_free_inodes.amount,
				     conf->spool_min_free_inodes.is_percent },
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
	if (daemon->phase != STATUS_STOPPING && jobs_left(daemon->recovery) == 0)
		jobs_add(daemon->recovery, recover_segments, daemon);
}
