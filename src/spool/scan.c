/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the folders to the list: at the start, and when an operator may have moved files. What has not the
 * name of a segment is somebody else's: it takes room, and is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "segment/name.h"
#include "spool/spool_private.h"

#define DEPTH_MAX 32 /* of folders that are not ours */

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What file_replace() makes for a file of ours, and a crash leaves: ".NAME.new". */
bool spool_is_temporary(const char *name)
{
	size_t length = strlen(name);
	cleanup_free char *final = NULL;
	struct name_parts parts;

	if (length <= 5 || name[0] != '.' || strcmp(name + length - 4, ".new") != 0)
		return false;
	final = mem_strndup(name + 1, length - 5);
	for (size_t i = 0; spool_file_names[i]; i++)
		if (strcmp(final, spool_file_names[i]) == 0)
			return true;
	return name_parse(final, &parts);
}

bool spool_is_segment(int folder_fd, const char *name, struct stat *st)
{
	struct name_parts parts;

	return name_parse(name, &parts) && fstatat(folder_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st->st_mode);
}

/*
 * List one of the folders of segments, behind what is in the list. What a failing disk tells no more of than
 * the name has not vanished.
 */
static int list_folder(struct spool *spool, enum spool_state state, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, state, err);
	struct name_parts parts;
	struct dirent *item;

	if (!dir)
		return -1;
	for (;;) {
		struct stat st;

		errno = 0;
		item = readdir(dir);
		if (!item && errno == 0)
			return 0;
		if (!item)
			return error_errno(err, "list %s", spool_folder_names[state]);
		if (!name_parse(item->d_name, &parts))
			continue;
		if (fstatat(spool->folder_fd[state], item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			st = (struct stat){ .st_mode = S_IFREG };
		}
		if (S_ISREG(st.st_mode))
			spool_index_append(spool, item->d_name, state)->bytes =
				(uint64_t)st.st_blocks * 512;
	}
}

/* Whole ones first. */
static int rank_of(const struct spool_entry *entry)
{
	return entry->state == SPOOL_CAPTURING ? SPOOL_STATE_COUNT : (int)entry->state;
}

/* By name; of one that is there twice, the claimed one first, then the one that is nearer to be sent. */
static int compare_entries(const void *a, const void *b)
{
	const struct spool_entry *left = a, *right = b;
	int order = name_compare(left->name, right->name);

	if (order == 0)
		order = right->is_claimed - left->is_claimed;
	return order != 0 ? order : rank_of(left) - rank_of(right);
}

/* A power failure may leave a file where it was published from: it is whole in the other place. */
static void drop_double(struct spool *spool, struct spool_entry *entry,
			const struct spool_entry *kept)
{
	if (entry->state == SPOOL_CAPTURING && kept->state != SPOOL_CAPTURING)
		(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], entry->name, 0);
	spool_entry_done(entry);
}

static int compare_names(const void *a, const void *b)
{
	const struct spool_entry *left = a, *right = b;

	return name_compare(left->name, right->name);
}

/* What only this run knows of a segment; how it fared where it was is of no use elsewhere. */
static void inherit(struct spool_entry *entry, const struct spool_entry *old)
{
	entry->packets = old->packets;
	spool_entry_set_attempt(entry, old->attempt);
	if (entry->state != old->state)
		return;
	entry->failures = old->failures;
	entry->not_before_ms = old->not_before_ms;
}

/*
 * Of the first `known` entries those that are claimed stay; the rest was listed just now. What an operator has
 * moved has its name still; what is listed no more, and was to be sent, is lost.
 */
static void replace_known(struct spool *spool, size_t known)
{
	size_t kept = 0;

	if (spool->count == 0) /* there may be no list */
		return;
	qsort(spool->entries + known, spool->count - known, sizeof *spool->entries,
	      compare_entries);
	for (size_t i = 0; i < known; i++) {
		const struct spool_entry *old = &spool->entries[i];

		if (!old->is_claimed && old->state <= SPOOL_SENDING &&
		    !bsearch(old, spool->entries + known, spool->count - known, sizeof *old,
			     compare_names))
			spool_lose(spool, old);
	}
	for (size_t i = known; i < spool->count; i++) {
		const struct spool_entry *old = bsearch(&spool->entries[i], spool->entries, known,
							sizeof *old, compare_names);

		if (old)
			inherit(&spool->entries[i], old);
	}
	for (size_t i = 0; i < spool->count; i++)
		if (i < known && !spool->entries[i].is_claimed)
			spool_entry_done(&spool->entries[i]);
		else
			spool->entries[kept++] = spool->entries[i];
	spool->count = kept;
	if (kept == 0)
		return;
	qsort(spool->entries, spool->count, sizeof *spool->entries, compare_entries);
	kept = 1;
	for (size_t i = 1; i < spool->count; i++)
		if (strcmp(spool->entries[i].name, spool->entries[kept - 1].name) == 0)
			drop_double(spool, &spool->entries[i], &spool->entries[kept - 1]);
		else
			spool->entries[kept++] = spool->entries[i];
	spool->count = kept;
}

static void sum_up(struct spool *spool)
{
	spool->entry_bytes = 0;
	memset(spool->counts, 0, sizeof spool->counts);
	for (size_t i = 0; i < spool->count; i++) {
		struct spool_entry *entry = &spool->entries[i];

		spool->counts[entry->state]++;
		entry->beside_bytes = 0;
		spool_measure_beside(spool, entry);
		spool->entry_bytes += entry->bytes;
	}
}

/* What is known of segments that are gone is of no use. */
static int remove_orphans(struct spool *spool, enum spool_state beside, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, beside, err);
	struct name_parts parts;
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir)))
		if (name_parse(item->d_name, &parts) && !spool_index_find(spool, item->d_name))
			(void)unlinkat(spool->folder_fd[beside], item->d_name, 0);
	return 0;
}

struct foreign {
	uint64_t files, bytes;
};

static void measure_foreign_folder(int parent_fd, const char *name, unsigned depth,
				   struct foreign *foreign);

static void measure_foreign_file(int folder_fd, const char *name, unsigned depth,
				 struct foreign *foreign)
{
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	foreign->files++;
	foreign->bytes += (uint64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode))
		measure_foreign_folder(folder_fd, name, depth + 1, foreign);
}

static void measure_foreign_folder(int parent_fd, const char *name, unsigned depth,
				   struct foreign *foreign)
{
	int fd = depth > DEPTH_MAX
			 ? -1
			 : openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;

	if (!dir)
		mem_close_cleanup(&fd);
	while (dir && (item = readdir(dir)))
		if (!is_dot(item->d_name))
			measure_foreign_file(dirfd(dir), item->d_name, depth, foreign);
}

static bool is_file_of_ours(const struct spool *spool, int folder_fd, const char *name)
{
	struct stat st;

	if (is_dot(name) || spool_is_temporary(name))
		return true;
	if (folder_fd != spool->root_fd)
		return spool_is_segment(folder_fd, name, &st);
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		if (strcmp(name, spool_folder_names[state]) == 0)
			return true;
	for (size_t i = 0; spool_file_names[i]; i++)
		if (strcmp(name, spool_file_names[i]) == 0)
			return true;
	return false;
}

/* In the spool's own folder, or one of its folders. */
static void measure_foreign(const struct spool *spool, int folder_fd, struct foreign *foreign)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;

	if (!dir)
		mem_close_cleanup(&fd);
	while (dir && (item = readdir(dir)))
		if (!is_file_of_ours(spool, folder_fd, item->d_name))
			measure_foreign_file(folder_fd, item->d_name, 0, foreign);
}

static void find_foreign(struct spool *spool)
{
	struct foreign foreign = { 0 };

	measure_foreign(spool, spool->root_fd, &foreign);
	for (int state = 0; state < SPOOL_STATE_COUNT; state++)
		measure_foreign(spool, spool->folder_fd[state], &foreign);
	if (foreign.bytes != spool->foreign_bytes)
		log_notice("spool holds files that are not its own, which count and are left alone",
			   log_number("files", foreign.files), log_number("bytes", foreign.bytes));
	spool->foreign_bytes = foreign.bytes;
}

int spool_scan(struct spool *spool, struct error *err)
{
	size_t known = spool->count;
	int result = 0;

	for (enum spool_state state = SPOOL_CAPTURING; state <= SPOOL_REJECTED && result == 0;
	     state++)
		result = list_folder(spool, state, err);
	if (result == 0)
		replace_known(spool, known);
	while (result < 0 && spool->count > known)
		spool_entry_done(&spool->entries[--spool->count]);
	for (int state = SPOOL_FACTS; state < SPOOL_STATE_COUNT && result == 0; state++)
		result = remove_orphans(spool, (enum spool_state)state, err);
	sum_up(spool);
	spool_measure_folders(spool);
	find_foreign(spool);
	return result;
}

int spool_rescan(struct spool *spool, struct error *err)
{
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	result = spool_scan(spool, err);
	(void)pthread_mutex_unlock(&spool->lock);
	spool_hurry(spool);
	return result;
}
