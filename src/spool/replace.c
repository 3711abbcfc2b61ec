/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be read of a damaged segment takes its place in capturing/, and the damaged one is kept. What a crash leaves
 * of the new file has a temporary name, and is deleted at the next start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/spool_private.h"

int spool_begin_copy(struct spool_writer *writer, uint64_t bytes, struct segment_file *ret_copy,
		     struct error *err)
{
	cleanup_free char *name = spool_temporary_name(writer->name);
	int fd;

	if (spool_reserve_spare_room(writer->spool, writer->entry, bytes, err) < 0)
		return -1;
	fd = openat(writer->spool->folder_fd[SPOOL_CAPTURING], name,
		    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return error_errno(err, "create a copy of %s", writer->name);
	segment_file_init(ret_copy, fd);
	return 0;
}

/* Keep the damaged file by another name, too; where there are no links, by that name alone. */
static int keep_damaged(struct spool *spool, const char *name, const char *damaged,
			struct error *err)
{
	int from_fd = spool->folder_fd[SPOOL_CAPTURING], to_fd = spool->folder_fd[SPOOL_REJECTED];
	struct spool_entry *entry;

	if (linkat(from_fd, name, to_fd, damaged, 0) < 0 && errno != EEXIST &&
	    renameat(from_fd, name, to_fd, damaged) < 0)
		return error_errno(err, "keep %s", damaged);
	entry = spool_entries_find(spool, damaged);
	if (!entry)
		entry = spool_entries_insert(spool, damaged, SPOOL_REJECTED);
	spool_set_bytes(spool, entry, spool_allocated(to_fd, damaged));
	return 0;
}

/* Both names and the list as one: a rescan sees all of it or nothing. */
static int exchange_files(struct spool_writer *writer, struct error *err)
{
	struct spool *spool = writer->spool;
	cleanup_free char *name = spool_temporary_name(writer->name),
			  *damaged = mem_printf("%s" SPOOL_DAMAGED, writer->name);
	int folder_fd = spool->folder_fd[SPOOL_CAPTURING];
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	if (keep_damaged(spool, writer->name, damaged, err) < 0)
		return -1;
	if (renameat(folder_fd, name, folder_fd, writer->name) < 0)
		return error_errno(err, "replace %s", writer->name);
	spool_set_bytes(spool, writer->entry, spool_allocated(folder_fd, writer->name));
	spool_measure_folders(spool);
	return 0;
}

int spool_replace(struct spool_writer *writer, struct segment_file *copy, struct error *err)
{
	if (segment_file_sync(copy, false, err) < 0 || exchange_files(writer, err) < 0)
		return -1;
	/* The kept one first: after a power failure it may be in both places. */
	spool_folder_sync(writer->spool, SPOOL_REJECTED);
	spool_folder_sync(writer->spool, SPOOL_CAPTURING);
	close_fd(&writer->file.fd);
	writer->file = *copy;
	copy->fd = -1;
	return 0;
}
