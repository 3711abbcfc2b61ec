/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over 400 lines because what is lost, where that is written and who states it is one protocol.
 *
 * Losses that no segment has stated yet. Whoever finishes the next segment states them in its metadata, once.
 *
 * A file lost/NUMBER.REASON is the metadata of a segment that is gone: its packets are lost for that reason,
 * and with it goes what it lacked and what it stated of others. Numbers come from the spool's sequence, so each
 * is larger than those before. The metadata of whoever states them name the last one ("losses-stated"): all up
 * to there are stated. What is in no file yet is `pending` in memory, and written down once a second.
 *
 * Why a kill at any place neither loses nor doubles a loss:
 *     Deleting X: (1) metadata/X becomes lost/N, (2) ready/X goes. After 1, X is still there: the next start
 *     finds a segment of its sequence number and moves the metadata back; nobody can have stated N, because
 *     stating and deleting exclude one another. After 2, N says what is lost.
 *     Stating in S: (1) metadata/S say what is lost, up to N, (2) the files up to N go. Before 1 nothing is
 *     stated; 1 is one rename. After it, the next start reads N in metadata/S and deletes the files. S is not
 *     published before 2, so metadata/S are there for as long as such a file can be. If S is never finished, it
 *     is recovered with its metadata; if it is deleted, they become a file in lost/ (with a larger number) that
 *     still says N.
 *     Adding up: many files become one in the same way as S states them: a file in lost/ that says N.
 * Stating waits for the disk, and nobody waits for it who only loses: `stating_lock` is for those who state, and
 * ledger_lock is held while losses are collected, and while one is noted with both steps of its deletion, but not
 * over a sync. What is lost after the collection has a larger number than all that is in it, or is pending again.
 * After a power failure the same holds, because lost/ and the deletions are made durable before they are
 * stated, and the metadata of S before the files go. A deletion itself needs no sync: if its two steps are lost,
 * nothing was deleted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

#define LOSS_FILES_MAX 64 /* more are added up */
#define LOSS_NAME_MAX  48

/* Name the next file in lost/. */
static int name_loss(struct spool *spool, enum drop_reason reason, char name[LOSS_NAME_MAX],
		     struct error *err)
{
	uint64_t number;

	if (spool_next_sequence(spool, &number, err) < 0)
		return -1;
	(void)snprintf(name, LOSS_NAME_MAX, "%08ju.%s", (uintmax_t)number,
		       drop_reason_names[reason]);
	return 0;
}

struct loss_file {
	const char *name; /* valid until the next one */
	uint64_t number;
	enum drop_reason reason;
};

/* Of lost/, as spool_next_name(). */
static int next_loss(DIR *dir, struct loss_file *ret_file, struct error *err)
{
	int result;

	while ((result = spool_next_name(dir, &ret_file->name, err)) > 0)
		if (spool_loss_parse_name(ret_file->name, &ret_file->number, &ret_file->reason))
			break;
	return result;
}

static void account_loss(struct spool *spool, const char *name)
{
	spool->loss_files++;
	atomic_fetch_add(&spool->loss_bytes, spool_allocated(spool->folder_fd[SPOOL_LOST], name));
}

/* Delete what is stated, and see what is left. */
static void delete_stated(struct spool *spool)
{
	struct error err;
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[SPOOL_LOST], &err);
	struct loss_file file;
	int result;

	spool->loss_files = 0;
	atomic_store(&spool->loss_bytes, 0);
	while ((result = next_loss(dir, &file, &err)) > 0)
		if (file.number > spool->losses_stated ||
		    unlinkat(spool->folder_fd[SPOOL_LOST], file.name, 0) < 0)
			account_loss(spool, file.name);
	spool->loss_files += result < 0; /* nobody knows: whoever states losses looks again */
}

struct collection {
	struct losses losses;
	struct losses pending; /* of them, those that are in no file */
	uint64_t last;
};

/* One that cannot be read now gets a new number, not to be taken for stated with the others. */
static bool put_off(struct spool *spool, const struct loss_file *file, const struct error *reason)
{
	char name[LOSS_NAME_MAX];
	struct error err;

	if (!spool->has_unreadable_loss)
		log_warning("cannot read a record of losses; stating the others",
			    log_text("name", file->name), log_reason(reason));
	spool->has_unreadable_loss = true;
	return name_loss(spool, file->reason, name, &err) == 0 &&
	       spool_rename(spool->folder_fd[SPOOL_LOST], file->name, spool->folder_fd[SPOOL_LOST],
			    name) == 0;
}

/* Those that were pending are the collection's until it is in a file, or they are put back. With ledger_lock. */
static void take_pending(struct spool *spool, struct collection *collection)
{
	losses_add_all(&collection->losses, &spool->pending);
	collection->pending = spool->pending;
	spool->pending.count = 0;
}

/* All that is to be stated now; false if there is nothing, or nobody knows. With ledger_lock. */
static bool collect_losses(struct spool *spool, const struct losses *already,
			   struct collection *ret_collection)
{
	struct collection collection = { .losses = *already, .last = spool->losses_stated };
	bool has_any = spool->pending.count > 0;
	uint64_t end; /* those with larger numbers were put off just now */
	cleanup_closedir DIR *dir = NULL;
	struct loss_file file;
	struct segment segment;
	struct error err;
	int result = 0;

	(void)pthread_mutex_lock(&spool->sequence_lock);
	end = spool->sequence;
	(void)pthread_mutex_unlock(&spool->sequence_lock);
	if (spool->loss_files > 0)
		dir = spool_list_folder(spool->folder_fd[SPOOL_LOST], &err);
	while (spool->loss_files > 0 && (result = next_loss(dir, &file, &err)) > 0) {
		if (file.number <= spool->losses_stated || file.number > end)
			continue;
		if (spool_metadata_read(spool, SPOOL_LOST, file.name, &segment, &err) == 0) {
			losses_add_segment(&collection.losses, &segment, file.reason);
		} else if (err.errnum != 0) { /* it may be readable later */
			if (!put_off(spool, &file, &err))
				return false;
			continue;
		} else {
			log_warning("a record of losses is damaged; its counts are lost",
				    log_text("name", file.name), log_reason(&err));
		}
		has_any = true;
		if (file.number > collection.last)
			collection.last = file.number;
	}
	if (spool->has_unlisted_losses != (result < 0) && result < 0)
		log_warning("cannot list the records of losses; they are stated later",
			    log_reason(&err));
	spool->has_unlisted_losses = result < 0;
	if (result < 0 || !has_any)
		return false;
	take_pending(spool, &collection);
	*ret_collection = collection;
	return true;
}

/* A loss that is stated must be one: lost/ first, then the folders that segments were deleted from. */
static void sync_deletions(const struct spool *spool)
{
	spool_folder_sync(spool, SPOOL_LOST);
	spool_folder_sync(spool, SPOOL_CAPTURING);
	spool_folder_sync(spool, SPOOL_READY);
	spool_folder_sync(spool, SPOOL_REJECTED);
}

/* Those of the collection are in a file that names the last of them. */
static void forget_stated(struct spool *spool, const struct collection *collection)
{
	(void)pthread_mutex_lock(&spool->ledger_lock);
	spool->losses_stated = collection->last;
	delete_stated(spool);
	(void)pthread_mutex_unlock(&spool->ledger_lock);
	spool_folder_sync(spool, SPOOL_LOST);
}

/* They are in no file after all. */
static void put_back(struct spool *spool, const struct collection *collection)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);

	losses_add_all(&spool->pending, &collection->pending);
}

/* With what the segment states already. */
static bool collect_for(struct spool *spool, const struct segment *segment,
			struct collection *ret_collection)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);
	struct losses already;

	losses_of_segment(segment, &already);
	return collect_losses(spool, &already, ret_collection);
}

/* 1: all losses are stated in the metadata; 0: there are none to state, and nothing is written. */
static int state_losses(struct spool *spool, const char *name, struct segment *segment,
			struct error *err)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->stating_lock);
	struct segment stating = *segment;
	struct collection collection;
	int result = 0;

	if (!collect_for(spool, segment, &collection))
		return 0;
	if (losses_state(&collection.losses, &stating)) {
		stating.losses_stated = collection.last;
		sync_deletions(spool);
		result = spool_metadata_write(spool, SPOOL_METADATA, name, &stating, err) < 0 ? -1
											      : 1;
	}
	if (result <= 0) {
		put_back(spool, &collection);
		return result;
	}
	forget_stated(spool, &collection);
	*segment = stating;
	return 1;
}

int spool_ledger_write_metadata(struct spool *spool, const char *name, struct segment *segment,
				struct error *err)
{
	int result = state_losses(spool, name, segment, err);

	if (result == 0)
		return spool_metadata_write(spool, SPOOL_METADATA, name, segment, err);
	return result < 0 ? -1 : 0;
}

/* One file with them. */
static int write_sum(struct spool *spool, const struct collection *collection, struct error *err)
{
	struct segment sum = { .losses_stated = collection->last };
	char name[LOSS_NAME_MAX];

	(void)losses_state(&collection->losses, &sum); /* nothing else is attached */
	if (name_loss(spool, collection->losses.list[0].reason, name, err) < 0)
		return -1;
	sync_deletions(spool);
	return spool_metadata_write(spool, SPOOL_LOST, name, &sum, err);
}

/* Collect for one file in place of all, and of what is pending; false: there is no need to. */
static bool collect_sum(struct spool *spool, struct collection *ret_collection)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);
	static const struct losses none;

	if (spool->pending.count == 0 && spool->loss_files <= LOSS_FILES_MAX)
		return false;
	if (!collect_losses(spool, &none, ret_collection)) { /* those in files stay there */
		*ret_collection = (struct collection){ .last = spool->losses_stated };
		take_pending(spool, ret_collection);
	}
	return ret_collection->losses.count > 0;
}

void spool_ledger_save(struct spool *spool)
{
	struct collection collection;
	struct error err;

	if (pthread_mutex_trylock(&spool->stating_lock) != 0)
		return; /* they are being stated */
	if (collect_sum(spool, &collection)) {
		if (write_sum(spool, &collection, &err) == 0) {
			forget_stated(spool, &collection);
		} else {
			log_debug("cannot write down losses; a crash would forget them",
				  log_reason(&err));
			put_back(spool, &collection);
		}
	}
	(void)pthread_mutex_unlock(&spool->stating_lock);
}

void spool_add_loss(struct spool *spool, const char *interface, uint64_t from_ns, uint64_t to_ns,
		    const struct drops *drops)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);

	losses_add_drops(&spool->pending, interface, from_ns, to_ns, drops);
}

/* Is what is lost with a segment what its metadata on the disk say? */
static bool is_written(struct spool *spool, const char *name, const struct segment *segment)
{
	struct segment written;
	struct error err;

	return spool_metadata_read(spool, SPOOL_METADATA, name, &written, &err) == 0 &&
	       written.packets == segment->packets &&
	       memcmp(&written.drops, &segment->drops, sizeof written.drops) == 0 &&
	       strcmp(written.attachments, segment->attachments) == 0;
}

/*
 * A segment is lost: by its metadata, which move to lost/ under ret_name; or, where they are not there or say
 * something else, in memory ("" then), which is written down within a second. So nothing is synced here.
 */
static void note_loss(struct spool *spool, const char *name, const struct segment *segment,
		      enum drop_reason reason, char ret_name[LOSS_NAME_MAX])
{
	struct losses losses = { .count = 0 };
	struct error err;

	ret_name[0] = '\0';
	losses_add_segment(&losses, segment, reason);
	if (losses.count == 0)
		return;
	if (is_written(spool, name, segment) && name_loss(spool, reason, ret_name, &err) == 0 &&
	    spool_rename(spool->folder_fd[SPOOL_METADATA], name, spool->folder_fd[SPOOL_LOST],
			 ret_name) == 0) {
		account_loss(spool, ret_name);
		return;
	}
	ret_name[0] = '\0';
	losses_add_all(&spool->pending, &losses);
}

/* It is not lost after all. */
static void undo_loss(struct spool *spool, const char *name, const char *loss_name)
{
	if (spool_rename(spool->folder_fd[SPOOL_LOST], loss_name, spool->folder_fd[SPOOL_METADATA],
			 name) < 0)
		log_warning("cannot take back that a segment is lost", log_text("name", name),
			    log_text("reason", strerror(errno)));
	delete_stated(spool);
}

/* Both steps of a deletion, as one for those who state. */
static int lose_file(struct spool *spool, const struct spool_entry *entry,
		     const struct segment *segment, enum drop_reason reason, struct error *err)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);
	const struct losses before = spool->pending;
	char loss_name[LOSS_NAME_MAX];

	note_loss(spool, entry->name, segment, reason, loss_name);
	if (unlinkat(spool->folder_fd[entry->folder], entry->name, 0) == 0 || errno == ENOENT)
		return 0;
	error_errno(err, "remove %s", entry->name);
	spool->pending = before;
	if (loss_name[0])
		undo_loss(spool, entry->name, loss_name);
	return -1;
}

int spool_ledger_delete(struct spool *spool, const struct spool_entry *entry,
			const struct segment *segment, enum drop_reason reason, struct error *err)
{
	/* A full disk did not take what its end had to say: now it may, so that no kill forgets it. */
	if (!is_written(spool, entry->name, segment) &&
	    spool_metadata_write(spool, SPOOL_METADATA, entry->name, segment, err) < 0)
		log_debug("cannot note what a segment held that is deleted", log_reason(err));
	return lose_file(spool, entry, segment, reason, err);
}

void spool_count_lost(struct spool *spool, struct spool_entry *entry, const struct segment *known)
{
	char loss_name[LOSS_NAME_MAX];
	struct segment segment;

	if (known)
		segment = *known;
	else
		spool_metadata_recall(spool, entry, &segment);
	(void)pthread_mutex_lock(&spool->ledger_lock);
	note_loss(spool, entry->name, &segment, DROP_DISK, loss_name);
	(void)pthread_mutex_unlock(&spool->ledger_lock);
	spool->lost++;
	counters_discard(spool->counters, segment.interface, DROP_DISK, segment.packets);
	log_warning("segment vanished from the spool", log_text("name", entry->name),
		    log_number("packets", segment.packets));
	spool_entries_delete(spool, entry);
}

void spool_count_orphan(struct spool *spool, const char *name)
{
	struct losses losses = { .count = 0 };
	char loss_name[LOSS_NAME_MAX];
	struct segment segment;
	struct error err;

	if (spool_metadata_read(spool, SPOOL_METADATA, name, &segment, &err) < 0) {
		if (err.errnum != 0)
			return; /* they may be readable later */
		segment = (struct segment){ .packets = 0 };
	}
	losses_add_segment(&losses, &segment, DROP_DISK);
	if (losses.count > 0 && segment.is_rejected == 0) {
		spool_count_lost(spool, spool_entries_insert(spool, name, SPOOL_CAPTURING), NULL);
		return;
	}
	(void)pthread_mutex_lock(&spool->ledger_lock);
	note_loss(spool, name, &segment, DROP_REJECTED, loss_name);
	(void)pthread_mutex_unlock(&spool->ledger_lock);
	(void)unlinkat(spool->folder_fd[SPOOL_METADATA], name, 0);
}

void spool_note_rejected(struct spool *spool, const char *name, const struct segment *segment,
			 bool is_rejected)
{
	struct segment noted = *segment;
	struct error err;

	noted.is_rejected = is_rejected;
	if (spool_metadata_write(spool, SPOOL_METADATA, name, &noted, &err) < 0)
		log_debug("cannot note whether a segment is rejected", log_text("name", name),
			  log_reason(&err));
}

void spool_count_rejected(struct spool *spool, const struct segment *segment)
{
	counter_add(&spool->counters->segments_rejected, 1);
	counters_discard(spool->counters, segment->interface, DROP_REJECTED, segment->packets);
}

/* Start ----------------------------------------------------------------------------------------- */

static int raise_stated(struct spool *spool, enum spool_folder folder, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[folder], err);
	struct segment segment;
	struct error reading;
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0)
		if (name[0] != '.' &&
		    spool_metadata_read(spool, folder, name, &segment, &reading) == 0 &&
		    segment.losses_stated > spool->losses_stated)
			spool->losses_stated = segment.losses_stated;
	return result;
}

int spool_ledger_open(struct spool *spool, struct error *err)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->ledger_lock);

	delete_stated(spool);
	if (spool->loss_files == 0 && !spool->is_sequence_guessed)
		return 0;
	if (raise_stated(spool, SPOOL_METADATA, err) < 0 ||
	    raise_stated(spool, SPOOL_LOST, err) < 0)
		return -1;
	delete_stated(spool);
	/* A record of a number up to there would be taken for one that is stated. */
	if (spool->sequence < spool->losses_stated)
		spool->sequence = spool->sequence_end = spool->losses_stated;
	return 0;
}

/* Is it the segment that these metadata are of? */
static bool is_of(const struct spool_entry *entry, const struct segment *segment)
{
	struct name_parts parts;

	return name_parse(entry->name, &parts) && parts.sequence == segment->sequence &&
	       !spool_is_damaged(entry->name) &&
	       name_start_ns(entry->name) / CLOCK_NS_PER_MS == segment->start_ns / CLOCK_NS_PER_MS;
}

void spool_ledger_undo_unfinished(struct spool *spool)
{
	struct error err, listing;
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[SPOOL_LOST], &listing);
	struct loss_file file;
	struct segment segment;

	(void)pthread_mutex_lock(&spool->ledger_lock);
	while (next_loss(dir, &file, &listing) > 0) {
		if (spool_metadata_read(spool, SPOOL_LOST, file.name, &segment, &err) < 0 ||
		    segment.sequence == 0)
			continue;
		for (size_t i = 0; i < spool->count; i++)
			if (is_of(spool->entries[i], &segment)) {
				undo_loss(spool, spool->entries[i]->name, file.name);
				spool_measure_sidecars(spool, spool->entries[i]);
			}
	}
	(void)pthread_mutex_unlock(&spool->ledger_lock);
}
