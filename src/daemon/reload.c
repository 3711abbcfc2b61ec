/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <sys/signalfd.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_state.h"

/* Until the interfaces of a new configuration are open: their filter may take its time. */
#define OPEN_MS_MAX UINT64_C(30000)

static void keep_what_needs_a_restart(const struct conf *old, struct conf *conf,
				      bool kept[CONF_OPTION_COUNT])
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		kept[i] = conf_rows[i].reload == CONF_RELOAD_RESTART && conf_differs(old, conf, i);
		if (kept[i])
			conf_keep(conf, old, i);
	}
}

/* Once the rest is taken over: of a configuration that is refused, nothing needs a restart. */
static void report_kept(const struct conf *conf, const bool kept[CONF_OPTION_COUNT],
			struct text *notes)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		if (!kept[i])
			continue;
		log_event(EVENT_RESTART_NEEDED, log_text("option", conf_rows[i].key));
		text_append(notes, "%s needs a restart, the old value stays\n", conf_rows[i].key);
		/* The commands look for our socket by the file that they read. */
		if (i == CONF_spool_directory)
			text_append(notes, "until then, commands may need -o %s\n",
				    conf->spool_directory);
	}
}

void daemon_drop_reload(struct daemon *daemon)
{
	struct next next = daemon->next;

	daemon->next = (struct next){ .conf = NULL };
	if (next.pipelines) {
		pipelines_end(next.pipelines, "stop", 0);
		jobs_add(daemon->jobs, pipelines_join, next.pipelines);
	}
	if (next.destination)
		destination_release(next.destination);
	conf_free(next.conf);
}

/* What can fail: what the file says, the destination, and for another capture, its interfaces. 1: those are opening. */
static int prepare_next(struct daemon *daemon, struct error *err)
{
	const struct conf *old = daemon->conf;
	struct next *next = &daemon->next;
	struct error reason;
	struct conf *conf;
	int result = 0;

	if (conf_load(daemon->cli, &conf, err) < 0)
		return -1;
	next->conf = conf;
	next->since_ms = clock_monotonic_ms();
	keep_what_needs_a_restart(old, conf, next->is_kept);
	if (server_check(conf, err) < 0)
		return -1;
	/* A sink may keep the room free, too. */
	if ((conf_needs(old, conf, CONF_RELOAD_UPLOAD) ||
	     conf_differs(old, conf, CONF_spool_min_free)) &&
	    uploader_prepare(daemon->uploader, conf, &next->destination, err) < 0)
		return -1;
	if (!conf_needs(old, conf, CONF_RELOAD_CAPTURE))
		return 0;
	if (daemon_refresh_links(daemon, conf, err) < 0)
		return -1;
	next->view = daemon->view;
	if (pipelines_open_beside(daemon->pipelines, conf, &next->view, &next->pipelines, err) == 0)
		result = 1;
	/* As it was, for those that record. */
	if (daemon_refresh_links(daemon, old, &reason) < 0)
		log_error("interfaces cannot be followed", log_reason(&reason));
	return result == 1 ? 1 : -1;
}

/* Old and new change places, and the old ones end by and by. */
static int take_next(struct daemon *daemon, struct text *notes, struct error *err)
{
	const struct conf *old = daemon->conf, *conf = daemon->next.conf;
	struct pipelines *pipelines = daemon->next.pipelines;
	struct error reason;

	if ((pipelines ? daemon_refresh_links(daemon, conf, err)
		       : pipelines_configure(daemon->pipelines, conf, err)) < 0)
		return -1;
	uploader_swap(daemon->uploader, conf, daemon->next.destination);
	if (pipelines) {
		pipelines_take_over(pipelines, daemon->pipelines);
		jobs_add(daemon->jobs, pipelines_join, daemon->pipelines);
		daemon->pipelines = pipelines;
		daemon_log_missing(daemon, conf);
		daemon_check_limits(daemon, conf);
	} else {
		pipelines_end_segments(daemon->pipelines, "reload");
	}
	conf_setup_log(conf);
	daemon->conf = conf;
	atomic_store(&daemon->is_index_wanted, daemon->conf->segment_index);
	spool_set_budget(daemon->spool, daemon->conf);
	report_kept(conf, daemon->next.is_kept, notes);
	daemon->next = (struct next){ .conf = NULL };
	if (conf_differs(daemon->conf, old, CONF_status_listen) &&
	    daemon_listen(daemon, &reason) < 0)
		text_append(
			notes,
			"status.listen %s cannot be served, and is tried again now and then: %s\n",
			daemon->conf->status_listen, reason.message);
	/* An operator may have put segments back. */
	daemon_rescan(daemon);
	conf_free(old);
	return 0;
}

/* Result: of its last step. */
static void finish_reload(struct daemon *daemon, int result, const struct error *err)
{
	daemon->reload_failure.kind = ERROR_NONE;
	if (result == 0) {
		counter_add(&daemon->counters.reloads, 1);
		log_event(EVENT_RELOADED);
		return;
	}
	daemon_drop_reload(daemon);
	daemon->reload_failure = *err;
	counter_add(&daemon->counters.reloads_refused, 1);
	log_event(EVENT_RELOAD_REFUSED, log_reason(err));
}

/* The new interfaces may be open. */
static void continue_next(struct daemon *daemon)
{
	struct error err;
	int result = pipelines_settle(daemon->next.pipelines, &err);

	if (result == 0 && clock_monotonic_ms() < daemon->next.since_ms + OPEN_MS_MAX)
		return;
	if (result == 0)
		result =
			error_set(&err, ERROR_TRANSIENT,
				  "capture.filter: not compiled within %d s; if it has host names, "
				  "the name servers do not answer, and addresses are safer",
				  (int)(OPEN_MS_MAX / CLOCK_MS_PER_S));
	else if (result > 0)
		result = take_next(daemon, &daemon->reload_notes, &err);
	finish_reload(daemon, result, &err);
}

int daemon_reload(void *context, struct error *err)
{
	struct daemon *daemon = context;
	struct error failure;
	int result;

	if (daemon->is_reloading || daemon->next.conf)
		return error_set(err, ERROR_TRANSIENT, "another reload is going on");
	/* Before the start is over, READY would be said too early; it ends the reload as well. */
	daemon->is_reloading = daemon->phase == STATUS_RECORDING;
	if (daemon->is_reloading)
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
				 clock_monotonic_ns() / 1000);
	daemon->reload_notes = text_over(daemon->notes, sizeof daemon->notes);
	result = prepare_next(daemon, &failure);
	if (result == 0)
		result = take_next(daemon, &daemon->reload_notes, &failure);
	if (result <= 0)
		finish_reload(daemon, result, &failure);
	daemon_continue_reload(daemon);
	return 0;
}

int daemon_reload_result(void *context, const char **ret_notes, struct error *err)
{
	struct daemon *daemon = context;

	if (daemon->next.conf)
		return 1;
	*ret_notes = daemon->notes;
	if (daemon->reload_failure.kind == ERROR_NONE)
		return 0;
	*err = daemon->reload_failure;
	return -1;
}

int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context)
{
	struct daemon *daemon = context;
	struct error err;

	(void)source;
	(void)signal;
	if (daemon->phase != STATUS_STOPPING)
		daemon->is_reload_asked = daemon_reload(daemon, &err) < 0;
	return 0;
}

void daemon_continue_reload(struct daemon *daemon)
{
	if (daemon->phase == STATUS_STOPPING)
		return;
	if (daemon->next.pipelines)
		continue_next(daemon);
	if (daemon->next.conf || jobs_left(daemon->jobs) > 0)
		return;
	if (daemon->is_reloading)
		(void)sd_notify(0, "READY=1");
	daemon->is_reloading = false;
	/* Once for all that asked meanwhile: a reload that is over at once comes here again. */
	if (daemon->is_reload_asked) {
		daemon->is_reload_asked = false;
		(void)daemon_on_reload(NULL, NULL, daemon);
	}
}
