/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's upkeep, as jobs: limits, losses, a list that follows what an operator moved. Recovery of what a crash
 * left has a thread of its own, because it may take minutes: a reload's joins and the steps of a stop do not wait for
 * it.
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
