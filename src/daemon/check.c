/* SPDX-License-Identifier: Apache-2.0 */
/* --check-config: what a start does until it would change something, and what it would run into later. */
#include "daemon/daemon.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_state.h"
#include "pipeline/pipelines_check.h"

/* A start would go on all the same, or another start would not be the one that matters. */
static void log_doubts(const struct conf *conf)
{
	uint64_t needed, there;
	const char *exceeded = spool_too_small(conf, 0, &needed, &there);
	cleanup_free char *account = file_account();
	struct error err;

	if (exceeded)
		log_warning("the spool's file system has no room: until it has, new segments are "
			    "dropped or waiting ones deleted",
			    log_text("spool", conf->spool_directory), log_text("option", exceeded));
	if (conf->file && access(conf->file, R_OK) < 0)
		log_warning("a reload cannot read the configuration file, which root reads at a "
			    "start",
			    log_text("file", conf->file), log_text("as", account),
			    log_text("remedy", "chgrp it to a group of the account, chmod 640"));
	/* The status address is then taken by the same process. */
	if (spool_is_in_use(conf->spool_directory))
		log_warning("another kube-node-tracer uses this spool: it can reload this "
			    "configuration, a second one would not start",
			    log_text("spool", conf->spool_directory));
	else if (server_try(conf, &err) < 0)
		log_warning("metrics and health could not be served, a start would record without",
			    log_text("address", conf->status_listen), log_reason(&err));
}

static int check_online(struct daemon *daemon, struct error *err)
{
	const struct conf *conf = daemon->conf;
	int result = -1;

	if (daemon_prepare(daemon, false, err) == 0 && privileges_drop(conf, true, err) == 0 &&
	    pipelines_check(conf, &daemon->view, err) == 0) {
		daemon_log_missing(daemon, conf);
		daemon_log_small_limits(daemon, conf);
		daemon_log_cut_tunnels(daemon, conf);
		result = uploader_check(daemon->uploader, err);
	}
	if (result < 0 && err->kind == ERROR_TRANSIENT)
		(void)error_wrap(err, "not now (a start would record anyway)");
	if (result < 0 || sandbox_check(conf, err) < 0)
		return -1;
	log_doubts(conf);
	log_notice("configuration is valid");
	memory_log(daemon, true);
	return 0;
}

int daemon_check(const struct conf *conf, bool is_offline, struct error *err)
{
	struct daemon *daemon = daemon_new(conf, NULL);
	int result = is_offline ? daemon_prepare(daemon, true, err) : check_online(daemon, err);

	if (is_offline && result == 0)
		log_notice("configuration is valid; not checked: interfaces, spool, permissions, "
			   "and whether the destination takes uploads");
	daemon_free(daemon);
	return result;
}
