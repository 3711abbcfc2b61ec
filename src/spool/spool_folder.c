/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "spool/spool_private.h"

#define FOLDER_MODE 0750

const char *const spool_folder_names[SPOOL_STATE_COUNT] = {
	[SPOOL_CAPTURING] = "capturing", [SPOOL_READY] = "ready", [SPOOL_SENDING] = "sending",
	[SPOOL_REJECTED] = "rejected",   [SPOOL_FACTS] = "facts",
};

/*
 * One process per spool. A lock file would stay behind after a kill, and NFS has no locks to rely on; an
 * abstract socket named after the folder's identity goes with the process.
 */
static int keep_others_out(struct spool *spool, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int length;

	if (fstat(spool->root_fd, &st) < 0)
		return error_errno(err, "stat");
	length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
			  "kube-node-tracer/%jx-%jx", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	spool->lock_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (spool->lock_fd < 0)
		return error_errno(err, "socket");
	if (bind(spool->lock_fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) < 0) {
		if (errno == EADDRINUSE)
			return error_set(err, ERROR_FATAL, "in use by another kube-node-tracer");
		return error_errno(err, "bind");
	}
	return 0;
}

/* Can files be made, and will their data reach the disk? */
static int prove_writable(const struct spool *spool, struct error *err)
{
	if (file_replace(spool->root_fd, "probe", "", 0, err) < 0)
		return -1;
	if (unlinkat(spool->root_fd, "probe", 0) < 0)
		return error_errno(err, "remove probe");
	return 0;
}

static int open_folders(struct spool *spool, struct error *err)
{
	for (int state = 0; state < SPOOL_STATE_COUNT; state++) {
		const char *name = spool_folder_names[state];

		if (mkdirat(spool->root_fd, name, FOLDER_MODE) < 0 && errno != EEXIST)
			return error_errno(err, "create folder %s", name);
		spool->folder_fd[state] = openat(spool->root_fd, name,
						 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (spool->folder_fd[state] < 0)
			return error_errno(err, "open folder %s", name);
	}
	return 0;
}

static int open_root(struct spool *spool, const char *directory, struct error *err)
{
	spool->lock_fd = -1;
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		spool->folder_fd[state] = -1;
	spool->root_fd = -1;
	if (file_make_folders(directory, FOLDER_MODE, err) < 0)
		return -1;
	spool->root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->root_fd < 0)
		return error_errno(err, "open");
	return 0;
}

int spool_folder_open(struct spool *spool, const char *directory, struct error *err)
{
	int result = open_root(spool, directory, err);

	if (result == 0 && keep_others_out(spool, err) < 0)
		return -1;
	if (result < 0 || open_folders(spool, err) < 0 || prove_writable(spool, err) < 0) {
		err->kind = ERROR_CONFIG;
		return -1;
	}
	return 0;
}

void spool_folder_close(struct spool *spool)
{
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		mem_close_cleanup(&spool->folder_fd[state]);
	mem_close_cleanup(&spool->root_fd);
	mem_close_cleanup(&spool->lock_fd);
}

DIR *spool_folder_list(const struct spool *spool, enum spool_state state, struct error *err)
{
	/* A descriptor of its own: a stream's position belongs to its descriptor. */
	int fd = openat(spool->folder_fd[state], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		error_errno(err, "list folder %s", spool_folder_names[state]);
		mem_close_cleanup(&fd);
	}
	return dir;
}

int spool_folder_move(const struct spool *spool, enum spool_state from, enum spool_state to,
		      const char *name, struct error *err)
{
	if (renameat(spool->folder_fd[from], name, spool->folder_fd[to], name) < 0)
		return error_errno(err, "move %s from %s to %s", name, spool_folder_names[from],
				   spool_folder_names[to]);
	/* The new name first: after a power failure the file may be in both places, never in neither. */
	if (file_sync_folder(spool->folder_fd[to], err) < 0)
		return -1;
	return file_sync_folder(spool->folder_fd[from], err);
}

int spool_check(const char *directory, struct error *err)
{
	cleanup_free char *path = mem_strdup(directory);
	struct stat st;

	/* The folder, or the nearest one above it that exists, has to be writable. */
	while (stat(path, &st) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT)
			return error_errno(err, "%s", path);
		if (!slash)
			(void)snprintf(path, strlen(path) + 1, "%s", *path ? "." : "");
		else
			slash[slash == path] = '\0';
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_CONFIG, "%s: not a folder", path);
	if (access(path, W_OK | X_OK) < 0) {
		error_errno(err, "%s", path);
		err->kind = ERROR_CONFIG;
		return -1;
	}
	return 0;
}

/* Give away what is in a folder, without following links that the new owner could have laid. */
static int give_folder(int folder_fd, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_closedir DIR *dir = NULL;
	int list_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *item;

	if (list_fd < 0 || !(dir = fdopendir(list_fd))) {
		error_errno(err, "list folder");
		mem_close_cleanup(&list_fd);
		return -1;
	}
	while ((item = readdir(dir)))
		if (strcmp(item->d_name, "..") != 0 &&
		    fchownat(folder_fd, item->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return error_errno(err, "give %s away", item->d_name);
	return 0;
}

int spool_give(const char *directory, uid_t uid, gid_t gid, struct error *err)
{
	struct spool spool;
	int result = open_root(&spool, directory, err);

	if (result == 0)
		result = open_folders(&spool, err);
	if (result == 0)
		result = give_folder(spool.root_fd, uid, gid, err);
	for (int state = 0; state < SPOOL_STATE_COUNT && result == 0; state++)
		result = give_folder(spool.folder_fd[state], uid, gid, err);
	spool_folder_close(&spool);
	return result < 0 ? error_wrap(err, "spool %s", directory) : 0;
}
