/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/find_daemon.h"

#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/environment.h"
#include "spool/spool.h"
#include "status/server.h"

#define SOCKETS_TABLE     "/proc/net/unix"
#define SOCKETS_TABLE_MAX ((size_t)1 << 20)
#define ACCOUNT_BYTES     4096   /* more than the line of any account takes */
#define CONNECT_US        500000 /* at most, for each that listens */

/* Any account may listen somewhere, and say anything: only root's, ours, and that of the daemon is asked. */
static bool is_trusted(const char *path, const char *account)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_free char *socket_path = mem_printf("%s/" SPOOL_CONTROL_SOCKET, path);
	char names[ACCOUNT_BYTES];
	struct passwd entry, *user = NULL;
	const char *sudoer = environment_get("SUDO_UID");
	struct server_address address;
	const struct timeval patience = { .tv_usec = CONNECT_US };
	struct ucred process;
	socklen_t length = sizeof process;
	uint64_t sudoer_uid;
	struct error err;

	(void)getpwnam_r(account, &entry, names, sizeof names, &user);
	if (fd < 0 || server_parse_address(socket_path, &address, &err) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
	    connect(fd, &address.socket.any, address.length) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &length) < 0)
		return false;
	return process.uid == 0 || process.uid == geteuid() ||
	       (user && process.uid == user->pw_uid) ||
	       (sudoer && text_parse_number(sudoer, &sudoer_uid) == 0 && process.uid == sudoer_uid);
}

/*
 * The spool of the only daemon that listens in one, as ./bootstrap run has it; NULL: there is none, or several.
 * account: that a daemon of this configuration has.
 */
static char *find_other_spool(const char *account)
{
	cleanup_free char *table = NULL;
	char *found = NULL, *rest, *line;
	size_t length;
	struct error err;

	if (file_read_text(AT_FDCWD, SOCKETS_TABLE, SOCKETS_TABLE_MAX, &table, &length, &err) < 0)
		return NULL;
	for (rest = table; (line = strsep(&rest, "\n"));) {
		char *path = strchr(line, '/'), *end = path ? strrchr(path, '/') : NULL;

		if (!end || strcmp(end + 1, SPOOL_CONTROL_SOCKET) != 0)
			continue;
		*end = '\0';
		if (!spool_is_in_use(path) || (found && strcmp(found, path) == 0) ||
		    !is_trusted(path, account))
			continue;
		if (found) {
			free(found);
			return NULL;
		}
		found = mem_strdup(path);
	}
	return found;
}

void find_daemon(const struct conf_cli *typed, char **ret_path, char **ret_spool)
{
	const char *folder = typed->value[CONF_spool_directory];
	const char *spool = folder ? folder : DEFAULT_SPOOL_DIRECTORY;
	const char *account = CONF_PACKAGED_ACCOUNT;
	cleanup_conf struct conf *conf = NULL;
	cleanup_free char *path = NULL;
	struct error err;
	char *other;

	if (conf_load(typed, &conf, &err) < 0)
		log_warning("cannot use the configuration, looking for the daemon without it",
			    log_reason(&err));
	if (conf && strcmp(conf->daemon_user, "auto") != 0)
		account = conf->daemon_user;
	*ret_spool = mem_strdup(conf ? conf->spool_directory : spool);
	path = mem_printf("%s/" SPOOL_CONTROL_SOCKET, *ret_spool);
	if (folder || access(path, F_OK) == 0) {
		*ret_path = take_ptr(path);
	} else if (access(FIND_DAEMON_PACKAGED, F_OK) == 0) {
		*ret_path = mem_strdup(FIND_DAEMON_PACKAGED);
	} else if ((other = find_other_spool(account))) {
		free(*ret_spool);
		*ret_spool = other;
		*ret_path = mem_printf("%s/" SPOOL_CONTROL_SOCKET, other);
	} else {
		*ret_path = take_ptr(path);
	}
}
