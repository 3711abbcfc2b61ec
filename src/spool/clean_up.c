/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier run left half done in the spool's folders. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/spool_private.h"

/* Left by a crash in the middle of file_replace(). */
static int remove_temporary(int folder_fd, struct error *err)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;

	if (!dir) {
		error_errno(err, "list folder");
		mem_close_cleanup(&fd);
		return -1;
	}
	while ((item = readdir(dir)))
		if (spool_is_temporary(item->d_name))
			(void)unlinkat(folder_fd, item->d_name, 0);
	return 0;
}

/* What an earlier run was sending is to be sent, and may have been. */
int spool_tidy(struct spool *spool, struct error *err)
{
	cleanup_closedir DIR *sending = spool_folder_list(spool, SPOOL_SENDING, err);
	struct dirent *item;

	if (!sending)
		return -1;
	while ((item = readdir(sending))) {
		struct stat st;

		if (!spool_is_segment(spool->folder_fd[SPOOL_SENDING], item->d_name, &st))
			continue;
		spool_attempts_note_unknown(spool, item->d_name);
		if (spool_folder_move(spool, SPOOL_SENDING, SPOOL_READY, item->d_name, err) < 0)
			return -1;
	}
	if (remove_temporary(spool->root_fd, err) < 0)
		return -1;
	for (int state = SPOOL_FACTS; state < SPOOL_STATE_COUNT; state++)
		if (remove_temporary(spool->folder_fd[state], err) < 0)
			return -1;
	return 0;
}
