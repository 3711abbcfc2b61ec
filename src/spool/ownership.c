/* SPDX-License-Identifier: Apache-2.0 */
/* As root: the spool for the account that the program will run as. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "segment/name.h"
#include "spool/spool_private.h"

/* A file that the spool itself makes, in its root folder or in one of those below. */
static bool is_our_file(const char *name)
{
	struct name_parts parts;

	for (size_t i = 0; spool_file_names[i]; i++)
		if (strcmp(spool_file_names[i], name) == 0)
			return true;
	return spool_is_temporary(name) || name_parse(name, &parts);
}

static bool is_our_folder(const char *name)
{
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		if (strcmp(spool_folder_names[state], name) == 0)
			return true;
	return false;
}

/* Nobody else's files come with the folder: it may be given away. */
static int check_is_ours(int root_fd, const char *directory, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list_fd(root_fd, err);
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir)))
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0 &&
		    strcmp(item->d_name, "lost+found") != 0 && !is_our_file(item->d_name) &&
		    !is_our_folder(item->d_name))
			return error_set(err, ERROR_CONFIG,
					 "%s holds other files; give the spool a folder of its own",
					 directory);
	return 0;
}

/*
 * Give one file away. It is looked at and given through the same descriptor, and one with a second name is
 * left alone: whoever could write here may have laid a link to something that is not ours.
 */
static int give_file(int folder_fd, const char *name, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "give %s away", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return 0;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_errno(err, "give %s away", name);
	return 0;
}

/* Give a folder away, and our files in it. */
static int give_folder(int folder_fd, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list_fd(folder_fd, err);
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir)))
		if (is_our_file(item->d_name) &&
		    give_file(folder_fd, item->d_name, uid, gid, err) < 0)
			return -1;
	if (fchown(folder_fd, uid, gid) < 0)
		return error_errno(err, "give folder away");
	return 0;
}

int spool_give(const char *directory, uid_t uid, gid_t gid, struct error *err)
{
	struct spool spool;
	int result = spool_folder_open_root(&spool, directory, err);

	if (result == 0 && check_is_ours(spool.root_fd, directory, err) < 0) {
		spool_folder_close(&spool);
		return -1;
	}
	if (result == 0)
		result = spool_folder_open_all(&spool, err);
	for (int state = 0; state < SPOOL_STATE_COUNT && result == 0; state++)
		result = give_folder(spool.folder_fd[state], uid, gid, err);
	if (result == 0)
		result = give_folder(spool.root_fd, uid, gid, err);
	spool_folder_close(&spool);
	if (result == 0)
		return 0;
	(void)spool_folder_start_error(err);
	return error_wrap(err, "spool %s", directory);
}

int spool_check_give(const char *directory, struct error *err)
{
	cleanup_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Whatever else is wrong with it, spool_check() says. */
	return fd < 0 ? 0 : check_is_ours(fd, directory, err);
}
