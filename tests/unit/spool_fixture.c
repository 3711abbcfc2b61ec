/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the spool's fixture that a program can have only once. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Declared in spool_fixture.h, whose functions are not for this file. */
extern const char *unsynced_folder;
const char *unsynced_folder;
extern void (*before_sync)(const char *name);
void (*before_sync)(const char *name);

extern bool (*refuse_sync)(const char *name);
bool (*refuse_sync)(const char *name);

extern const char *unlisted_folder;
const char *unlisted_folder;
extern bool are_renames_repeated;
bool are_renames_repeated;
extern bool are_links_refused;
bool are_links_refused;
extern bool (*refuse_rename)(const char *folder, const char *to);
bool (*refuse_rename)(const char *folder, const char *to);
extern void (*before_read)(size_t capacity, uint64_t offset);
void (*before_read)(size_t capacity, uint64_t offset);

/* In place of the C library's, as is all that follows. NFS sends a request again if the answer got lost. */
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char link[64], path[256] = "";
	int result;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", from_fd);
	if (refuse_rename && readlink(link, path, sizeof path - 1) > 0 &&
	    refuse_rename(strrchr(path, '/') + 1, to)) {
		errno = EIO;
		return -1;
	}
	result = (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
	return are_renames_repeated ? (int)syscall(SYS_renameat, from_fd, from, to_fd, to) : result;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	if (are_links_refused) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

ssize_t pread(int fd, void *bytes, size_t capacity, off_t offset)
{
	if (before_read)
		before_read(capacity, (uint64_t)offset);
	return syscall(SYS_pread64, fd, bytes, capacity, offset);
}

DIR *fdopendir(int fd)
{
	DIR *(*original)(int) = (DIR * (*)(int)) dlsym(RTLD_NEXT, "fdopendir");
	char link[64], path[256] = "";
	const char *name;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (unlisted_folder && readlink(link, path, sizeof path - 1) > 0) {
		name = strrchr(path, '/');
		if (name && strcmp(name + 1, unlisted_folder) == 0) {
			errno = EIO;
			return NULL;
		}
	}
	return original(fd);
}

int fsync(int fd)
{
	char link[64], path[256] = "";
	const char *name;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if ((unsynced_folder || before_sync || refuse_sync) &&
	    readlink(link, path, sizeof path - 1) > 0) {
		name = strrchr(path, '/');
		if (name && before_sync)
			before_sync(name + 1);
		if (name && ((unsynced_folder && strcmp(name + 1, unsynced_folder) == 0) ||
			     (refuse_sync && refuse_sync(name + 1)))) {
			errno = EIO;
			return -1;
		}
	}
	return (int)syscall(SYS_fsync, fd);
}
