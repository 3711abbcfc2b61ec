/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's folders may be taken away under us: deleted by somebody, or by the server of a network file
 * system. What is left are descriptors of nothing; the folders are made anew, and recording goes on.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "spool/spool_private.h"

/* Is what has this name what is open as fd? */
static bool is_same(int fd, int folder_fd, const char *name)
{
	struct stat open, named;

	return fstat(fd, &open) == 0 && fstatat(folder_fd, name, &named, 0) == 0 &&
	       open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

static bool is_intact(const struct spool *spool)
{
	if (!is_same(spool->root_fd, AT_FDCWD, spool->directory) ||
	    !is_same(spool->lock_fd, spool->root_fd, SPOOL_LOCK_FILE))
		return false;
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		if (!is_same(spool->folder_fd[state], spool->root_fd, spool_folder_names[state]))
			return false;
	return true;
}

/* Other threads use the numbers of the old descriptors: these are what stays. */
static void take_over(int *ours, int *fresh)
{
	if (*fresh >= 0 && dup3(*fresh, *ours, O_CLOEXEC) < 0)
		log_error("descriptor cannot be replaced", log_number("fd", (uint64_t)*ours));
}

static int make_anew(struct spool *spool, struct error *err)
{
	struct spool fresh = { .counters = spool->counters };
	int result = spool_folder_open_root(&fresh, spool->directory, err);

	/* A lock that is still there is ours already. */
	if (result == 0 && !is_same(spool->lock_fd, fresh.root_fd, SPOOL_LOCK_FILE))
		result = spool_folder_lock(&fresh, err);
	if (result == 0)
		result = spool_folder_open_all(&fresh, err);
	if (result == 0) {
		take_over(&spool->root_fd, &fresh.root_fd);
		take_over(&spool->lock_fd, &fresh.lock_fd);
		for (int state = 0; state < SPOOL_STATE_COUNT; state++)
			take_over(&spool->folder_fd[state], &fresh.folder_fd[state]);
		spool_carry_was_lost(spool);
	}
	spool_folder_close(&fresh);
	return result;
}

void spool_lose(struct spool *spool, const struct spool_entry *entry)
{
	struct drops drops = { 0 };
	struct segment segment;
	struct error err;

	if (spool_facts_read(spool, entry->name, &segment, &err) < 0)
		spool_facts_guess(entry->name, &segment);
	if (segment.packets < entry->packets)
		segment.packets = entry->packets;
	spool->lost++;
	drops.count[DROP_DISK] = segment.packets;
	counters_discard(spool->counters, segment.interface, DROP_DISK, segment.packets);
	spool_carry(spool, &drops);
	spool_measure_folders(spool);
	log_warning("segment vanished from the spool", log_text("name", entry->name),
		    log_number("packets", segment.packets));
}

void spool_repair(struct spool *spool)
{
	struct error err = { .kind = ERROR_NONE };

	if (is_intact(spool))
		return;
	(void)pthread_mutex_lock(&spool->lock);
	if (make_anew(spool, &err) < 0 || !is_intact(spool)) {
		if (!spool->is_broken)
			log_error(
				"spool's folder was taken away and cannot be made anew, will be tried "
				"again",
				log_text("spool", spool->directory), log_reason(&err));
		spool->is_broken = true;
		(void)pthread_mutex_unlock(&spool->lock);
		return;
	}
	log_event(EVENT_SPOOL_REMOVED, log_text("spool", spool->directory));
	spool->is_broken = false;
	if (spool_scan(spool, &err) < 0)
		log_error("spool cannot be listed", log_reason(&err));
	(void)pthread_mutex_unlock(&spool->lock);
	spool_tell(spool, false);
}
