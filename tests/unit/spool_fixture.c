/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the spool's fixture that a program can have only once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Declared in spool_fixture.h, whose functions are not for this file. */
extern const char *unsynced_folder;
const char *unsynced_folder;
extern void (*before_sync)(const char *name);
void (*before_sync)(const char *name);

/* In place of the C library's. */
int fsync(int fd)
{
	char link[64], path[256] = "";
	const char *name;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if ((unsynced_folder || before_sync) && readlink(link, path, sizeof path - 1) > 0) {
		name = strrchr(path, '/');
		if (name && before_sync)
			before_sync(name + 1);
		if (name && unsynced_folder && strcmp(name + 1, unsynced_folder) == 0) {
			errno = EIO;
			return -1;
		}
	}
	return (int)syscall(SYS_fsync, fd);
}
