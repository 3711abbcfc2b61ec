/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beside a segment NAME, in whichever folder that is: metadata/NAME, what is known of it, and upload-state/NAME,
 * what is to be known of attempts to send it, whose meaning is the sink's.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define LEARN_BATCH 32 /* files read while the lock is held */

static struct text encode(const struct segment *segment, char bytes[SEGMENT_METADATA_MAX])
{
	struct text text = text_over(bytes, SEGMENT_METADATA_MAX);

	segment_encode(segment, &text);
	assert(!text.is_cut);
	return text;
}

int spool_metadata_write(const struct spool *spool, enum spool_folder folder, const char *name,
			 const struct segment *segment, struct error *err)
{
	char bytes[SEGMENT_METADATA_MAX];
	const struct text text = encode(segment, bytes);
	struct error syncing;

	if (file_replace_in_place(spool->folder_fd[folder], name, 0640, text.bytes, text.length,
				  err) < 0)
		return -1;
	/* They are visible already: reporting this failure would have their losses stated twice. */
	if (file_sync_folder(spool->folder_fd[folder], &syncing) < 0)
		log_debug(
			"metadata not yet durable; a power failure may restore the previous version",
			log_text("name", name), log_reason(&syncing));
	return 0;
}

int spool_metadata_create(struct spool *spool, const char *name, const struct segment *segment,
			  struct error *err)
{
	char bytes[SEGMENT_METADATA_MAX];
	const struct text text = encode(segment, bytes);
	cleanup_close int fd = openat(spool->folder_fd[SPOOL_METADATA], name,
				      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd < 0)
		return error_errno(err, "create metadata of %s", name);
	return file_write_all(fd, text.bytes, text.length, err);
}

int spool_metadata_note_packets(const struct spool *spool, const char *name, uint64_t packets,
				struct error *err)
{
	static const char key[] = "\npackets=";
	int folder_fd = spool->folder_fd[SPOOL_METADATA];
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	char digits[SEGMENT_PACKETS_DIGITS + 1];
	const char *line;
	size_t length;

	if (file_read_text(folder_fd, name, SEGMENT_METADATA_MAX, &text, &length, err) < 0)
		return -1;
	line = strstr(text, key);
	if (!line || strspn(line + sizeof key - 1, "0123456789") != SEGMENT_PACKETS_DIGITS)
		return error_set(err, ERROR_FATAL, "metadata of %s have no place for it", name);
	fd = openat(folder_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, "open metadata of %s", name);
	(void)snprintf(digits, sizeof digits, "%0*ju", SEGMENT_PACKETS_DIGITS, (uintmax_t)packets);
	if (pwrite(fd, digits, SEGMENT_PACKETS_DIGITS, line - text + (off_t)sizeof key - 1) !=
	    SEGMENT_PACKETS_DIGITS)
		return error_errno(err, "write metadata of %s", name);
	return 0;
}

int spool_metadata_read(const struct spool *spool, enum spool_folder folder, const char *name,
			struct segment *ret_segment, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t length;

	if (file_read_text(spool->folder_fd[folder], name, SEGMENT_METADATA_MAX, &text, &length,
			   err) < 0)
		return -1;
	return segment_decode(text, ret_segment, err);
}

/* What a name says, where the metadata are missing or damaged. */
static void guess_from_name(const char *name, struct segment *ret_segment)
{
	struct name_parts parts;

	*ret_segment = (struct segment){ .start_ns = name_start_ns(name) };
	if (!name_parse(name, &parts))
		return;
	(void)snprintf(ret_segment->node, sizeof ret_segment->node, "%.*s", (int)parts.node_length,
		       name);
	(void)snprintf(ret_segment->interface, sizeof ret_segment->interface, "%.*s",
		       (int)parts.interface_length, parts.interface);
	ret_segment->sequence = parts.sequence;
}

void spool_metadata_recall(const struct spool *spool, const struct spool_entry *entry,
			   struct segment *ret_segment)
{
	struct error err;

	/* The first ones are not synced: a power failure may leave an empty file. */
	if (spool_metadata_read(spool, SPOOL_METADATA, entry->name, ret_segment, &err) < 0 ||
	    !ret_segment->node[0]) {
		guess_from_name(entry->name, ret_segment);
		ret_segment->drops = entry->drops;
		if (entry->attachments)
			memcpy(ret_segment->attachments, entry->attachments,
			       strlen(entry->attachments) + 1);
	}
	/* A full disk may not have taken those of its end. */
	if (ret_segment->packets < entry->packets)
		ret_segment->packets = entry->packets;
}

/* Of some of them; false: there are no more. Locks. */
static bool learn_some(struct spool *spool, size_t *place)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	for (unsigned read = 0; *place < spool->count && read < LEARN_BATCH; ++*place) {
		struct spool_entry *entry = spool->entries[*place];
		struct segment segment;

		if (entry->is_known || entry->is_claimed || entry->folder == SPOOL_KEPT)
			continue;
		spool_metadata_recall(spool, entry, &segment);
		spool_entry_learn(entry, &segment);
		read++;
	}
	return *place < spool->count;
}

void spool_metadata_learn(struct spool *spool)
{
	size_t place = 0;

	/* Where the list changes in between, the next call finds what was passed over. */
	while (learn_some(spool, &place))
		thread_give_way();
}

/* An empty note takes no room: a full disk may have a place for it. O_TRUNC: whatever was known. */
static int note_unknown(struct spool *spool, const char *name, int truncate)
{
	cleanup_close int fd = openat(spool->folder_fd[SPOOL_UPLOAD_STATE], name,
				      O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | truncate, 0600);

	return fd < 0 ? -1 : 0;
}

void spool_upload_state_note_unknown(struct spool *spool, const char *name)
{
	if (note_unknown(spool, name, 0) < 0)
		log_warning("cannot note that a segment was being sent", log_text("name", name),
			    log_text("reason", strerror(errno)));
}

int spool_save_upload_state(struct spool *spool, const struct spool_claim *claim, const char *text,
			    struct error *err)
{
	int folder_fd = spool->folder_fd[SPOOL_UPLOAD_STATE], result = 0;

	if (text)
		result = file_replace(folder_fd, claim->name, 0600, text, strlen(text), err);
	else
		(void)unlinkat(folder_fd, claim->name, 0);
	/* What is no longer true must not outlive this process; that there was an attempt must. */
	if (result < 0)
		(void)note_unknown(spool, claim->name, O_TRUNC);
	(void)pthread_mutex_lock(&spool->lock);
	spool_entry_set_upload_state(claim->entry, result < 0 ? text : NULL);
	(void)pthread_mutex_unlock(&spool->lock);
	spool_account_sidecars(spool, claim->entry);
	return result;
}

char *spool_load_upload_state(struct spool *spool, const struct spool_claim *claim)
{
	char *text = NULL;
	struct error err;
	size_t length;

	(void)pthread_mutex_lock(&spool->lock);
	if (claim->entry->upload_state) /* what the disk did not take */
		text = mem_strdup(claim->entry->upload_state);
	(void)pthread_mutex_unlock(&spool->lock);
	if (text)
		return text;
	if (file_read_text(spool->folder_fd[SPOOL_UPLOAD_STATE], claim->name,
			   SPOOL_UPLOAD_STATE_MAX, &text, &length, &err) == 0)
		return text;
	if (err.errnum != ENOENT)
		log_warning("cannot read what an earlier upload attempt left behind",
			    log_text("name", claim->name), log_reason(&err));
	/* That there was one is known anyway. */
	return err.errnum == ENOENT ? NULL : mem_strdup("");
}
