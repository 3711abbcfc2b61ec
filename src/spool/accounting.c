/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our files and folders take, in blocks as `du` counts them. Each change is accounted where it is made, so
 * that the sum costs nothing; other people's files in the folder are spool.min_free's business.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "spool/spool_private.h"

uint64_t spool_allocated(int folder_fd, const char *name)
{
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

void spool_set_bytes(struct spool *spool, struct spool_entry *entry, uint64_t bytes)
{
	spool->entry_bytes += bytes - entry->bytes;
	entry->bytes = bytes;
}

void spool_measure_sidecars(struct spool *spool, struct spool_entry *entry)
{
	uint64_t bytes = spool_allocated(spool->folder_fd[SPOOL_METADATA], entry->name) +
			 spool_allocated(spool->folder_fd[SPOOL_UPLOAD_STATE], entry->name);

	spool->entry_bytes += bytes - entry->sidecar_bytes;
	entry->sidecar_bytes = bytes;
}

void spool_measure_folders(struct spool *spool)
{
	static const char *const names[] = { ".", "sequence", SPOOL_LOCK_FILE, "probe",
					     SPOOL_CONTROL_SOCKET };

	spool->folder_bytes = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		spool->folder_bytes += spool_allocated(spool->root_fd, names[i]);
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++)
		spool->folder_bytes += spool_allocated(spool->folder_fd[folder], ".");
}

uint64_t spool_bytes_taken(const struct spool *spool)
{
	return spool->entry_bytes + spool->folder_bytes + atomic_load(&spool->loss_bytes);
}

void spool_account_sidecars(struct spool *spool, struct spool_entry *entry)
{
	(void)pthread_mutex_lock(&spool->lock);
	spool_measure_sidecars(spool, entry);
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
}
