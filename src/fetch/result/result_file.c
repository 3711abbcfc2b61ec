/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/result/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define FILE_MODE 0640 /* packets are private */

static const char *file_name(const struct result_file *file)
{
	return !file->path ? "standard output" : file->part ? file->part : file->path;
}

/* The folder that a path's file is in. The caller frees. */
static char *name_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

int result_file_check(const char *path, struct error *err)
{
	cleanup_free char *target = realpath(path, NULL); /* of a symbolic link */
	cleanup_free char *folder = name_folder(target ? target : path);
	struct stat status;
	bool is_there;

	if (strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		return error_set(
			err, ERROR_USAGE,
			"-w -: packets are not for a terminal; give a file or a pipe, and kubectl exec "
			"without -t");
	}
	is_there = stat(path, &status) == 0;
	if (!*path || path[strlen(path) - 1] == '/' || (is_there && S_ISDIR(status.st_mode)))
		return error_set(
			err, ERROR_USAGE,
			"-w %s: is a folder; --split-by-node writes a file for each node into it",
			path);
	/* A regular file is replaced by another one, whatever its mode. */
	if (is_there && !S_ISREG(status.st_mode) ? access(path, W_OK) < 0
						 : access(folder, W_OK | X_OK) < 0)
		return error_errno(err, "%s", path);
	return 0;
}

/* A device or a pipe by name. */
static int open_in_place(struct result_file *file, const char *path, struct error *err)
{
	file->path = mem_strdup(path);
	file->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (file->fd < 0)
		return error_errno(err, "%s", path);
	if (isatty(file->fd))
		return error_set(err, ERROR_USAGE, "%s: packets are not for a terminal", path);
	return 0;
}

/* What is left of an earlier run, whatever it is, goes; two runs at once do not mix their packets. */
static int open_part(struct result_file *file, const char *path, struct error *err)
{
	cleanup_free char *target = realpath(path, NULL); /* of a symbolic link */

	file->path = mem_strdup(target ? target : path);
	file->part = mem_printf("%s.part", file->path);
	if (unlink(file->part) < 0 && errno != ENOENT)
		return error_errno(err, "%s", file->part);
	file->fd = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (file->fd < 0)
		return error_errno(err, "%s", file->part);
	return 0;
}

int result_file_open(struct result_file *file, const char *path, struct error *err)
{
	struct stat status;

	*file = (struct result_file){ .fd = -1 };
	if (strcmp(path, "-") == 0) {
		file->fd = STDOUT_FILENO;
		return 0;
	}
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return open_in_place(file, path, err);
	return open_part(file, path, err);
}

/* A full disk leaves a piece of a block; that of a pipe is its reader's. */
static int write_whole(struct result_file *file, struct error *err)
{
	if (file_write_all(file->fd, file->buffer, file->used, err) < 0) {
		file->is_failed = true;
		if (file->part)
			(void)!ftruncate(file->fd, (off_t)file->whole_bytes);
		return error_wrap(err, "%s", file_name(file));
	}
	file->whole_bytes += file->used;
	file->used = 0;
	return 0;
}

int result_file_wake(struct result_file *file, struct error *err)
{
	if (file->fd >= 0)
		return 0;
	file->fd = open(file->part, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (file->fd < 0)
		return error_errno(err, "%s", file->part);
	return 0;
}

int result_file_flush(struct result_file *file, struct error *err)
{
	if (file->is_failed)
		return error_set(err, ERROR_FATAL, "%s: an earlier write failed", file_name(file));
	if (file->used == 0)
		return 0;
	return result_file_wake(file, err) < 0 ? -1 : write_whole(file, err);
}

uint8_t *result_file_reserve(struct result_file *file, size_t buffer_bytes, size_t length,
			     struct error *err)
{
	uint8_t *block;

	if ((file->is_failed || file->used + length > file->capacity) &&
	    result_file_flush(file, err) < 0)
		return NULL;
	if (file->capacity < buffer_bytes || file->capacity < length) {
		file->capacity = length > buffer_bytes ? length : buffer_bytes;
		file->buffer = mem_realloc(file->buffer, file->capacity, 1);
	}
	block = file->buffer + file->used;
	file->used += length;
	return block;
}

int result_file_rest(struct result_file *file, struct error *err)
{
	if (!file->part)
		return 0;
	if (result_file_flush(file, err) < 0)
		return -1;
	close_fd(&file->fd);
	free(take_ptr(file->buffer));
	file->capacity = 0;
	return 0;
}

static int sync_folder(const struct result_file *file, struct error *err)
{
	cleanup_free char *folder = name_folder(file->path);
	cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) /* one that may be searched but not read */
		return 0;
	return file_sync_folder(fd, err);
}

int result_file_publish(struct result_file *file, struct error *err)
{
	if (result_file_flush(file, err) < 0)
		return -1;
	if (!file->part)
		return 0;
	if (result_file_wake(file, err) < 0)
		return -1;
	if (fsync(file->fd) < 0)
		return error_errno(err, "%s: cannot sync", file->part);
	close_fd(&file->fd);
	if (rename(file->part, file->path) < 0)
		return error_errno(err, "cannot rename %s to %s", file->part, file->path);
	free(take_ptr(file->part));
	return sync_folder(file, err);
}

void result_file_close(struct result_file *file)
{
	struct error err;

	if (!file->is_failed)
		(void)!result_file_flush(file, &err);
	if (file->path)
		close_fd(&file->fd);
	free(file->path);
	free(file->part);
	free(file->buffer);
}
