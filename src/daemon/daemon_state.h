/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of the main thread share: daemon.c (start), daemon_{check,links,reload,status,stop,watch}.c. */

#include <stdatomic.h>

#include <systemd/sd-event.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/jobs.h"
#include "pipeline/pipeline.h"
#include "packet/chunk.h"
#include "spool/spool.h"
#include "status/history.h"
#include "status/server.h"
#include "upload/uploader.h"

#define DAEMON_STATUS_MAX 512

enum phase {
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_STOPPING
};

/* What a stop waits for. */
enum stop_step {
	STOP_CLOSING, /* the last segments */
	STOP_UPLOADING,
	STOP_ENDING, /* the uploader's threads */
};

struct daemon {
	const struct conf_cli *cli;
	const struct conf *conf;
	struct counters counters;
	struct connections *connections;
	struct chunk_pool pool;
	struct spool *spool;
	struct uploader *uploader;
	struct links *links;
	struct interfaces_view view;
	unsigned auto_index; /* of the interface that "auto" stands for; 0: none */
	bool is_links_error_told;
	struct pipelines *pipelines;
	struct jobs *jobs; /* what main must not wait for */
	struct capture_context capture_context;
	struct recorder_context recorder_context;

	sd_event *loop;
	int wake_fd; /* the uploader or the jobs have something to tell */
	enum phase phase;
	uint64_t started_ms, started_real_ns;
	atomic_bool is_stopping; /* the jobs look at it */
	enum stop_step step;
	uint64_t break_off_at_ms, leave_at_ms; /* of a stop: the uploads; all the rest */
	bool is_reloading, is_reload_asked;    /* the old stages are ending; once more, then */
	uint64_t watchdog_us;
	bool is_stuck;          /* a stage makes no progress; said once */
	bool is_upload_hanging; /* likewise, of the uploads */
	char status[DAEMON_STATUS_MAX];
	/* For src/status; the buffers are lent to what it gathers. */
	struct server *server;
	struct pages_actions actions;
	struct trend *trend;
	struct history *history;
	struct spool_totals totals; /* as the spool told last */
	char interfaces[DAEMON_STATUS_MAX], outage[DAEMON_STATUS_MAX];
	bool is_listen_failing;
	uint64_t listen_again_ms; /* monotonic; 0: no need to */
	struct error failure;     /* why the loop ended; ERROR_NONE: a signal asked for it */
};

/* Something failed that the process cannot go on without: stop in order, and return it from the loop. */
void daemon_fail(struct daemon *daemon, const struct error *err);

/* daemon.c, for daemon_check.c as well. Takes a reference to conf. */
struct daemon *daemon_new(const struct conf *conf, const struct conf_cli *cli)
	__attribute__((warn_unused_result));
void daemon_free(struct daemon *daemon);
/* What can be found wrong without touching the disk, and with the rights that we came with. */
int daemon_prepare(struct daemon *daemon, struct error *err) __attribute__((warn_unused_result));
/* What the configuration allows the spool to take; and tell the spool. */
struct budget daemon_budget(const struct conf *conf);
void daemon_set_budget(struct daemon *daemon);

/* daemon_stop.c: SIGTERM, SIGINT. */
int daemon_on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *signal,
			  void *context);
/* While stopping: take the next step if the last is done; leave the loop at the end or the deadline. */
void daemon_go_on_stopping(struct daemon *daemon);
/* An job: pipelines_join(). */
void daemon_join_pipelines(void *pipelines);

/* daemon_reload.c: SIGHUP. */
/*
 * Reload now; ERROR_TRANSIENT while another reload is going on. Logged here. Notes gets a line for each thing
 * that was not taken over all the same.
 */
int daemon_reload(struct daemon *daemon, struct text *notes, struct error *err)
	__attribute__((warn_unused_result));
int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context);
/* The last stages that a reload replaced may have ended. */
void daemon_go_on_reloading(struct daemon *daemon);

/* daemon_status.c: serve metrics and health. An address that cannot be had is tried again. */
int daemon_serve(struct daemon *daemon, struct error *err) __attribute__((warn_unused_result));
/* Where the configuration says; what fails is logged here, and tried again each tick that it is time. */
int daemon_listen(struct daemon *daemon, struct error *err);
/* What the pages and the rules go by, now. */
void daemon_gather(struct daemon *daemon, struct status_snapshot *ret_facts);
/* Each second. */
void daemon_tick_status(struct daemon *daemon);
/* daemon_links.c. Before pipelines are opened or checked: which interfaces there are, what "auto" stands for. */
int daemon_look_at_links(struct daemon *daemon, const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/* Warn of those that are asked for and not there. */
void daemon_tell_missing(struct daemon *daemon, const struct conf *conf);
/* The configuration stays what it was after all. */
void daemon_forget_look(struct daemon *daemon);
/* Interfaces may have come or gone, pipelines may have ended: do what follows from that. */
void daemon_follow_links(struct daemon *daemon);
int daemon_on_links(sd_event_source *source, int fd, uint32_t events, void *context);

/* daemon_watch.c: budget, READY and STATUS each second; the watchdog; what other threads have to tell. */
int daemon_on_tick(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_watchdog(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_wake(sd_event_source *source, int fd, uint32_t events, void *context);
#define DAEMON_TIMER_SLACK_US UINT64_C(100000)
