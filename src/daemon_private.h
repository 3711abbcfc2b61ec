/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of the main thread share: daemon.c (start, stop), daemon_reload.c, daemon_watch.c. */

#include <systemd/sd-event.h>

#include "base/connections.h"
#include "base/counters.h"
#include "daemon_lanes.h"
#include "packet/chunk.h"
#include "spool/spool.h"
#include "upload/uploader.h"

#define DAEMON_STATUS_MAX 512

enum phase {
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_STOPPING
};

struct daemon {
	const struct conf_cli *cli;
	const struct conf *conf;
	struct counters counters;
	struct connections *connections;
	struct chunk_pool pool;
	struct spool *spool;
	struct uploader *uploader;
	struct lanes *lanes;
	struct capture_context capture_context;
	struct recorder_context recorder_context;

	sd_event *loop;
	int wake_fd; /* the uploader has something to tell */
	enum phase phase;
	uint64_t started_ms, stop_at_ms;
	uint64_t watchdog_us;
	bool is_stuck; /* a stage makes no progress; said once */
	char status[DAEMON_STATUS_MAX];
	struct error failure; /* why the loop ended; ERROR_NONE: a signal asked for it */
};

/* Something failed that the process cannot go on without: stop in order, and return it from the loop. */
void daemon_fail(struct daemon *daemon, const struct error *err);
/* While stopping: leave the loop when the uploads are done, or the deadline has come. */
void daemon_end_if_drained(struct daemon *daemon);

/* daemon_reload.c: SIGHUP. */
int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context);

/* daemon_watch.c: budget, READY and STATUS each second; the watchdog; what the uploader has to tell. */
int daemon_on_tick(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_watchdog(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_uploader(sd_event_source *source, int fd, uint32_t events, void *context);
#define DAEMON_TIMER_SLACK_US UINT64_C(100000)
