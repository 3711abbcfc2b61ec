/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier run left in the spool's folders. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/spool_private.h"

/* What goes with a segment that is gone is of no use. */
static int remove_orphans(struct spool *spool, enum spool_state folder, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, folder, err);
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir))) {
		bool has_segment = false;

		for (enum spool_state state = SPOOL_CAPTURING; state < SPOOL_FACTS; state++)
			if (faccessat(spool->folder_fd[state], item->d_name, F_OK, 0) == 0)
				has_segment = true;
		if (!has_segment && strcmp(item->d_name, ".") != 0 &&
		    strcmp(item->d_name, "..") != 0)
			(void)unlinkat(spool->folder_fd[folder], item->d_name, 0);
	}
	return 0;
}

/* What an earlier run was sending is to be sent, and may have been. */
int spool_tidy_up(struct spool *spool, struct error *err)
{
	cleanup_closedir DIR *sending = spool_folder_list(spool, SPOOL_SENDING, err);
	struct dirent *item;

	if (!sending)
		return -1;
	while ((item = readdir(sending))) {
		if (item->d_name[0] == '.')
			continue;
		spool_attempts_note_unknown(spool, item->d_name);
		if (spool_folder_move(spool, SPOOL_SENDING, SPOOL_READY, item->d_name, err) < 0)
			return -1;
	}
	return remove_orphans(spool, SPOOL_FACTS, err) < 0 ||
			       remove_orphans(spool, SPOOL_ATTEMPTS, err) < 0
		       ? -1
		       : 0;
}
