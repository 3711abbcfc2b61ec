/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "daemon/daemon_state.h"

#define TICK_US      UINT64_C(1000000)
#define STOP_TICK_US UINT64_C(100000) /* a stop keeps its deadlines by the ticks */
/* READY does not wait longer for an interface, nor for the destination's first answer, which the status line has. */
#define INTERFACE_PATIENCE_MS   10000
#define DESTINATION_PATIENCE_MS 2000

static void report_status(struct daemon *daemon)
{
	char bytes[DAEMON_STATUS_MAX], awaited[DAEMON_STATUS_MAX / 2], size[TEXT_SIZE_MAX],
		outage[ERROR_MESSAGE_MAX + 128];
	struct text line = text_over(bytes, sizeof bytes),
		    names = text_over(awaited, sizeof awaited);
	uint64_t packets = counter_read(&daemon->counters.packets),
		 discarded = counter_read(&daemon->counters.packets_discarded),
		 left_out = counter_read(&daemon->counters.interfaces_left_out);
	struct drops drops = counters_drops(daemon->counters.drops);
	struct pipelines_progress progress;
	struct spool_totals totals;

	if (!spool_totals(daemon->spool, &totals))
		return; /* the spool is busy: the next tick tells it */
	text_format_size(totals.bytes, size);
	(void)uploader_outage(daemon->uploader, outage, sizeof outage, NULL);
	if (daemon->pipelines) {
		text_append(&line, "recording ");
		pipelines_describe(daemon->pipelines, &line);
		/* All words, when nothing is recorded: patterns must be shown, too. */
		if (pipelines_are_live(daemon->pipelines))
			pipelines_describe_missing(daemon->pipelines, &names);
		else
			text_append(&names, "%s", daemon->conf->capture_interface);
		if (*awaited)
			text_append(&line, ", waiting for %s", awaited);
		pipelines_progress(daemon->pipelines, &progress);
		if (left_out > 0)
			text_append(&line, ", %ju more not recorded (limit: %s)",
				    (uintmax_t)left_out, progress.limit);
	} else {
		text_append(&line, "stopping, uploading what waits");
	}
	text_append(&line, ": %ju packets, %ju dropped; %ju segments uploaded, %ju waiting (%s)",
		    (uintmax_t)(packets > discarded ? packets - discarded : 0),
		    (uintmax_t)drops_sum(&drops),
		    (uintmax_t)counter_read(&daemon->counters.segments_uploaded),
		    (uintmax_t)(totals.ready + totals.sending), size);
	if (totals.rejected > 0)
		text_append(&line, ", %ju rejected", (uintmax_t)totals.rejected);
	if (*outage)
		text_append(&line, "; %s", outage);
	if (strcmp(bytes, daemon->status) != 0)
		(void)sd_notifyf(0, "STATUS=%s", bytes);
	memcpy(daemon->status, bytes, sizeof bytes);
}

static void log_recording(const struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;
	char bytes[256];
	struct text interfaces = text_over(bytes, sizeof bytes);

	pipelines_describe(daemon->pipelines, &interfaces);
	log_event(EVENT_RECORDING, log_text("version", PACKAGE_VERSION),
		  log_text("interface", interfaces.bytes), log_text("filter", conf->capture_filter),
		  log_text("node", conf->node_name),
		  log_text("destination", conf->upload_destination),
		  log_text("spool", conf->spool_directory));
}

/* The first interfaces are open, or will not be by themselves; -1: the start is over. */
static int settle_start(struct daemon *daemon, bool is_long)
{
	struct error err;
	int settled = pipelines_settle(daemon->pipelines, &err);

	if (settled < 0)
		daemon_fail(daemon, &err);
	else if ((settled > 0 || is_long) && !daemon->is_recording_told) {
		daemon->is_recording_told = true;
		log_recording(daemon);
	}
	return settled;
}

/*
 * READY means: packets are being captured. Whatever the destination says is in the status line, and ends nothing.
 * An interface may be long in coming,
 * and a service manager would take a start that waits for it for one that failed: then READY means that
 * it is recorded as soon as it comes, and the status line says what is waited for.
 */
static void announce_ready_if_due(struct daemon *daemon)
{
	uint64_t age_ms = clock_monotonic_ms() - daemon->started_ms;
	bool is_live;

	/* Also later: a filter may take its time. */
	if (daemon->phase == STATUS_STOPPING ||
	    settle_start(daemon, age_ms >= INTERFACE_PATIENCE_MS) < 0 ||
	    daemon->phase != STATUS_STARTING)
		return;
	is_live = pipelines_are_live(daemon->pipelines);
	if ((!is_live && age_ms < INTERFACE_PATIENCE_MS) ||
	    (uploader_probe(daemon->uploader) == UPLOADER_PROBE_PENDING &&
	     age_ms < DESTINATION_PATIENCE_MS))
		return;
	if (!is_live)
		log_event(EVENT_READY_WITHOUT_INTERFACE,
			  log_text("interface", daemon->conf->capture_interface));
	daemon->phase = STATUS_RECORDING;
	report_status(daemon);
	(void)sd_notify(0, "READY=1");
}

static int repeat_after(sd_event_source *source, uint64_t delay_us)
{
	int result = sd_event_source_set_time_relative(source, delay_us);

	return result < 0 ? result : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int daemon_on_tick(sd_event_source *source, uint64_t now_us, void *context)
{
	struct daemon *daemon = context;
	const struct conf *conf = daemon->conf;
	struct error err;

	(void)now_us;
	if (spool_is_removed(daemon->spool) && daemon->phase != STATUS_STOPPING) {
		error_set(&err, ERROR_FATAL, "the spool folder %s was removed",
			  conf->spool_directory);
		daemon_fail(daemon, &err);
	}
	if (daemon->phase != STATUS_STOPPING)
		daemon_maintain(daemon);
	if (daemon->pipelines)
		pipelines_pause_full(daemon->pipelines);
	daemon_follow_links(daemon);
	uploader_tick(daemon->uploader);
	announce_ready_if_due(daemon);
	daemon_continue_reload(daemon);
	report_status(daemon);
	daemon_tick_status(daemon);
	daemon_tick_server(daemon);
	daemon_continue_stop(daemon);
	return repeat_after(source, daemon->phase == STATUS_STOPPING ? STOP_TICK_US : TICK_US);
}

/* A sign of life only while every stage makes progress: a timer alone would hide a hang. */
int daemon_on_watchdog(sd_event_source *source, uint64_t now_us, void *context)
{
	struct daemon *daemon = context;
	struct status_snapshot snapshot;
	struct health health;

	(void)now_us;
	daemon_gather(daemon, &snapshot);
	health = health_judge(&snapshot);
	if (health.is_live)
		(void)sd_notify(0, "WATCHDOG=1");
	for (size_t i = 0; i < HEALTH_RULES && !daemon->is_stuck; i++)
		if (health.findings[i].rule->is_liveness && health.findings[i].is_failing)
			log_event(EVENT_STAGE_STUCK,
				  log_text("stage", health.findings[i].rule->name),
				  log_text("reason", health.findings[i].why));
	daemon->is_stuck = !health.is_live;
	return repeat_after(source, daemon->watchdog_us / 2);
}

int daemon_on_wake(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct daemon *daemon = context;

	(void)source;
	(void)events;
	wakeup_clear(fd);
	daemon_follow_links(daemon);
	announce_ready_if_due(daemon);
	daemon_continue_reload(daemon);
	daemon_continue_stop(daemon);
	return 0;
}
