/* SPDX-License-Identifier: Apache-2.0 */
/* From root to an account that can do nothing but capture. Before any thread is started. */
#include "daemon/daemon_state.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define NGROUPS_KEPT 256 /* of root's own */

static const char *account_name(const struct conf *conf)
{
	return strcmp(conf->daemon_user, "auto") == 0 ? CONF_PACKAGED_ACCOUNT : conf->daemon_user;
}

/* The account to become; uid 0 to stay root. */
static int find_account(const struct conf *conf, uid_t *ret_uid, gid_t *ret_gid, struct error *err)
{
	const char *name = account_name(conf);
	const struct passwd *account = getpwnam(name);

	if (!account && name == conf->daemon_user)
		return conf_error(conf, CONF_daemon_user, err,
				  "no account '%s'; allowed: the name of an account, auto", name);
	*ret_uid = account ? account->pw_uid : 0;
	*ret_gid = account ? account->pw_gid : 0;
	return 0;
}

static int keep_net_raw(uid_t uid, gid_t gid, struct error *err)
{
	/* Where a container has taken CAP_SETPCAP, the bounding set is the container's affair. */
	bool has_setpcap = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	bool has_net_raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
	int result;

	capng_clear(has_setpcap ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	if (has_net_raw &&
	    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW) < 0)
		return error_set(err, ERROR_FATAL, "keep CAP_NET_RAW: libcap-ng refused");
	if (uid != 0)
		result = capng_change_id((int)uid, (int)gid,
					 CAPNG_INIT_SUPP_GRP |
						 (has_setpcap ? CAPNG_CLEAR_BOUNDING : 0));
	else
		result = capng_apply(has_setpcap ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	if (result < 0)
		return error_set(err, ERROR_FATAL,
				 "drop privileges: libcap-ng failed (%d); is there CAP_SETUID, or "
				 "should daemon.user be root?",
				 result);
	return 0;
}

static int close_memory(const struct conf *conf, struct error *err)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

	/*
	 * Programs that collect core dumps go by the limit, the kernel does not when it starts one. A sandbox
	 * may refuse to set it; what follows rules out any dump.
	 */
	if (!conf->daemon_core_dumps)
		(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_DUMPABLE, conf->daemon_core_dumps, 0, 0, 0) < 0)
		return error_errno(err, "forbid core dumps");
	return 0;
}

/* As many open files as the process may have: an interface takes some. */
static void raise_open_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_debug("cannot raise the limit of open files",
			  log_text("reason", strerror(errno)));
}

int privileges_drop(const struct conf *conf, bool is_check, struct error *err)
{
	uid_t uid;
	gid_t gid;

	raise_open_files();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "no new privileges");
	if (geteuid() != 0)
		return 0;
	if (find_account(conf, &uid, &gid, err) < 0)
		return -1;
	if (uid != 0 && !is_check && spool_chown(conf->spool_directory, uid, gid, err) < 0)
		return -1;
	if (capng_get_caps_process() < 0)
		return error_set(err, ERROR_FATAL, "read the process's capabilities");
	if (keep_net_raw(uid, gid, err) < 0)
		return -1;
	log_debug("privileges dropped", log_number("uid", uid));
	/* Another user's process is given the system's default (fs.suid_dumpable). */
	return close_memory(conf, err);
}

static int check_account(const struct conf *conf, struct error *err)
{
	gid_t gid, own_gid = getegid(), own_groups[NGROUPS_KEPT];
	int count = getgroups(NGROUPS_KEPT, own_groups), result = 0;
	struct error reason;
	struct stat st;
	uid_t uid;

	if (find_account(conf, &uid, &gid, err) < 0)
		return -1;
	if (uid == 0)
		return 0;
	if (spool_may_chown(conf->spool_directory, &reason) < 0)
		return conf_error(conf, CONF_spool_directory, err, "%s", reason.message);
	if (count < 0 || initgroups(account_name(conf), gid) < 0)
		return 0;
	/*
	 * For a moment with the rights of the account: can it get to the spool? Whose the folder is does not matter,
	 * and it need not be there: a start makes it and gives it away, but not the folders above. The kernel reports
	 * the first on the way that is missing or closed. Where we cannot become it, privileges_drop() will report it.
	 */
	if (setegid(gid) == 0 && seteuid(uid) == 0 && stat(conf->spool_directory, &st) < 0 &&
	    errno == EACCES) {
		cleanup_free char *account = file_account();

		result = conf_error(conf, CONF_spool_directory, err,
				    "%s, which it is given to, cannot get to %s: %s", account,
				    conf->spool_directory, strerror(EACCES));
	}
	if (seteuid(0) < 0 || setegid(own_gid) < 0 || setgroups((size_t)count, own_groups) < 0)
		return error_errno(err, "be root again");
	return result;
}

int privileges_prepare(const struct conf *conf, struct error *err)
{
	if (geteuid() == 0 && check_account(conf, err) < 0)
		return -1;
	return close_memory(conf, err); /* afterwards: to become another opens it */
}
