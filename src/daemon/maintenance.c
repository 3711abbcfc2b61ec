/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's upkeep, as jobs: limits, losses, a list that follows what an operator moved. Recovery of what a crash
 * left has a thread of its own, because it may take minutes. A reload's joins and the steps of a stop wait for neither.
 */
#include "base/log.h"
#include "daemon/daemon_state.h"
#include "record/record.h"

static void maintain_spool(void *spool)
{
	spool_maintain(spool);
}

static void recover_segments(void *context)
{
	struct daemon *daemon = context;

	recover_unfinished(daemon->spool, &daemon->counters,
			   atomic_load(&daemon->is_index_wanted) ? &daemon->index_pool : NULL,
			   &daemon->is_stopping);
}

static void rescan_spool(void *spool)
{
	struct error err;

	if (spool_rescan(spool, &err) < 0)
		log_error("spool cannot be listed", log_reason(&err));
}

void daemon_rescan(struct daemon *daemon)
{
	jobs_add(daemon->upkeep, rescan_spool, daemon->spool);
}

bool daemon_has_jobs(const struct daemon *daemon)
{
	return jobs_left(daemon->jobs) > 0 || jobs_left(daemon->upkeep) > 0 ||
	       jobs_left(daemon->recovery) > 0;
}

void daemon_maintain(struct daemon *daemon)
{
	/* One of each at a time. */
	if (jobs_left(daemon->upkeep) == 0)
		jobs_add(daemon->upkeep, maintain_spool, daemon->spool);
	if (daemon->phase != STATUS_STOPPING && jobs_left(daemon->recovery) == 0)
		jobs_add(daemon->recovery, recover_segments, daemon);
}
