/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's folders on the disk: made, locked, opened, listed; which names are ours; moving a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define FOLDER_MODE 0750

const char *const spool_folder_names[SPOOL_FOLDERS] = {
	[SPOOL_CAPTURING] = "capturing",
	[SPOOL_READY] = "ready",
	[SPOOL_SENDING] = "sending",
	[SPOOL_REJECTED] = "rejected",
	[SPOOL_METADATA] = "metadata",
	[SPOOL_UPLOAD_STATE] = "upload-state",
	[SPOOL_LOST] = "lost",
	[SPOOL_KEPT] = "kept",
	[SPOOL_KEPT_METADATA] = "kept/metadata",
};

/* What a later version calls some of its own: nobody else's, if it was here before this one. */
static const char *const later_folder_names[] = { "held", "packing", "incidents" };

/* What an older version called them; its other file noted losses in a way that is gone. */
static const char *const old_folder_names[SPOOL_FOLDERS] = {
	[SPOOL_METADATA] = "facts",
	[SPOOL_UPLOAD_STATE] = "attempts",
};
#define OLD_FILE "carried"

bool spool_loss_parse_name(const char *name, uint64_t *ret_number, enum drop_reason *ret_reason)
{
	const char *dot = strchr(name, '.');
	char number[24];

	if (!dot || (size_t)(dot - name) >= sizeof number)
		return false;
	(void)snprintf(number, sizeof number, "%.*s", (int)(dot - name), name);
	if (text_parse_number(number, ret_number) < 0)
		return false;
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (strcmp(dot + 1, drop_reason_names[i]) == 0) {
			*ret_reason = (enum drop_reason)i;
			return true;
		}
	return false;
}

bool spool_is_our_file(const char *name)
{
	static const char *const names[] = { SPOOL_SEQUENCE_FILE,    SPOOL_LOCK_FILE,
					     SPOOL_PROBE_FILE,       SPOOL_CONTROL_SOCKET,
					     SPOOL_DESTINATION_FILE, OLD_FILE };
	struct name_parts parts;
	enum drop_reason reason;
	uint64_t number;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return name_parse(name, &parts) || spool_loss_parse_name(name, &number, &reason) ||
	       spool_is_temporary(name);
}

bool spool_is_temporary(const char *name)
{
	size_t length = strlen(name);
	cleanup_free char *final = NULL;

	if (length <= 5 || name[0] != '.' || strcmp(name + length - 4, ".new") != 0)
		return false;
	final = mem_strndup(name + 1, length - 5);
	return spool_is_our_file(final);
}

bool spool_is_folder_name(const char *name)
{
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++)
		if (strcmp(name, spool_folder_names[folder]) == 0 ||
		    (old_folder_names[folder] && strcmp(name, old_folder_names[folder]) == 0))
			return true;
	for (size_t i = 0; i < sizeof later_folder_names / sizeof *later_folder_names; i++)
		if (strcmp(name, later_folder_names[i]) == 0)
			return true;
	return false;
}

/*
 * One process per spool: a lock that goes with the process, on a file that stays. (The name of a socket
 * would be free in every other network namespace.)
 */
static int lock_folder(struct spool *spool, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	spool->lock_fd = openat(spool->root_fd, SPOOL_LOCK_FILE,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (spool->lock_fd < 0)
		return error_errno(err, "open %s", SPOOL_LOCK_FILE);
	if (fcntl(spool->lock_fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case EACCES:
		return error_set(err, ERROR_FATAL,
				 "in use by another kube-node-tracer; see kube-node-tracer status");
	case ENOLCK:
	case EINVAL:
	case ENOTSUP:
	case ENOSYS:
		error_errno(err, "%s", SPOOL_LOCK_FILE);
		log_warning("cannot lock spool; make sure that only one process uses it",
			    log_reason(err));
		return 0;
	}
	return error_errno(err, "lock %s", SPOOL_LOCK_FILE);
}

/* Can files be made, and will their data reach the disk? */
static int prove_writable(const struct spool *spool, struct error *err)
{
	if (file_replace(spool->root_fd, SPOOL_PROBE_FILE, 0640, "", 0, err) < 0)
		return -1;
	if (unlinkat(spool->root_fd, SPOOL_PROBE_FILE, 0) < 0)
		return error_errno(err, "remove %s", SPOOL_PROBE_FILE);
	return 0;
}

/* An older version has left its files in a folder of another name: they move. */
static int adopt_old_folder(struct spool *spool, enum spool_folder folder, struct error *err)
{
	const char *old = old_folder_names[folder];
	cleanup_close int fd = openat(spool->root_fd, old,
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_closedir DIR *dir = NULL;
	const char *name;
	int result;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "open folder %s", old);
	dir = spool_list_folder(fd, err);
	while ((result = spool_next_name(dir, &name, err)) > 0)
		if (spool_is_our_file(name) &&
		    renameat(fd, name, spool->folder_fd[folder], name) < 0)
			return error_errno(err, "move %s from %s to %s", name, old,
					   spool_folder_names[folder]);
	if (result < 0)
		return -1;
	(void)unlinkat(spool->root_fd, old, AT_REMOVEDIR); /* other people's files may be in it */
	return 0;
}

/* The root folder is somebody's who may make a link of any name: the inner one is opened through the outer one. */
int spool_folder_open_kept(struct spool *spool, bool is_needed, struct error *err)
{
	int in_fd = spool->root_fd;

	for (int folder = SPOOL_KEPT; folder < SPOOL_FOLDERS; folder++) {
		const char *name = spool_folder_names[folder];
		const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
		int *fd = &spool->folder_fd[folder];

		if (*fd < 0 && (is_needed || folder > SPOOL_KEPT) &&
		    mkdirat(in_fd, last, FOLDER_MODE) < 0 && errno != EEXIST)
			return error_errno(err, "create folder %s", name);
		if (*fd < 0)
			*fd = openat(in_fd, last, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (*fd < 0 && errno == ENOENT && !is_needed)
			return 0;
		if (*fd < 0)
			return error_errno(err, "open folder %s", name);
		in_fd = *fd;
	}
	return 0;
}

void spool_folder_close_kept(struct spool *spool)
{
	for (int folder = SPOOL_KEPT; folder < SPOOL_FOLDERS; folder++)
		close_fd(&spool->folder_fd[folder]);
}

int spool_folder_open_all(struct spool *spool, struct error *err)
{
	for (int folder = 0; folder < SPOOL_KEPT; folder++) {
		const char *name = spool_folder_names[folder];

		if (mkdirat(spool->root_fd, name, FOLDER_MODE) < 0 && errno != EEXIST)
			return error_errno(err, "create folder %s", name);
		spool->folder_fd[folder] = openat(spool->root_fd, name,
						  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (spool->folder_fd[folder] < 0)
			return error_errno(err, "open folder %s", name);
		if (old_folder_names[folder] &&
		    adopt_old_folder(spool, (enum spool_folder)folder, err) < 0)
			return -1;
	}
	(void)unlinkat(spool->root_fd, OLD_FILE, 0);
	return spool_folder_open_kept(spool, false, err);
}

/* What the user must change ends the start for good; anything else may have passed at the next one. */
int spool_folder_start_error(struct error *err)
{
	switch (err->errnum) {
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case EROFS:
		err->kind = ERROR_CONFIG;
	}
	return -1;
}

int spool_folder_open_root(struct spool *spool, const char *directory, struct error *err)
{
	spool->lock_fd = -1;
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++)
		spool->folder_fd[folder] = -1;
	spool->root_fd = -1;
	if (file_make_folders(directory, FOLDER_MODE, err) < 0) {
		if (err->errnum == 0)
			err->kind = ERROR_CONFIG; /* not a folder */
		return -1;
	}
	spool->root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->root_fd < 0)
		return error_errno(err, "open");
	return 0;
}

int spool_folder_open(struct spool *spool, const char *directory, struct error *err)
{
	if (spool_folder_open_root(spool, directory, err) < 0 || lock_folder(spool, err) < 0 ||
	    spool_folder_open_all(spool, err) < 0 || prove_writable(spool, err) < 0)
		return spool_folder_start_error(err);
	return 0;
}

void spool_folder_close(struct spool *spool)
{
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++)
		close_fd(&spool->folder_fd[folder]);
	close_fd(&spool->root_fd);
	close_fd(&spool->lock_fd);
}

/* Does this name no longer lead to what is open as fd? An error that may pass says nothing. */
static bool is_gone(int fd, int folder_fd, const char *name)
{
	struct stat open, named;

	if (fstat(fd, &open) < 0)
		return errno == ESTALE ||
		       errno == ENOTCONN; /* deleted, or gone, with the server of a share */
	if (fstatat(folder_fd, name, &named, 0) < 0)
		return errno == ENOENT || errno == ENOTDIR;
	return open.st_dev != named.st_dev || open.st_ino != named.st_ino;
}

bool spool_folder_is_intact(const struct spool *spool)
{
	if (is_gone(spool->root_fd, AT_FDCWD, spool->directory) ||
	    is_gone(spool->lock_fd, spool->root_fd, SPOOL_LOCK_FILE))
		return false;
	for (int folder = 0; folder < SPOOL_KEPT; folder++)
		if (is_gone(spool->folder_fd[folder], spool->root_fd, spool_folder_names[folder]))
			return false;
	return true;
}

bool spool_folder_is_kept_gone(const struct spool *spool)
{
	for (int folder = SPOOL_KEPT; folder < SPOOL_FOLDERS; folder++)
		if (spool->folder_fd[folder] >= 0 &&
		    is_gone(spool->folder_fd[folder], spool->root_fd, spool_folder_names[folder]))
			return true;
	return false;
}

DIR *spool_list_folder(int folder_fd, struct error *err)
{
	/* A descriptor of its own: a stream's position belongs to its descriptor. */
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		error_errno(err, "list folder");
		close_fd(&fd);
	}
	return dir;
}

int spool_next_name(DIR *dir, const char **ret_name, struct error *err)
{
	struct dirent *item = NULL;

	errno = 0;
	if (dir)
		item = readdir(dir);
	if (!item)
		return !dir ? -1 : errno == 0 ? 0 : error_errno(err, "list folder");
	*ret_name = item->d_name;
	return 1;
}

bool spool_folder_has(const struct spool *spool, enum spool_folder folder, const char *name)
{
	return faccessat(spool->folder_fd[folder], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int spool_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat(from_fd, from, to_fd, to) == 0)
		return 0;
	if (errno == ENOENT && faccessat(from_fd, from, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    faccessat(to_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return -1;
}

int spool_folder_move(const struct spool *spool, enum spool_folder from, enum spool_folder to,
		      const char *name, struct error *err)
{
	if (spool_rename(spool->folder_fd[from], name, spool->folder_fd[to], name) == 0)
		return 0;
	return error_errno(err, "move %s from %s to %s", name, spool_folder_names[from],
			   spool_folder_names[to]);
}

void spool_folder_sync(const struct spool *spool, enum spool_folder folder)
{
	struct error err;

	if (file_sync_folder(spool->folder_fd[folder], &err) < 0)
		log_warning("cannot sync a folder of the spool",
			    log_text("folder", spool_folder_names[folder]), log_reason(&err));
}
