/* SPDX-License-Identifier: Apache-2.0 */
/* Files in capturing/ that nobody writes any more: a crash left them, or a disk that did not take their end. */
#include <fcntl.h>

#include "base/clock.h"
#include "spool/spool_private.h"

static struct spool_entry *take_entry(struct spool *spool)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct spool_entry *found = NULL;

	(void)pthread_mutex_lock(&spool->lock);
	for (size_t i = 0; i < spool->count && spool->counts[SPOOL_CAPTURING] > 0 && !found; i++)
		if (spool->entries[i]->folder == SPOOL_CAPTURING &&
		    !spool->entries[i]->is_claimed && spool->entries[i]->not_before_ms <= now_ms)
			found = spool->entries[i];
	if (found)
		found->is_claimed = true;
	(void)pthread_mutex_unlock(&spool->lock);
	return found;
}

struct spool_writer *spool_take_unfinished(struct spool *spool)
{
	struct spool_entry *entry;

	while ((entry = take_entry(spool))) {
		int fd = openat(spool->folder_fd[SPOOL_CAPTURING], entry->name,
				O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		struct spool_writer *writer;
		struct error err;

		if (fd < 0)
			error_errno(&err, "open %s", entry->name);
		writer = spool_writer_new(spool, entry, fd);
		writer->is_recovered = true;
		writer->failures = entry->failures;
		spool_metadata_recall(spool, entry, &writer->segment);
		if (fd >= 0)
			return writer;
		spool_leave_for_recovery(writer, &err);
	}
	return NULL;
}

int spool_quarantine(struct spool_writer *writer)
{
	struct segment segment = writer->segment;
	struct spool *spool = writer->spool;
	struct error err;

	if (spool_writer_move(writer, SPOOL_REJECTED, &err) < 0) {
		spool_leave_for_recovery(writer, &err);
		return -1;
	}
	spool_count_rejected(spool, &segment);
	spool_writer_free(writer);
	return 0;
}
