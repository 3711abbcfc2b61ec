/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sink has and is still here, for who searches on this node: kept/NAME, and kept/metadata/NAME. Both folders are
 * made with the first such file, and removed when the last one is gone and no more are to come: an older version, which
 * does not know them, then finds what it knows.
 *
 * On its way a file has its temporary name in sending/, by which any version knows that it was sent:
 *     sending/NAME -> sending/.NAME.new, metadata/NAME -> kept/metadata/NAME, sending/.NAME.new -> kept/NAME
 * After a kill at any place the next start goes on with it. A power failure may take back some of these steps, or leave a
 * file in both places: what is in sending/ is sent again, which finds its object there; what is in both is in kept/.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_private.h"

#define BATCH     16                    /* files read or deleted while the lock is held */
#define BATCH_MAX 256                   /* batches a second */
#define HOLD_MS   (10 * CLOCK_MS_PER_S) /* until one that could not be deleted is tried again */

uint64_t spool_keep_ns(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->budget_lock);

	return spool->budget.keep_ns;
}

/* Say so once, until it works again. */
static bool note_failure(struct spool *spool, const char *name, const struct error *err)
{
	if (!spool->cannot_keep)
		log_warning("cannot keep uploaded segments on this node; deleting them",
			    log_text("name", name), log_reason(err));
	spool->cannot_keep = true;
	return false;
}

bool spool_kept_add(struct spool *spool, const char *name, const char *sent)
{
	int sending_fd = spool->folder_fd[SPOOL_SENDING];
	struct error err;

	if (spool_folder_open_kept(spool, true, &err) < 0)
		return note_failure(spool, name, &err);
	/* Without them its name says enough. */
	if (spool_rename(spool->folder_fd[SPOOL_METADATA], name,
			 spool->folder_fd[SPOOL_KEPT_METADATA], name) < 0)
		(void)unlinkat(spool->folder_fd[SPOOL_METADATA], name, 0);
	(void)unlinkat(spool->folder_fd[SPOOL_UPLOAD_STATE], name, 0);
	if (spool_rename(sending_fd, sent, spool->folder_fd[SPOOL_KEPT], name) < 0) {
		error_errno(&err, "move %s to %s", name, spool_folder_names[SPOOL_KEPT]);
		return err.errnum != ENOENT && note_failure(spool, name, &err);
	}
	spool->cannot_keep = false;
	return true;
}

/* The metadata of one in KEPT are where only those of others are to be. */
static void adopt_metadata(struct spool *spool)
{
	for (size_t i = 0; i < spool->count; i++) {
		struct spool_entry *entry = spool->entries[i];

		if (entry->folder != SPOOL_KEPT)
			continue;
		/* Of one file with two names, the first one would stay. */
		if (renameat(spool->folder_fd[SPOOL_METADATA], entry->name,
			     spool->folder_fd[SPOOL_KEPT_METADATA], entry->name) == 0)
			(void)unlinkat(spool->folder_fd[SPOOL_METADATA], entry->name, 0);
		(void)unlinkat(spool->folder_fd[SPOOL_UPLOAD_STATE], entry->name, 0);
		spool_measure_sidecars(spool, entry);
	}
}

/* Metadata of one that is not in KEPT: those of a segment that is back among the others, or of one that is gone. */
static void return_metadata(struct spool *spool, const char *name)
{
	struct spool_entry *entry = spool_entries_find(spool, name);

	if (entry && entry->folder == SPOOL_KEPT)
		return;
	if (entry && !spool_folder_has(spool, SPOOL_METADATA, name) &&
	    spool_rename(spool->folder_fd[SPOOL_KEPT_METADATA], name,
			 spool->folder_fd[SPOOL_METADATA], name) < 0)
		return; /* the next start tries it again */
	(void)unlinkat(spool->folder_fd[SPOOL_KEPT_METADATA], name, 0);
	if (entry)
		spool_measure_sidecars(spool, entry);
}

void spool_kept_tidy(struct spool *spool)
{
	cleanup_closedir DIR *dir = NULL;
	struct name_parts parts;
	struct error err;
	const char *name;
	int result;

	if (spool->folder_fd[SPOOL_KEPT] < 0)
		return;
	adopt_metadata(spool);
	dir = spool_list_folder(spool->folder_fd[SPOOL_KEPT_METADATA], &err);
	while ((result = spool_next_name(dir, &name, &err)) > 0)
		if (name_parse(name, &parts))
			return_metadata(spool, name);
	if (result < 0)
		log_warning("cannot look for leftovers in a folder of the spool", log_reason(&err));
}

/* When it ended: its file need not be looked at again. */
static void learn_end(const struct spool *spool, struct spool_entry *entry)
{
	struct segment segment;
	struct error err;
	struct stat st;

	entry->is_known = true;
	if (spool_metadata_read(spool, SPOOL_KEPT_METADATA, entry->name, &segment, &err) == 0 &&
	    segment.end_ns > 0)
		entry->end_ns = segment.end_ns;
	else if (fstatat(spool->folder_fd[SPOOL_KEPT], entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		entry->end_ns = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_S +
				(uint64_t)st.st_mtim.tv_nsec;
	else
		entry->end_ns = name_start_ns(entry->name);
}

int spool_kept_delete(struct spool *spool, struct spool_entry *entry, struct error *err)
{
	if (unlinkat(spool->folder_fd[SPOOL_KEPT], entry->name, 0) < 0 && errno != ENOENT) {
		error_errno(err, "remove %s from %s", entry->name, spool_folder_names[SPOOL_KEPT]);
		if (entry->failures++ == 0)
			log_warning("cannot delete kept segment; making room without it",
				    log_reason(err));
		entry->not_before_ms = clock_monotonic_ms() + HOLD_MS;
		return -1;
	}
	spool_entries_delete(spool, entry);
	return 0;
}

/* Has it been here for as long as it may? */
static bool is_expired(const struct spool_entry *entry, uint64_t keep_ns, uint64_t now_ns)
{
	return entry->folder == SPOOL_KEPT &&
	       (keep_ns == 0 ||
		(entry->end_ns > 0 && now_ns > entry->end_ns && now_ns - entry->end_ns >= keep_ns));
}

void spool_kept_note_short(struct spool *spool, const struct spool_entry *entry)
{
	uint64_t keep_ns = spool_keep_ns(spool);

	if (keep_ns == 0 || is_expired(entry, keep_ns, clock_real_ns()))
		return;
	if (!spool->is_keeping_less)
		log_notice("kept segments make room before spool.keep has passed",
			   log_text("name", entry->name),
			   log_number("kept", spool->counts[SPOOL_KEPT]),
			   log_number("bytes", spool->kept_bytes));
	spool->is_keeping_less = true;
}

/* Some of them; true if there may be more. Locks. */
static bool expire_some(struct spool *spool, uint64_t keep_ns, uint64_t now_ns, size_t *place)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	uint64_t now_ms = clock_monotonic_ms();
	unsigned looked = 0;
	struct error err;

	/* Where the list changes in between, the next call finds what was passed over. */
	while (*place < spool->count && spool->counts[SPOOL_KEPT] > 0 && looked < BATCH) {
		struct spool_entry *entry = spool->entries[*place];

		if (entry->folder == SPOOL_KEPT && !entry->is_known && keep_ns > 0) {
			learn_end(spool, entry);
			looked++;
		}
		if (!is_expired(entry, keep_ns, now_ns) || entry->not_before_ms > now_ms) {
			(*place)++;
			continue;
		}
		looked++;
		if (spool_kept_delete(spool, entry, &err) < 0)
			(*place)++;
		else
			spool->is_keeping_less = false;
	}
	return looked >= BATCH;
}

/* Somebody has taken the folders away: what was uploaded is no loss. */
static void forget_all(struct spool *spool)
{
	spool_folder_close_kept(spool);
	for (size_t i = spool->count; i-- > 0 && spool->counts[SPOOL_KEPT] > 0;)
		if (spool->entries[i]->folder == SPOOL_KEPT)
			spool_entries_delete(spool, spool->entries[i]);
}

/* None are left, and no more are to come. */
static void remove_folders(struct spool *spool)
{
	if (unlinkat(spool->root_fd, spool_folder_names[SPOOL_KEPT_METADATA], AT_REMOVEDIR) < 0 ||
	    unlinkat(spool->root_fd, spool_folder_names[SPOOL_KEPT], AT_REMOVEDIR) < 0)
		return; /* other people's files are in it */
	spool_folder_close_kept(spool);
}

void spool_kept_expire(struct spool *spool)
{
	uint64_t keep_ns = spool_keep_ns(spool), now_ns = clock_real_ns();
	size_t place = 0;

	for (unsigned batches = 0;
	     batches < BATCH_MAX && expire_some(spool, keep_ns, now_ns, &place); batches++)
		thread_give_way();
	(void)pthread_mutex_lock(&spool->lock);
	if (spool_folder_is_kept_gone(spool))
		forget_all(spool);
	else if (keep_ns == 0 && spool->counts[SPOOL_KEPT] == 0 &&
		 spool->folder_fd[SPOOL_KEPT] >= 0)
		remove_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
}
