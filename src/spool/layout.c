/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "segment/name.h"
#include "spool/spool_private.h"

#define FOLDER_MODE   0750
#define SEQUENCE_FILE "sequence"
#define LOCK_FILE     SPOOL_LOCK_FILE
#define CARRIED_FILE  SPOOL_CARRIED_FILE
#define PROBE_FILE    "probe"

const char *const spool_folder_names[SPOOL_STATE_COUNT] = {
	[SPOOL_CAPTURING] = "capturing", [SPOOL_READY] = "ready", [SPOOL_SENDING] = "sending",
	[SPOOL_REJECTED] = "rejected",   [SPOOL_FACTS] = "facts", [SPOOL_ATTEMPTS] = "attempts",
};

const char *const spool_file_names[] = { SEQUENCE_FILE,        LOCK_FILE, CARRIED_FILE, PROBE_FILE,
					 SPOOL_CONTROL_SOCKET, NULL };

/*
 * One process per spool: a lock that goes with the process, on a file that stays. (The name of a socket
 * would be free in every other network namespace.)
 */
int spool_folder_lock(struct spool *spool, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	spool->lock_fd = openat(spool->root_fd, LOCK_FILE,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (spool->lock_fd < 0)
		return error_errno(err, "open %s", LOCK_FILE);
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
		error_errno(err, "%s", LOCK_FILE);
		log_warning("spool cannot be locked, take care that only one process uses it",
			    log_reason(err));
		return 0;
	}
	return error_errno(err, "lock %s", LOCK_FILE);
}

bool spool_is_in_use(const char *directory)
{
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	cleanup_free char *path = mem_printf("%s/" LOCK_FILE, directory);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

/* Can files be made, and will their data reach the disk? */
static int prove_writable(const struct spool *spool, struct error *err)
{
	if (file_replace(spool->root_fd, PROBE_FILE, "", 0, err) < 0)
		return -1;
	if (unlinkat(spool->root_fd, PROBE_FILE, 0) < 0)
		return error_errno(err, "remove %s", PROBE_FILE);
	return 0;
}

int spool_folder_open_all(struct spool *spool, struct error *err)
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
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		spool->folder_fd[state] = -1;
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
	if (spool_folder_open_root(spool, directory, err) < 0 ||
	    spool_folder_lock(spool, err) < 0 || spool_folder_open_all(spool, err) < 0 ||
	    prove_writable(spool, err) < 0)
		return spool_folder_start_error(err);
	return 0;
}

void spool_folder_close(struct spool *spool)
{
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		mem_close_cleanup(&spool->folder_fd[state]);
	mem_close_cleanup(&spool->root_fd);
	mem_close_cleanup(&spool->lock_fd);
}

DIR *spool_folder_list_fd(int folder_fd, struct error *err)
{
	/* A descriptor of its own: a stream's position belongs to its descriptor. */
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		error_errno(err, "list folder");
		mem_close_cleanup(&fd);
	}
	return dir;
}

DIR *spool_folder_list(const struct spool *spool, enum spool_state state, struct error *err)
{
	DIR *dir = spool_folder_list_fd(spool->folder_fd[state], err);

	if (!dir)
		(void)error_wrap(err, "%s", spool_folder_names[state]);
	return dir;
}

bool spool_folder_has(const struct spool *spool, enum spool_state state, const char *name)
{
	return faccessat(spool->folder_fd[state], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int spool_folder_move(const struct spool *spool, enum spool_state from, enum spool_state to,
		      const char *name, struct error *err)
{
	if (renameat(spool->folder_fd[from], name, spool->folder_fd[to], name) == 0)
		return 0;
	error_errno(err, "move %s from %s to %s", name, spool_folder_names[from],
		    spool_folder_names[to]);
	/* NFS: the answer got lost, and to the second request there is nothing left to move. */
	return err->errnum == ENOENT && !spool_folder_has(spool, from, name) &&
			       spool_folder_has(spool, to, name)
		       ? 0
		       : -1;
}

void spool_folder_sync(const struct spool *spool, enum spool_state state)
{
	struct error err;

	if (file_sync_folder(spool->folder_fd[state], &err) < 0)
		log_warning("folder of the spool cannot be synced",
			    log_text("folder", spool_folder_names[state]), log_reason(&err));
}

int spool_next_sequence(struct spool *spool, uint64_t *ret_sequence, struct error *err)
{
	char text[32];
	uint64_t sequence;
	int result;

	(void)pthread_mutex_lock(&spool->sequence_lock);
	sequence =
		++spool->sequence; /* also if it cannot be stored: a gap is harmless, a repeat is not */
	(void)snprintf(text, sizeof text, "%ju\n", (uintmax_t)sequence);
	result = file_replace(spool->root_fd, SEQUENCE_FILE, text, strlen(text), err);
	(void)pthread_mutex_unlock(&spool->sequence_lock);
	if (result < 0)
		return -1;
	*ret_sequence = sequence;
	return 0;
}

int spool_folder_read_sequence(struct spool *spool, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error reading;
	size_t length;

	spool->sequence = 0;
	if (file_read_text(spool->root_fd, SEQUENCE_FILE, 32, &text, &length, &reading) == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (text_parse_number(text, &spool->sequence) < 0)
			log_warning(
				"sequence file is damaged, going on from the files that are there",
				log_text("value", text));
	} else if (reading.errnum != ENOENT) {
		*err = reading;
		return -1;
	}
	for (enum spool_state state = SPOOL_CAPTURING; state < SPOOL_STATE_COUNT; state++) {
		cleanup_closedir DIR *dir = spool_folder_list(spool, state, err);
		struct dirent *item;
		struct name_parts parts;

		if (!dir)
			return -1;
		while ((item = readdir(dir)))
			if (name_parse(item->d_name, &parts) && parts.sequence > spool->sequence)
				spool->sequence = parts.sequence;
	}
	return 0;
}

/* Cut a path to the nearest folder that exists; -1 with errno if that cannot be told. */
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
