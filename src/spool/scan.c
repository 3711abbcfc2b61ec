/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the folders to the list: at the start, after what an earlier run left half done is put right, and when an
 * operator may have moved files. What has not the name of a segment is somebody else's, and left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

/* Delete the files that only a crash leaves: made in file_replace() and the like. */
static void remove_temporary(int folder_fd)
{
	struct error err;
	cleanup_closedir DIR *dir = spool_list_folder(folder_fd, &err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, &err)) > 0)
		if (spool_is_temporary(name))
			(void)unlinkat(folder_fd, name, 0);
	if (result < 0)
		log_warning("cannot look for leftovers in a folder of the spool", log_reason(&err));
}

/* A damaged file of which the rest is a segment is none itself: an operator may have moved it out of rejected/. */
static bool is_segment(enum spool_folder folder, const char *name)
{
	struct name_parts parts;

	return name_parse(name, &parts) && (folder == SPOOL_REJECTED || !spool_is_damaged(name));
}

/* What is known of segments that are gone. */
static void remove_orphans(struct spool *spool, enum spool_folder folder)
{
	struct error err;
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[folder], &err);
	struct name_parts parts;
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, &err)) > 0) {
		if (!name_parse(name, &parts) || spool_entries_find(spool, name))
			continue;
		if (folder == SPOOL_METADATA)
			spool_count_orphan(spool, name);
		else
			(void)unlinkat(spool->folder_fd[folder], name, 0);
	}
	if (result < 0)
		log_warning("cannot look for leftovers in a folder of the spool", log_reason(&err));
}

/* What can be read of a damaged file comes into its place. */
static int finish_exchanges(struct spool *spool, struct error *err)
{
	int folder_fd = spool->folder_fd[SPOOL_CAPTURING];
	cleanup_closedir DIR *dir = spool_list_folder(folder_fd, err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0)
		if (spool_is_temporary(name)) {
			cleanup_free char *segment = mem_strndup(name + 1, strlen(name) - 5);

			if (spool_finish_exchange(spool, segment, err) < 0)
				return -1;
		}
	return result;
}

/* What an earlier run was sending is to be sent, and may have been. */
int spool_clean_up(struct spool *spool, struct error *err)
{
	cleanup_closedir DIR *sending = spool_list_folder(spool->folder_fd[SPOOL_SENDING], err);
	const char *name;
	struct stat st;
	int result;

	while ((result = spool_next_name(sending, &name, err)) > 0) {
		if (spool_is_temporary(name)) { /* it was sent: see spool_remove() */
			cleanup_free char *sent = mem_strndup(name + 1, strlen(name) - 5);

			/* Whether it is to be kept is not known here: if others are, it is for as long as they are. */
			if (spool->folder_fd[SPOOL_KEPT] < 0 || !spool_kept_add(spool, sent, name))
				spool_sidecars_delete(spool, sent);
			continue;
		}
		if (!is_segment(SPOOL_SENDING, name) ||
		    fstatat(spool->folder_fd[SPOOL_SENDING], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		spool_upload_state_note_unknown(spool, name);
		if (spool_folder_move(spool, SPOOL_SENDING, SPOOL_READY, name, err) < 0)
			return -1;
	}
	if (result < 0 || finish_exchanges(spool, err) < 0)
		return -1;
	remove_temporary(spool->root_fd);
	for (int folder = SPOOL_CAPTURING; folder < SPOOL_FOLDERS; folder++)
		if (spool->folder_fd[folder] >= 0)
			remove_temporary(spool->folder_fd[folder]);
	return result;
}

/*
 * List one of the folders of segments, behind what is in the list. One of which a failing disk gives no more than
 * the name has not vanished.
 */
static int list_folder(struct spool *spool, enum spool_folder folder, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[folder], err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0) {
		struct stat st;

		if (!is_segment(folder, name))
			continue;
		if (fstatat(spool->folder_fd[folder], name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			st = (struct stat){ .st_mode = S_IFREG };
		}
		if (S_ISREG(st.st_mode))
			spool_entries_append(spool, name, folder)->bytes = (uint64_t)st.st_blocks *
									   512;
	}
	return result < 0 ? error_wrap(err, "%s", spool_folder_names[folder]) : 0;
}

/* Whole ones first. */
static int rank_of(const struct spool_entry *entry)
{
	return entry->folder == SPOOL_CAPTURING ? SPOOL_FOLDERS : (int)entry->folder;
}

static int compare_names(const void *a, const void *b)
{
	const struct spool_entry *const *left = a, *const *right = b;

	return name_compare((*left)->name, (*right)->name);
}

/* By name; of one that is there twice, the claimed one first, then the one that is nearer to be sent. */
static int compare_entries(const void *a, const void *b)
{
	const struct spool_entry *left = *(const struct spool_entry *const *)a;
	const struct spool_entry *right = *(const struct spool_entry *const *)b;
	int order = compare_names(a, b);

	if (order == 0)
		order = right->is_claimed - left->is_claimed;
	return order != 0 ? order : rank_of(left) - rank_of(right);
}

/* What only this run knows of a segment; how it fared where it was is of no use elsewhere. */
static void inherit(struct spool_entry *entry, struct spool_entry *old)
{
	entry->is_known = old->is_known &&
			  (old->folder == SPOOL_KEPT) == (entry->folder == SPOOL_KEPT);
	entry->end_ns = old->end_ns;
	entry->packets = old->packets;
	entry->drops = old->drops;
	entry->attachments = take_ptr(old->attachments);
	spool_entry_set_upload_state(entry, old->upload_state);
	if (entry->folder != old->folder)
		return;
	entry->failures = old->failures;
	entry->not_before_ms = old->not_before_ms;
	entry->ended_ms = old->ended_ms;
	entry->start_ns = old->start_ns;
	entry->share = old->share;
}

/*
 * It is in KEPT as well. If that is the same file, its move was left half done: it was uploaded. If it is another one,
 * somebody wants a copy to be uploaded again, which then takes the other's place.
 */
static void prefer_kept(const struct spool *spool, struct spool_entry *entry)
{
	int folder_fd = spool->folder_fd[entry->folder];
	struct stat st, kept;

	if (entry->is_claimed || fstatat(folder_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(spool->folder_fd[SPOOL_KEPT], entry->name, &kept, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != kept.st_dev || st.st_ino != kept.st_ino)
		return;
	(void)unlinkat(folder_fd, entry->name, 0);
	entry->folder = SPOOL_KEPT;
	entry->is_known = false;
}

/* Sort, and add up. A power failure may leave a file where it was published from: it is whole in the other place. */
static void drop_doubles(struct spool *spool)
{
	size_t kept = 0;

	qsort(spool->entries, spool->count, sizeof(struct spool_entry *), compare_entries);
	spool->entry_bytes = 0;
	for (size_t i = 0; i < spool->count; i++) {
		struct spool_entry *entry = spool->entries[i];
		const struct spool_entry *before = kept > 0 ? spool->entries[kept - 1] : NULL;

		if (!before || strcmp(entry->name, before->name) != 0) {
			spool->entries[kept++] = entry;
			entry->sidecar_bytes = 0;
			spool_measure_sidecars(spool, entry);
			spool->entry_bytes += entry->bytes;
			continue;
		}
		if (entry->folder == SPOOL_CAPTURING && before->folder != SPOOL_CAPTURING)
			(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], entry->name, 0);
		if (entry->folder == SPOOL_KEPT)
			prefer_kept(spool, spool->entries[kept - 1]);
		spool_entry_free(spool, entry);
	}
	spool->count = kept;
	spool_entries_count(spool);
}

/*
 * Of the first `known` entries those that are claimed stay; the rest was listed just now. What an operator has
 * moved has its name still; what is listed no more, and was to be sent, is lost.
 */
static void replace_known(struct spool *spool, size_t known)
{
	struct spool_entry **listed = spool->entries + known;
	size_t listed_count = spool->count - known, kept = 0, gone_count = 0;
	struct spool_entry **gone = mem_calloc(known + 1, sizeof(struct spool_entry *));

	qsort(listed, listed_count, sizeof(struct spool_entry *), compare_entries);
	for (size_t i = 0; i < known; i++) {
		struct spool_entry *old = spool->entries[i];
		struct spool_entry **again = bsearch(&old, listed, listed_count,
						     sizeof(struct spool_entry *), compare_names);
		bool is_gone = !again && !old->is_claimed && old->folder <= SPOOL_SENDING;

		if (again && !old->is_claimed) /* a claimed one stays, and keeps what is its own */
			inherit(*again, old);
		if (is_gone)
			gone[gone_count++] = old; /* counted, once the list is whole */
		if (is_gone || old->is_claimed)
			spool->entries[kept++] = old;
		else
			spool_entry_free(spool, old);
	}
	memmove(spool->entries + kept, listed, listed_count * sizeof(struct spool_entry *));
	spool->count = kept + listed_count;
	drop_doubles(spool);
	for (size_t i = 0; i < gone_count; i++)
		spool_count_lost(spool, gone[i], NULL);
	free(gone);
}

int spool_scan(struct spool *spool, struct error *err)
{
	size_t known = spool->count;
	int result = 0;

	for (enum spool_folder folder = SPOOL_CAPTURING; folder <= SPOOL_REJECTED && result == 0;
	     folder++)
		result = list_folder(spool, folder, err);
	if (result == 0 && spool->folder_fd[SPOOL_KEPT] >= 0)
		result = list_folder(spool, SPOOL_KEPT, err);
	if (result == 0) {
		replace_known(spool, known);
		spool_destinations_apply(spool);
	}
	while (result < 0 && spool->count > known)
		spool_entry_free(spool, spool->entries[--spool->count]);
	if (result == 0) {
		spool_kept_tidy(spool);
		remove_orphans(spool, SPOOL_METADATA);
		remove_orphans(spool, SPOOL_UPLOAD_STATE);
	}
	spool_measure_folders(spool);
	return result;
}
