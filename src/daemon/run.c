/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "capture/capture_check.h"
#include "daemon/daemon_state.h"
#include "pipeline/pipelines_check.h"
#include "http/http.h"
#include "sink/sink.h"
#include "spool/ended.h"

/*
 * Every interface may hold one chunk (two sets of them during a reload), the rest is the queue between
 * captures and recorders: at the default of 16 interfaces 24 MiB, if all recorders stall at once.
 */
#define POOL_CHUNKS(interfaces) (16 + 2 * (interfaces))

static int on_segment_signal(sd_event_source *source, const struct signalfd_siginfo *signal,
			     void *context)
{
	struct daemon *daemon = context;

	(void)source;
	(void)signal;
	if (daemon->phase != STATUS_STOPPING)
		pipelines_end_segments(daemon->pipelines, "signal");
	return 0;
}

/* What commands and pages ask for --------------------------------------------------------------- */

static void end_segments_by_command(void *context)
{
	struct daemon *daemon = context;

	pipelines_end_segments(daemon->pipelines, "command");
}

struct ended_list {
	const struct conf *conf;
	FILE *out;
};

static void write_url(void *context, const char *name)
{
	char url[SINK_URL_MAX] = "";
	struct text text = text_over(url, sizeof url);
	const struct ended_list *list = context;

	sink_url(list->conf, name, &text);
	(void)fprintf(list->out, "%s\n", url);
}

static void write_ended_segments(void *context, uint64_t real_ns, FILE *out)
{
	struct daemon *daemon = context;
	struct ended_list list = { daemon->conf, out };

	ended_each(spool_ended(daemon->spool), real_ns, write_url, &list);
}

static void retry_segments(void *spool)
{
	spool_send_kept_back(spool);
	spool_retry_now(spool);
}

static void flush_by_command(void *context)
{
	struct daemon *daemon = context;

	spool_hurry(daemon->spool); /* before what is begun afterwards */
	end_segments_by_command(daemon);
	jobs_add(daemon->jobs, retry_segments, daemon->spool);
	uploader_retry_now(daemon->uploader);
}

/* Start ----------------------------------------------------------------------------------------- */

static const struct {
	int number;
	sd_event_signal_handler_t handler;
} signals[] = {
	{ SIGTERM, daemon_on_stop_signal },
	{ SIGINT, daemon_on_stop_signal },
	{ SIGHUP, daemon_on_reload },
	{ SIGUSR1, on_segment_signal },
};
#define SIGNAL_COUNT (sizeof signals / sizeof *signals)

/* Before the first thread, so that all of them inherit it: main alone reads signals. */
static int set_signals(struct error *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		(void)sigaddset(&set, signals[i].number);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_errno(err, "block signals");
	/* A reader that closed its end, a file size limit: errors of the call, not of the process. */
	if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigaction(SIGXFSZ, &ignore, NULL) < 0)
		return error_errno(err, "ignore signals");
	return 0;
}

static int build_loop(struct daemon *daemon, struct error *err)
{
	int result = sd_event_new(&daemon->loop);

	daemon->wake_fd = wakeup_open(err);
	if (daemon->wake_fd < 0)
		return -1;
	for (size_t i = 0; i < SIGNAL_COUNT && result >= 0; i++)
		result = sd_event_add_signal(daemon->loop, NULL, signals[i].number,
					     signals[i].handler, daemon);
	if (result >= 0)
		result = sd_event_add_io(daemon->loop, NULL, daemon->wake_fd, EPOLLIN,
					 daemon_on_wake, daemon);
	if (result >= 0)
		result = sd_event_add_io(daemon->loop, NULL, links_fd(daemon->view.links), EPOLLIN,
					 daemon_on_links, daemon);
	if (result >= 0)
		result = sd_event_add_time_relative(daemon->loop, NULL, CLOCK_MONOTONIC, 0,
						    DAEMON_TIMER_SLACK_US, daemon_on_tick, daemon);
	if (result >= 0 && sd_watchdog_enabled(0, &daemon->watchdog_us) > 0)
		result = sd_event_add_time_relative(daemon->loop, NULL, CLOCK_MONOTONIC, 0,
						    DAEMON_TIMER_SLACK_US, daemon_on_watchdog,
						    daemon);
	return result < 0 ? error_set(err, ERROR_FATAL, "event loop: %s", strerror(-result)) : 0;
}

/* Host names in the filter are another machine's affair. */
static int check_capture_offline(const struct conf *conf, struct error *err)
{
	const struct codec *codec;
	int level;

	if (codec_choose(conf, &codec, &level, err) < 0)
		return -1;
	return pipelines_check_text(conf, err);
}

/* With the rights and interfaces of the machine that records. */
static int check_capture(struct daemon *daemon, struct error *err)
{
	const struct conf *conf = daemon->conf;
	const struct codec *codec;
	struct error reason;
	int level;

	if (daemon_refresh_links(daemon, conf, err) < 0 ||
	    codec_choose(conf, &codec, &level, err) < 0 || capture_check_right(err) < 0)
		return -1;
	if (spool_check(conf->spool_directory, &reason) == 0)
		return 0;
	if (reason.kind == ERROR_CONFIG)
		return conf_error(conf, CONF_spool_directory, err, "%s", reason.message);
	*err = reason; /* a disk that is full or slow to appear: a restart may help */
	return -1;
}

int daemon_prepare(struct daemon *daemon, bool is_offline, struct error *err)
{
	const struct conf *conf = daemon->conf;

	chunk_pool_init(&daemon->pool, POOL_CHUNKS(conf->capture_max_interfaces));
	index_pool_init(&daemon->index_pool, INDEX_POOL_BYTES);
	atomic_store(&daemon->is_index_wanted, conf->segment_index);
	daemon->connections = connections_new();
	if (http_global_init(err) < 0 || server_check(conf, err) < 0 ||
	    privileges_prepare(conf, err) < 0)
		return -1;
	if ((is_offline ? check_capture_offline(conf, err) : check_capture(daemon, err)) < 0)
		return -1;
	/* A key that only root may read is read here. */
	if (uploader_new(conf, daemon->connections, &daemon->counters, &daemon->uploader, err) < 0)
		return -1;
	return 0;
}

static int start_stages(struct daemon *daemon, struct error *err)
{
	const struct conf *conf = daemon->conf;
	const struct capture_context capture_context = {
		.pool = &daemon->pool,
		.connections = daemon->connections,
		.counters = &daemon->counters,
		.wake_fd = daemon->wake_fd,
	};
	struct recorder_context recorder_context = {
		.node = conf->node_name,
		.pool = &daemon->pool,
		.index_pool = &daemon->index_pool,
		.counters = &daemon->counters,
		.wake_fd = daemon->wake_fd,
	};

	log_start_writing();
	daemon_log_missing(daemon, conf);
	daemon_log_small_limits(daemon, conf);
	if (jobs_start("jobs", daemon->wake_fd, &daemon->jobs, err) < 0 ||
	    jobs_start("upkeep", daemon->wake_fd, &daemon->upkeep, err) < 0 ||
	    jobs_start("recovery", daemon->wake_fd, &daemon->recovery, err) < 0)
		return -1;
	if (spool_open(conf->spool_directory, &daemon->counters, &daemon->spool, err) < 0)
		return -1;
	spool_set_budget(daemon->spool, conf);
	daemon->actions = (struct route_actions){
		.context = daemon,
		.gather = daemon_gather,
		.reload = daemon_reload,
		.reload_result = daemon_reload_result,
		.end_segments = end_segments_by_command,
		.write_ended = write_ended_segments,
		.flush = flush_by_command,
	};
	/* Early, so that a command finds who is starting. */
	if (daemon_serve(daemon, err) < 0)
		return -1;
	/* Before the first segment, which is for this destination. */
	if (uploader_start(daemon->uploader, daemon->spool, daemon->wake_fd, err) < 0)
		return -1;
	recorder_context.spool = daemon->spool;
	return pipelines_open(conf, &daemon->view, &capture_context, &recorder_context,
			      CAPTURE_FROM_START, &daemon->pipelines, err);
}

static void log_end(struct daemon *daemon)
{
	struct spool_totals totals = { 0 };
	struct drops drops = counters_drops(daemon->counters.drops);

	(void)spool_totals(daemon->spool, &totals); /* no other thread is left */
	log_event(EVENT_STOPPED, log_number("packets", counter_read(&daemon->counters.packets)),
		  log_number("dropped", drops_sum(&drops)),
		  log_number("uploaded", counter_read(&daemon->counters.segments_uploaded)),
		  log_number("waiting", totals.ready), log_number("rejected", totals.rejected));
}

void daemon_free(struct daemon *daemon)
{
	daemon->server = server_free(daemon->server);
	if (daemon->pipelines) /* the start failed */
		pipelines_end(daemon->pipelines, "stop", clock_real_ns());
	pipelines_join(daemon->pipelines);
	daemon->jobs = jobs_stop(daemon->jobs);
	daemon->upkeep = jobs_stop(daemon->upkeep);
	daemon->recovery = jobs_stop(daemon->recovery);
	daemon->uploader = uploader_free(daemon->uploader);
	if (daemon->phase != STATUS_STARTING)
		log_end(daemon);
	free(daemon->series);
	daemon->spool = spool_close(daemon->spool);
	daemon->connections = connections_free(daemon->connections);
	chunk_pool_done(&daemon->pool);
	counters_done(&daemon->counters);
	daemon->loop = sd_event_unref(daemon->loop);
	links_close(daemon->view.links);
	close_fd(&daemon->wake_fd);
	conf_free(daemon->conf);
	free(daemon);
}

struct daemon *daemon_new(const struct conf *conf, const struct conf_cli *cli)
{
	struct daemon *daemon = mem_calloc(1, sizeof *daemon);

	daemon->cli = cli;
	daemon->conf = conf_ref(conf);
	daemon->wake_fd = -1;
	daemon->started_ms = clock_monotonic_ms();
	daemon->started_real_ns = clock_real_ns();
	counters_init(&daemon->counters);
	return daemon;
}

int daemon_run(const struct conf *conf, const struct conf_cli *cli, bool *ret_is_hung,
	       struct error *err)
{
	struct daemon *daemon = daemon_new(conf, cli);
	int result = -1;

	*ret_is_hung = false;
	if (set_signals(err) == 0 && daemon_prepare(daemon, false, err) == 0 &&
	    privileges_drop(conf, false, err) == 0 && pipelines_check_text(conf, err) == 0 &&
	    build_loop(daemon, err) == 0 && start_stages(daemon, err) == 0) {
		memory_log(daemon, false);
		/* Until a stop has gone through or its deadline has come. */
		result = sd_event_loop(daemon->loop);
		if (result < 0)
			result = error_set(err, ERROR_FATAL, "event loop: %s", strerror(-result));
		if (daemon->failure.kind != ERROR_NONE) {
			*err = daemon->failure;
			result = -1;
		}
	}
	if (daemon->phase == STATUS_STOPPING && daemon_has_jobs(daemon)) {
		/* Its threads may still use what we have: nothing is freed. */
		*ret_is_hung = true;
		if (daemon->step == STOP_ENDING)
			log_end(daemon); /* only what was being sent is left: it is in the spool */
		else if (result == 0)
			result = error_set(err, ERROR_FATAL,
					   "stopped before the last segments were on disk, which "
					   "does not answer");
		return result;
	}
	daemon_free(daemon);
	return result;
}
