/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <sys/signalfd.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_state.h"

/* Options that keep their old values until a restart. */
struct kept {
	bool is_kept[CONF_OPTION_COUNT];
};

static void keep_what_needs_a_restart(const struct conf *old, struct conf *conf, struct kept *kept)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		kept->is_kept[i] = conf_rows[i].reload == CONF_RELOAD_RESTART &&
				   conf_differs(old, conf, i);
		if (kept->is_kept[i])
			conf_keep(conf, old, i);
	}
}

/* Once the rest is taken over: of a configuration that is refused, nothing needs a restart. */
static void report_kept(const struct conf *conf, const struct kept *kept, struct text *notes)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		if (!kept->is_kept[i])
			continue;
		log_event(EVENT_RESTART_NEEDED, log_text("option", conf_rows[i].key));
		text_append(notes, "%s needs a restart, the old value stays\n", conf_rows[i].key);
		/* The commands look for our socket by the file that they read. */
		if (i == CONF_spool_directory)
			text_append(notes, "until then, commands may need -o %s\n",
				    conf->spool_directory);
	}
}

static void destination_cleanup(struct destination **next)
{
	destination_release(*next);
}

/* Everything that can fail is done first; then old and new change places, and the old ones end by and by. */
static int replace_configuration(struct daemon *daemon, struct text *notes, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;
	const struct conf *old = daemon->conf;
	cleanup(destination_cleanup) struct destination *destination = NULL;
	struct pipelines *old_pipelines = NULL;
	struct error reason;
	struct kept kept;

	if (conf_load(daemon->cli, &conf, err) < 0)
		return -1;
	keep_what_needs_a_restart(old, conf, &kept);
	if (server_check(conf, err) < 0)
		return -1;
	/* A sink may keep the room free, too. */
	if ((conf_needs(old, conf, CONF_RELOAD_UPLOAD) ||
	     conf_differs(old, conf, CONF_spool_min_free)) &&
	    uploader_prepare(daemon->uploader, conf, &destination, err) < 0)
		return -1;
	if (conf_needs(old, conf, CONF_RELOAD_CAPTURE)) {
		int result = daemon_refresh_links(daemon, conf, err);

		if (result == 0)
			result = pipelines_replace(&daemon->pipelines, conf, &daemon->view,
						   &old_pipelines, err);
		jobs_add(daemon->jobs, pipelines_join, old_pipelines);
		if (result < 0)
			return -1;
		daemon_log_missing(daemon, conf);
		daemon_log_small_limits(daemon, conf);
	} else {
		if (pipelines_configure(daemon->pipelines, conf, err) < 0)
			return -1;
		pipelines_end_segments(daemon->pipelines, "reload");
	}
	conf_setup_log(conf);
	uploader_swap(daemon->uploader, conf, take_ptr(destination));
	daemon->conf = take_ptr(conf);
	spool_set_budget(daemon->spool, daemon->conf);
	report_kept(daemon->conf, &kept, notes);
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

int daemon_reload(void *context, struct text *notes, struct error *err)
{
	struct daemon *daemon = context;
	struct error reason;
	int result;

	if (daemon->is_reloading)
		return error_set(err, ERROR_TRANSIENT, "another reload is going on");
	/* Before the start is over, READY would be said too early; it ends the reload as well. */
	daemon->is_reloading = daemon->phase == STATUS_RECORDING;
	if (daemon->is_reloading)
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
				 clock_monotonic_ns() / 1000);
	result = replace_configuration(daemon, notes, err);
	if (result < 0) {
		counter_add(&daemon->counters.reloads_refused, 1);
		/* As it was for the configuration that stays. */
		if (daemon_refresh_links(daemon, daemon->conf, &reason) < 0)
			log_error("interfaces cannot be followed", log_reason(&reason));
		log_event(EVENT_RELOAD_REFUSED, log_reason(err));
	} else {
		counter_add(&daemon->counters.reloads, 1);
		log_event(EVENT_RELOADED);
	}
	daemon_continue_reload(daemon);
	return result;
}

int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context)
{
	struct daemon *daemon = context;
	char bytes[1]; /* the log has it all */
	struct text notes = text_over(bytes, sizeof bytes);
	struct error err;

	(void)source;
	(void)signal;
	if (daemon->phase == STATUS_STOPPING)
		return 0;
	daemon->is_reload_asked = daemon->is_reloading;
	if (!daemon->is_reloading && daemon_reload(daemon, &notes, &err) < 0)
		log_debug("reload failed"); /* said already */
	return 0;
}

void daemon_continue_reload(struct daemon *daemon)
{
	if (!daemon->is_reloading || daemon->phase == STATUS_STOPPING ||
	    jobs_left(daemon->jobs) > 0)
		return;
	(void)sd_notify(0, "READY=1");
	daemon->is_reloading = false;
	if (daemon->is_reload_asked)
		(void)daemon_on_reload(NULL, NULL, daemon);
}
