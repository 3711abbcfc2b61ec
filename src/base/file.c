/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/mem.h"

#define PARENT_MODE          0755 /* of folders that are made on the way: they hold only the next one */
#define PAGE_BYTES           ((size_t)4096)
#define CHECKSUM_BLOCK_BYTES ((size_t)256 * 1024)

/* Whoever gave us a pipe may have made it one that does not block. */
static bool wait_for_room(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	return poll(&room, 1, -1) >= 0 || errno == EINTR;
}

int file_write_all(int fd, const void *bytes, size_t length, struct error *err)
{
	const char *p = bytes;

	while (length > 0) {
		ssize_t written = write(fd, p, length);

		if (written < 0) {
			if (errno == EINTR || (errno == EAGAIN && wait_for_room(fd)))
				continue;
			return error_errno(err, "write");
		}
		p += written;
		length -= (size_t)written;
	}
	return 0;
}

ssize_t file_read_at(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err)
{
	size_t length = 0;

	while (length < capacity) {
		ssize_t got = pread(fd, (char *)bytes + length, capacity - length,
				    (off_t)(offset + length));

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return error_errno(err, "read");
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

ssize_t file_read_around(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err)
{
	ssize_t got = file_read_at(fd, bytes, capacity, offset, err);
	size_t length = 0;
	struct stat st;

	if (got >= 0 || err->errnum != EIO)
		return got;
	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	while (length < capacity && offset + length < (uint64_t)st.st_size) {
		/* To the end of a page: the disk fails, or not, for whole ones. */
		size_t part = PAGE_BYTES - (offset + length) % PAGE_BYTES;

		if (part > capacity - length)
			part = capacity - length;
		got = file_read_at(fd, (char *)bytes + length, part, offset + length, err);
		if (got < 0 && err->errnum != EIO)
			return -1;
		if (got < 0) {
			memset((char *)bytes + length, 0, part);
			got = (ssize_t)part;
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (offset + length > (uint64_t)st.st_size)
		length = (uint64_t)st.st_size > offset ? (size_t)st.st_size - offset : 0;
	return (ssize_t)length;
}

int file_checksum(int fd, uint32_t *ret_crc32c, struct error *err)
{
	cleanup_free char *block = mem_alloc(CHECKSUM_BLOCK_BYTES);
	uint64_t offset = 0;
	uint32_t crc = 0;

	for (;;) {
		ssize_t got = file_read_at(fd, block, CHECKSUM_BLOCK_BYTES, offset, err);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		crc = crc32c_update(crc, block, (size_t)got);
		offset += (uint64_t)got;
	}
	*ret_crc32c = crc;
	return 0;
}

int file_sync_folder(int folder_fd, struct error *err)
{
	if (fsync(folder_fd) < 0 && errno != EINVAL && errno != ENOTSUP)
		return error_errno(err, "sync folder");
	return 0;
}

int file_replace_in_place(int folder_fd, const char *name, mode_t mode, const void *bytes,
			  size_t length, struct error *err)
{
	char temporary[NAME_MAX + 1];
	cleanup_close int fd = -1;

	if (snprintf(temporary, sizeof temporary, ".%s.new", name) >= (int)sizeof temporary)
		return error_set(err, ERROR_FATAL, "write %s: name too long", name);
	fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return error_errno(err, "create %s", temporary);
	if (file_write_all(fd, bytes, length, err) < 0)
		goto failed;
	if (fsync(fd) < 0) {
		error_errno(err, "sync");
		goto failed;
	}
	if (renameat(folder_fd, temporary, folder_fd, name) < 0) {
		error_errno(err, "rename");
		goto failed;
	}
	return 0;
failed:
	(void)unlinkat(folder_fd, temporary, 0);
	return error_wrap(err, "%s", name);
}

int file_replace(int folder_fd, const char *name, mode_t mode, const void *bytes, size_t length,
		 struct error *err)
{
	if (file_replace_in_place(folder_fd, name, mode, bytes, length, err) < 0)
		return -1;
	return file_sync_folder(folder_fd, err);
}

int file_read_text(int folder_fd, const char *path, size_t limit, char **ret_text,
		   size_t *ret_length, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, path,
				      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t length;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_FATAL, "%s: not a regular file", path);
	text = mem_alloc(limit + 1);
	length = file_read_at(fd, text, limit + 1, 0, err);
	if (length < 0)
		return error_wrap(err, "%s", path);
	if ((size_t)length > limit)
		return error_set(err, ERROR_FATAL, "%s: larger than %zu bytes", path, limit);
	text[length] = '\0';
	*ret_text = take_ptr(text);
	*ret_length = (size_t)length;
	return 0;
}

/* rename() that refuses an existing target, with fallbacks for file systems without the flag. */
static int rename_to_new(int folder_fd, const char *temporary, const char *name)
{
	if (renameat2(folder_fd, temporary, folder_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(folder_fd, temporary, folder_fd, name, 0) == 0) {
		(void)unlinkat(folder_fd, temporary, 0);
		return 0;
	}
	if (errno != EPERM && errno != EOPNOTSUPP)
		return -1;
	/* No hard links either. Names are never reused, so nobody else can be creating this one. */
	if (faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(folder_fd, temporary, folder_fd, name);
}

int file_publish(int folder_fd, const char *temporary, const char *name, struct error *err)
{
	if (rename_to_new(folder_fd, temporary, name) < 0)
		return error_errno(err, "publish %s", name);
	return file_sync_folder(folder_fd, err);
}

int file_make_folders(const char *path, mode_t mode, struct error *err)
{
	cleanup_free char *part = mem_strdup(path);
	struct stat st;

	for (char *end = part; end;) {
		end = strchr(end + 1, '/');
		if (end)
			*end = '\0';
		if (mkdir(part, end ? PARENT_MODE : mode) == 0) {
			/* Whatever the umask says: another account may have to go through it. */
			if (end && chmod(part, PARENT_MODE) < 0)
				return error_errno(err, "create folder %s", part);
		} else if (errno != EEXIST) {
			return error_errno(err, "create folder %s", part);
		}
		if (end)
			*end = '/';
	}
	if (stat(part, &st) < 0)
		return error_errno(err, "%s", part);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERROR_FATAL, "%s: not a folder", part);
	return 0;
}

char *file_account(void)
{
	uid_t uid = geteuid();
	struct passwd account, *found = NULL;
	char strings[4096];

	if (getpwuid_r(uid, &account, strings, sizeof strings, &found) != 0 || !found)
		return mem_printf("the account (uid %u)", uid);
	return mem_printf("the account %s (uid %u)", found->pw_name, uid);
}
