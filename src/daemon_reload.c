/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/signalfd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon_notify.h"
#include "daemon_private.h"

static void keep_what_needs_a_restart(const struct conf *old, struct conf *conf)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_rows[i].reload == CONF_RELOAD_RESTART && conf_differs(old, conf, i)) {
			log_warning("option needs a restart, the old value stays",
				    log_text("option", conf_rows[i].key));
			conf_keep(conf, old, i);
		}
}

/* Everything that can fail is done first; then old and new change places. */
static int reload(struct daemon *daemon, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;
	const struct conf *old = daemon->conf;
	struct uploader *uploader = NULL;
	struct lanes *lanes = NULL;
	const struct codec *codec;
	struct error listing;
	int level;

	if (conf_load(daemon->cli, &conf, err) < 0)
		return -1;
	keep_what_needs_a_restart(old, conf);
	if (codec_choose(conf, &codec, &level, err) < 0)
		return -1;
	if (conf_needs(old, conf, CONF_RELOAD_UPLOAD) &&
	    uploader_new(conf, daemon->connections, &daemon->counters, &uploader, err) < 0)
		return -1;
	if (conf_needs(old, conf, CONF_RELOAD_CAPTURE) &&
	    lanes_open(conf, &daemon->capture_context, &daemon->recorder_context, &lanes, err) <
		    0) {
		uploader_free(uploader);
		return -1;
	}

	if (lanes && lanes_hand_over(&daemon->lanes, lanes, err) < 0) {
		uploader_free(uploader);
		return -1;
	}
	log_setup(conf->log_level + LOG_LEVEL_ERROR, conf->log_format);
	if (!lanes) {
		if (lanes_configure(daemon->lanes, conf, err) < 0)
			return -1;
		lanes_end_segments(daemon->lanes, "reload");
	}
	if (uploader) {
		uploader_stop(daemon->uploader);
		uploader_free(daemon->uploader);
		daemon->uploader = uploader;
		if (uploader_start(uploader, daemon->spool, daemon->wake_fd, err) < 0) {
			daemon_fail(daemon, err);
			return -1;
		}
	}
	conf_free(old);
	daemon->conf = take_ptr(conf);
	/* An operator may have put segments back. */
	if (spool_rescan(daemon->spool, &listing) < 0)
		log_error("spool cannot be listed", log_reason(&listing));
	return 0;
}

int daemon_on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *context)
{
	struct daemon *daemon = context;
	struct error err = { .kind = ERROR_NONE };

	(void)source;
	(void)signal;
	if (daemon->phase == PHASE_STOPPING)
		return 0;
	if (daemon->phase == PHASE_RUNNING)
		notify_reloading();
	if (reload(daemon, &err) < 0) {
		counter_add(&daemon->counters.reloads_refused, 1);
		log_error("reload refused, the old configuration stays", log_reason(&err));
	} else {
		counter_add(&daemon->counters.reloads, 1);
		log_notice("configuration reloaded");
	}
	/* Before the start is over, READY would be said too early; it ends the reload as well. */
	if (daemon->phase == PHASE_RUNNING)
		notify_ready();
	return 0;
}
