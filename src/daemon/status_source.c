/* SPDX-License-Identifier: Apache-2.0 */
/* Between the stages and src/status: what is asked of the one, gathered from the others. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_state.h"

#define SYSTEM_TABLE     "/proc/net/dev"
#define SYSTEM_TABLE_MAX ((size_t)1 << 20)
#define POOL_LOW_PERCENT 25
#define DESTINATION_MAX  1400 /* for the log */
/* A stage beats at least once a second; a machine may be busy for longer. */
#define PATIENCE_MS     UINT64_C(30000)
#define PATIENCE_MS_MIN UINT64_C(3000)

static void count_interface(void *context, const struct interface_counters *interface)
{
	struct status_snapshot *snapshot = context;

	snapshot->pipelines++;
	snapshot->pipelines_live += atomic_load(&interface->is_live);
}

static void add_missing(void *context, const char *name)
{
	struct status_snapshot *snapshot = context;

	if (snapshot->missing_count == STATUS_MISSING_MAX)
		snapshot->missing_more++;
	else
		(void)snprintf(snapshot->missing[snapshot->missing_count++],
			       sizeof *snapshot->missing, "%s", name);
}

/*
 * The network's own time-outs come first: what takes longer hangs in the kernel, or by a mistake of ours.
 * Where to: destination, which is cut to size.
 */
static struct status_stage upload_stage(const struct daemon *daemon, uint64_t now_ms,
					char *destination, size_t size)
{
	return (struct status_stage){
		true, "", uploader_last_beat_ms(daemon->uploader, now_ms, destination, size),
		2 * daemon->conf->upload_stall_timeout * CLOCK_MS_PER_S
	};
}

static void gather_stages(const struct daemon *daemon, struct status_snapshot *snapshot)
{
	bool is_memory_low = snapshot->chunks_free * 100 < snapshot->chunks * POOL_LOW_PERCENT;
	/* Half of what the service manager grants, so that it acts upon the same thing a probe does. */
	uint64_t half_ms = daemon->watchdog_us > 0 ? daemon->watchdog_us / 2000 : PATIENCE_MS;
	uint64_t patience_ms = half_ms > PATIENCE_MS_MIN ? half_ms : PATIENCE_MS_MIN;
	struct pipelines_progress progress;
	char destination[1];

	if (daemon->uploader)
		snapshot->stages[STATUS_STAGE_UPLOAD] =
			upload_stage(daemon, snapshot->now_ms, destination, sizeof destination);
	if (!daemon->pipelines) /* stopping */
		return;
	pipelines_progress(daemon->pipelines, &progress);
	snapshot->left_out_limit = progress.limit;
	snapshot->left_out = counter_read(&daemon->counters.interfaces_left_out);
	pipelines_each_missing(daemon->pipelines, add_missing, snapshot);
	snapshot_each_interface(snapshot, count_interface, snapshot);
	if (!progress.capture) /* no interface is there */
		return;
	snapshot->stages[STATUS_STAGE_CAPTURE] = (struct status_stage){ true, progress.capture,
									progress.capture_beat_ms,
									patience_ms };
	/*
	 * A recorder that waits for the disk is excused while there is room in memory: a restart would only
	 * lose what is there.
	 */
	snapshot->stages[STATUS_STAGE_RECORD] =
		(struct status_stage){ true, progress.recorder,
				       is_memory_low ? progress.recorder_beat_ms : snapshot->now_ms,
				       patience_ms };
}

void daemon_gather(void *context, struct status_snapshot *ret_snapshot)
{
	struct daemon *daemon = context;
	struct text interfaces = text_over(daemon->interfaces, sizeof daemon->interfaces);
	const struct link *tunnel;

	*ret_snapshot = (struct status_snapshot){
		.conf = daemon->conf,
		.counters = &daemon->counters,
		.series = daemon->series,
		.phase = daemon->phase,
		.now_ms = clock_monotonic_ms(),
		.started_ms = daemon->started_ms,
		.real_ns = clock_real_ns(),
		.started_real_ns = daemon->started_real_ns,
		.chunks = daemon->pool.count,
		.chunks_free = chunk_pool_free(&daemon->pool),
		.is_spool_full = spool_is_full(daemon->spool, NULL),
		.log_dropped_lines = log_dropped_lines(),
		.interfaces = daemon->interfaces,
		.outage = daemon->outage,
		.outage_reason = "",
	};
	if (conf_cuts_tunnels(daemon->conf) && daemon->view.links &&
	    (tunnel = links_find_tunnel(daemon->view.links)))
		ret_snapshot->tunnel = tunnel->name;
	/* While the spool is busy, what it last told. */
	ret_snapshot->is_spool_stale = !spool_totals(daemon->spool, &daemon->totals);
	ret_snapshot->spool = daemon->totals;
	if (daemon->uploader)
		ret_snapshot->outage_reason = uploader_outage(daemon->uploader, daemon->outage,
							      sizeof daemon->outage,
							      &ret_snapshot->is_outage_lasting);
	if (daemon->pipelines)
		pipelines_describe(daemon->pipelines, &interfaces);
	gather_stages(daemon, ret_snapshot);
}

/* A restart would not help, so that the watchdog has no part in it; somebody has to look. */
static void watch_uploads(struct daemon *daemon, uint64_t now_ms)
{
	char destination[DESTINATION_MAX];
	struct status_stage stage;
	bool is_hanging;

	if (!daemon->uploader)
		return;
	stage = upload_stage(daemon, now_ms, destination, sizeof destination);
	is_hanging = now_ms > stage.beat_ms + stage.patience_ms;
	if (is_hanging && !daemon->is_upload_hanging)
		log_event(EVENT_UPLOAD_STUCK,
			  log_number("seconds", (now_ms - stage.beat_ms) / CLOCK_MS_PER_S),
			  log_text("destination", destination));
	else if (!is_hanging && daemon->is_upload_hanging)
		log_event(EVENT_UPLOAD_UNSTUCK, log_text("destination", destination));
	daemon->is_upload_hanging = is_hanging;
}

void daemon_tick_status(struct daemon *daemon)
{
	cleanup_free char *table = NULL;
	struct status_snapshot snapshot;
	struct error err;
	size_t length;

	watch_uploads(daemon, clock_monotonic_ms());
	if (!series_are_due(daemon->series, clock_monotonic_ms()))
		return;
	if (file_read_text(AT_FDCWD, SYSTEM_TABLE, SYSTEM_TABLE_MAX, &table, &length, &err) < 0)
		table = mem_strdup("");
	daemon_gather(daemon, &snapshot);
	series_take(daemon->series, &snapshot, table);
}
