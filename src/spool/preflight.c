/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a spool's folder before it is opened, or by another process; and, as root, its owner. */
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
	bool is_known = find_nearest(path, &st) == 0;

	if (is_known && !S_ISDIR(st.st_mode))
		return error_set(err, ERROR_CONFIG, "%s: not a folder", path);
	/* The folder, or the nearest one above it that exists, has to be writable. */
	if (is_known && access(path, W_OK | X_OK) == 0)
		return 0;
	error_errno(err, "%s", path);
	return spool_folder_start_error(err);
}

/* What files in kept/ take, and how many there are: they make room when it is needed. */
static void add_kept(const char *directory, struct budget_state *state)
{
	cleanup_free char *path = mem_printf("%s/%s", directory, spool_folder_names[SPOOL_KEPT]);
	cleanup_closedir DIR *dir = opendir(path);
	struct name_parts parts;
	struct error err;
	const char *name;

	while (dir && spool_next_name(dir, &name, &err) > 0)
		if (name_parse(name, &parts)) {
			state->disk_free += spool_allocated(dirfd(dir), name);
			state->inodes_free += SPOOL_FILES_PER_SEGMENT;
		}
}

const char *spool_too_small(const struct conf *conf, uint64_t interfaces, uint64_t *ret_needed,
			    uint64_t *ret_there)
{
	const struct budget budget = budget_from_conf(conf);
	uint64_t file = budget_segment_bytes_max(&budget);
	cleanup_free char *path = mem_strdup(conf->spool_directory);
	struct budget_state state;
	struct statvfs fs;
	struct stat st;

	*ret_needed = interfaces * (conf->segment_size < file ? conf->segment_size : file);
	*ret_there = budget.max_bytes;
	if (budget.max_bytes > 0 && budget.max_bytes < *ret_needed)
		return "spool.max_size";
	if (find_nearest(path, &st) < 0 || statvfs(path, &fs) < 0)
		return NULL;
	state = budget_state_of_disk(&fs);
	add_kept(conf->spool_directory, &state);
	*ret_there = budget_room_bytes(&budget, &state);
	if (*ret_there == 0 || *ret_there < *ret_needed)
		return "spool.min_free";
	*ret_needed = interfaces * SPOOL_FILES_PER_SEGMENT;
	*ret_there = budget_room_inodes(&budget, &state);
	return *ret_there == 0 || *ret_there < *ret_needed ? "spool.min_free_inodes" : NULL;
}

/* Nobody else's files are in the folder: it may get another owner. */
static int check_is_ours(int root_fd, const char *directory, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(root_fd, err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0)
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    strcmp(name, "lost+found") != 0 && !spool_is_our_file(name) &&
		    !spool_is_folder_name(name))
			return error_set(err, ERROR_CONFIG,
					 "%s holds other files; give the spool a folder of its own",
					 directory);
	return result;
}

/*
 * Change the owner of one file. It is looked at and changed through the same descriptor, and one with a second
 * name is left alone: whoever could write here may have made a link to something that is not ours.
 */
static int chown_file(int folder_fd, const char *name, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "change owner of %s", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return 0;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_errno(err, "change owner of %s", name);
	return 0;
}

/* Change the owner of a folder, and of our files in it. */
static int chown_folder(int folder_fd, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(folder_fd, err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0)
		if (spool_is_our_file(name) && chown_file(folder_fd, name, uid, gid, err) < 0)
			return -1;
	if (result < 0)
		return -1;
	if (fchown(folder_fd, uid, gid) < 0)
		return error_errno(err, "change owner of folder");
	return 0;
}

int spool_chown(const char *directory, uid_t uid, gid_t gid, struct error *err)
{
	struct spool spool;
	int result = spool_folder_open_root(&spool, directory, err);

	if (result == 0 && check_is_ours(spool.root_fd, directory, err) < 0) {
		spool_folder_close(&spool);
		return -1;
	}
	if (result == 0)
		result = spool_folder_open_all(&spool, err);
	for (int folder = 0; folder < SPOOL_FOLDERS && result == 0; folder++)
		if (spool.folder_fd[folder] >= 0)
			result = chown_folder(spool.folder_fd[folder], uid, gid, err);
	if (result == 0)
		result = chown_folder(spool.root_fd, uid, gid, err);
	spool_folder_close(&spool);
	if (result == 0)
		return 0;
	(void)spool_folder_start_error(err);
	return error_wrap(err, "spool %s", directory);
}

int spool_may_chown(const char *directory, struct error *err)
{
	cleanup_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Whatever else is wrong with it, spool_check() says. */
	return fd < 0 ? 0 : check_is_ours(fd, directory, err);
}
