/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a spool's folder before it is opened, or by another process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/spool_private.h"

bool spool_is_in_use(const char *directory)
{
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	cleanup_free char *path = mem_printf("%s/" SPOOL_LOCK_FILE, directory);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

/* Cut a path to the nearest folder that exists; -1 with errno if that is not known. */
static int find_nearest(char *path, struct stat *ret_st)
{
	while (stat(path, ret_st) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT)
			return -1;
		if (!slash)
			(void)snprintf(path, strlen(path) + 1, "%s", *path ? "." : "");
		else
			slash[slash == path] = '\0';
	}
	return 0;
}

int spool_check(const char *directory, struct error *err)
{
	cleanup_free char *path = mem_strdup(directory);
	struct stat st;

	/* The folder, or the nearest one above it that exists, has to be writable. */
	if (find_nearest(path, &st) < 0) {
		error_errno(err, "%s", path);
		return spool_folder_start_error(err);
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_CONFIG, "%s: not a folder", path);
	if (access(path, W_OK | X_OK) < 0) {
		error_errno(err, "%s", path);
		return spool_folder_start_error(err);
	}
	return 0;
}

const char *spool_exceeded(const char *directory, const struct budget *budget)
{
	cleanup_free char *path = mem_strdup(directory);
	struct budget_state state;
	struct statvfs fs;
	struct stat st;

	if (find_nearest(path, &st) < 0 || statvfs(path, &fs) < 0)
		return NULL;
	state = (struct budget_state){
		.disk_total = (uint64_t)fs.f_blocks * fs.f_frsize,
		.disk_free = (uint64_t)fs.f_bavail * fs.f_frsize,
		.inodes_total = fs.f_files,
		.inodes_free = fs.f_favail,
	};
	return budget_room_bytes(budget, &state) == 0 ? "spool.min_free"
						      : budget_exceeded(budget, &state);
}
