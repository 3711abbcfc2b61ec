/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be read of a damaged segment takes its place in capturing/, and the damaged one is kept. What a crash leaves
 * of the new file has a temporary name, and is deleted at the next start; but if the damaged one had left its place
 * already, the new file is whole and is put there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
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

/*
 * Keep the damaged file by another name, too, and the copy takes its own. Where there are no links, the file is kept by
 * the other name alone for a moment; both names are as they were if the copy cannot come. If not even that works, they
 * are as spool_finish_exchange() expects them.
 */
static int exchange_names(const struct spool *spool, const char *name, const char *damaged,
			  struct error *err)
{
	cleanup_free char *copy = spool_temporary_name(name);
	int from_fd = spool->folder_fd[SPOOL_CAPTURING], to_fd = spool->folder_fd[SPOOL_REJECTED];
	bool is_linked = linkat(from_fd, name, to_fd, damaged, 0) == 0;
	bool is_moved = !is_linked && errno != EEXIST;

	if (is_moved && renameat(from_fd, name, to_fd, damaged) < 0)
		return error_errno(err, "keep %s", damaged);
	if (renameat(from_fd, copy, from_fd, name) == 0)
		return 0;
	error_errno(err, "replace %s", name);
	if (is_moved && spool_rename(to_fd, damaged, from_fd, name) < 0)
		log_debug("cannot take back that a file is damaged", log_text("name", name));
	else if (is_linked)
		(void)unlinkat(to_fd, damaged, 0);
	return -1;
}

static void list_damaged(struct spool *spool, const char *damaged)
{
	struct spool_entry *entry = spool_entries_find(spool, damaged);

	if (!entry)
		entry = spool_entries_insert(spool, damaged, SPOOL_REJECTED);
	spool_set_bytes(spool, entry, spool_allocated(spool->folder_fd[SPOOL_REJECTED], damaged));
}

/* Both names and the list as one: a rescan sees all of it or nothing. */
static int exchange_files(struct spool_writer *writer, struct error *err)
{
	struct spool *spool = writer->spool;
	cleanup_free char *damaged = mem_printf("%s" SPOOL_DAMAGED, writer->name);
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	if (exchange_names(spool, writer->name, damaged, err) < 0)
		return -1;
	list_damaged(spool, damaged);
	spool_set_bytes(spool, writer->entry,
			spool_allocated(spool->folder_fd[SPOOL_CAPTURING], writer->name));
	spool_measure_folders(spool);
	return 0;
}

int spool_finish_exchange(struct spool *spool, const char *name, struct error *err)
{
	cleanup_free char *copy = spool_temporary_name(name),
			  *damaged = mem_printf("%s" SPOOL_DAMAGED, name);
	int folder_fd = spool->folder_fd[SPOOL_CAPTURING];

	if (spool_folder_has(spool, SPOOL_CAPTURING, name) ||
	    !spool_folder_has(spool, SPOOL_CAPTURING, copy) ||
	    !spool_folder_has(spool, SPOOL_REJECTED, damaged) ||
	    !spool_folder_has(spool, SPOOL_METADATA, name))
		return 0;
	if (spool_rename(folder_fd, copy, folder_fd, name) < 0)
		return error_errno(err, "replace %s", name);
	list_damaged(spool, damaged);
	return 1;
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
