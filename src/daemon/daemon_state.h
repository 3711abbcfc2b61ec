/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the folder share, which are all the main thread's; from the top (run.c) down. Without a service
 * manager sd_notify() does nothing, so that its results are not needed.
 */

#include <stdatomic.h>

#include <systemd/sd-event.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/jobs.h"
#include "pipeline/pipeline.h"
#include "packet/packet.h"
#include "spool/spool.h"
#include "status/server.h"
#include "upload/upload.h"

#define DAEMON_STATUS_MAX 2048 /* a server's text is in it, and the remedy behind that */

/* What a stop waits for. */
enum stop_step {
	STOP_CLOSING, /* the last segments */
	STOP_UPLOADING,
	STOP_ENDING, /* the uploader's threads */
};

/* A configuration whose interfaces are being opened, beside those that it will take the place of. */
struct next {
	const struct conf *conf; /* NULL: there is none */
	struct destination *destination;
	struct pipelines *pipelines;
	struct interfaces_view view;
	uint64_t since_ms;
	bool is_kept[CONF_OPTION_COUNT]; /* of the old one, until a restart */
};

struct daemon {
	const struct conf_cli *cli;
	const struct conf *conf;
	struct counters counters;
	struct connections *connections;
	struct chunk_pool pool;
	struct index_pool index_pool;
	atomic_bool is_index_wanted; /* by segment.index; recovery looks at it */
	struct spool *spool;
	struct uploader *uploader;
	struct interfaces_view view;
	unsigned auto_index; /* of the interface that "auto" stands for; 0: none */
	bool is_links_error_logged;
	struct pipelines *pipelines;
	/* What main must not wait for, each in a thread of its own: steps of a reload or stop; what may take long. */
	struct jobs *jobs, *upkeep, *recovery;

	sd_event *loop;
	int wake_fd; /* the uploader or the jobs have something to tell */
	enum status_phase phase;
	uint64_t started_ms, started_real_ns;
	atomic_bool is_stopping; /* the jobs look at it */
	enum stop_step step;
	uint64_t break_off_at_ms, leave_at_ms; /* of a stop: the uploads; all the rest */
	bool is_reloading, is_reload_asked;    /* not over yet; once more, then */
	struct next next;                      /* of a reload */
	struct error reload_failure;           /* of the last one; ERROR_NONE: it went well */
	char notes[DAEMON_STATUS_MAX];         /* likewise, what was not taken over */
	struct text reload_notes;              /* in them */
	bool is_recording_told;
	uint64_t watchdog_us;   /* in which the service manager wants a sign of life; 0: none */
	bool is_stuck;          /* a stage makes no progress; said once */
	bool is_upload_hanging; /* likewise, of the uploads */
	char status[DAEMON_STATUS_MAX];
	/* For src/status; the buffers are lent to what it gathers. */
	struct server *server;
	struct route_actions actions;
	struct series_set *series;
	struct spool_totals totals; /* as the spool told last */
	char interfaces[DAEMON_STATUS_MAX], outage[DAEMON_STATUS_MAX];
	uint64_t listen_again_ms; /* monotonic; 0: the status is served, or not to be */
	struct error failure;     /* why the loop ended; ERROR_NONE: a signal asked for it */
};

/* run.c, for check.c as well. Takes a reference to conf. */
struct daemon *daemon_new(const struct conf *conf, const struct conf_cli *cli)
	__attribute__((warn_unused_result));
void daemon_free(struct daemon *daemon);
/*
 * What can be found wrong without changing anything, and with the rights that we came with. Offline: without
 * interfaces, spool and the permission to capture, which are those of another machine.
 */
int daemon_prepare(struct daemon *daemon, bool is_offline, struct error *err)
	__attribute__((warn_unused_result));
/* memory.c: warn if packets may take more memory than there is; is_detailed: say what they may take, anyway. */
void memory_log(const struct daemon *daemon, bool is_detailed);
/*
 * sandbox.c, for --check-config: would the packaged unit, if it runs with this configuration, keep the daemon from
 * writing to the destination? ERROR_CONFIG with the remedy.
 */
int sandbox_check(const struct conf *conf, struct error *err) __attribute__((warn_unused_result));

/* privileges.c: from root to an account that can do nothing but capture. Before any thread is started. */
/*
 * Started as root: become daemon.user and keep CAP_NET_RAW alone, so that interfaces can be opened again
 * later. A start gives the account the spool; --check-config leaves the spool as it is (is_check), and goes on
 * with the rights that a start would have. Otherwise nothing changes. An unknown account: ERROR_CONFIG or
 * ERROR_USAGE.
 */
int privileges_drop(const struct conf *conf, bool is_check, struct error *err)
	__attribute__((warn_unused_result));
/*
 * As root, before anything is changed: is there such an account, may it be given the spool's folder, and can
 * it get there? ERROR_CONFIG or ERROR_USAGE. Root or not, from then on there is no core dump and no debugger,
 * unless daemon.core_dumps allows them: before the first key is read.
 */
int privileges_prepare(const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));

/*
 * reload.c: SIGHUP and the command. Begins a reload, which may be over then, too; the log has its end. -1
 * (ERROR_TRANSIENT): another one is going on.
 */
int daemon_reload(void *daemon, struct error *err) __attribute__((warn_unused_result));
/* Of the last one. 1: it is not over; -1: it was refused. A line for each option that was not taken over. */
int daemon_reload_result(void *daemon, const char **ret_notes, struct error *err)
	__attribute__((warn_unused_result));
/* At a stop: not any more. */
void daemon_drop_reload(struct daemon *daemon);
int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context);
/* The new interfaces may be open, the last stages that a reload replaced may have ended. */
void daemon_continue_reload(struct daemon *daemon);

/* monitor.c: READY and STATUS each second; the watchdog; the wake-ups of other threads. */
int daemon_on_tick(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_watchdog(sd_event_source *source, uint64_t now_us, void *context);
int daemon_on_wake(sd_event_source *source, int fd, uint32_t events, void *context);
#define DAEMON_TIMER_SLACK_US UINT64_C(100000)

/* shutdown.c: SIGTERM, SIGINT. */
int daemon_on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *signal,
			  void *context);
/* The process cannot go on: stop in order, and return this error from the loop. */
void daemon_fail(struct daemon *daemon, const struct error *err);
/* While stopping: take the next step if the last is done; leave the loop at the end or the deadline. */
void daemon_continue_stop(struct daemon *daemon);

/* status_server.c: where status_listen and the control socket say. What fails is logged, and tried again. */
int daemon_serve(struct daemon *daemon, struct error *err) __attribute__((warn_unused_result));
int daemon_listen(struct daemon *daemon, struct error *err);
/* Each second. */
void daemon_tick_server(struct daemon *daemon);

/* status_source.c: what pages and rules go by, now. */
void daemon_gather(void *daemon, struct status_snapshot *ret_snapshot);
/* Each second. */
void daemon_tick_status(struct daemon *daemon);

/* follow_links.c. Before pipelines are opened or checked: which interfaces there are, what "auto" stands for. */
int daemon_refresh_links(struct daemon *daemon, const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/* Warn of interfaces that are asked for and not there. */
void daemon_log_missing(struct daemon *daemon, const struct conf *conf);
/* Warn of limits of the spool that have no room for what the interfaces that there are make; waits for the disk. */
void daemon_log_small_limits(struct daemon *daemon, const struct conf *conf);
/* Of packets in tunnels, is more cut off than of others? */
void daemon_log_cut_tunnels(struct daemon *daemon, const struct conf *conf);
/* The same as a job: while running, main does not wait. */
void daemon_check_limits(struct daemon *daemon, const struct conf *conf);
/* Interfaces may have come or gone, pipelines may have ended: do what follows from that. */
void daemon_follow_links(struct daemon *daemon);
int daemon_on_links(sd_event_source *source, int fd, uint32_t events, void *context);

/* maintenance.c. Each second: have the spool looked after. */
void daemon_maintain(struct daemon *daemon);
/* Have its folders listed again. */
void daemon_rescan(struct daemon *daemon);
/* Is any job left, of whatever kind? */
bool daemon_has_jobs(const struct daemon *daemon);
