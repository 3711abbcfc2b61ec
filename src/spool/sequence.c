/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that never repeat. They are reserved in blocks, durably before the first of a block is used: a crash
 * leaves a gap, and never uses one twice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define SEQUENCE_BLOCK 1000
/* Eight digits, and as many for ten million segments more: names of one length sort. */
#define SEQUENCE_NEW_MAX UINT64_C(90000000)

static int store_sequence(const struct spool *spool, uint64_t end, struct error *err)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%ju\n", (uintmax_t)end);
	return file_replace(spool->root_fd, SPOOL_SEQUENCE_FILE, 0640, text, strlen(text), err);
}

int spool_next_sequence(struct spool *spool, uint64_t *ret_sequence, struct error *err)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->sequence_lock);

	if (spool->sequence == spool->sequence_end) {
		if (store_sequence(spool, spool->sequence_end + SEQUENCE_BLOCK, err) < 0)
			return -1;
		spool->sequence_end += SEQUENCE_BLOCK;
	}
	*ret_sequence = ++spool->sequence;
	return 0;
}

uint64_t spool_sequence(const struct spool *spool)
{
	return atomic_load(&spool->sequence) + 1;
}

/* The highest number that a name bears in this folder. */
static int raise_to_names(struct spool *spool, enum spool_folder folder, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[folder], err);
	const char *name;
	int result;

	while ((result = spool_next_name(dir, &name, err)) > 0) {
		struct name_parts parts = { .sequence = 0 };
		enum drop_reason reason;

		if ((name_parse(name, &parts) ||
		     spool_loss_parse_name(name, &parts.sequence, &reason)) &&
		    parts.sequence > spool->sequence)
			spool->sequence = parts.sequence;
	}
	return result;
}

/*
 * Two nodes of one name, or one whose spool was deleted, must not give two segments of the same moment the same name:
 * in a bucket that may not be read, one would be taken for the other.
 */
static uint64_t choose_sequence(void)
{
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
		abort(); /* cannot happen for 8 bytes after boot */
	return random % SEQUENCE_NEW_MAX;
}

int spool_sequence_open(struct spool *spool, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error reading;
	uint64_t stored = 0;
	size_t length;

	spool->is_sequence_guessed = true;
	if (file_read_text(spool->root_fd, SPOOL_SEQUENCE_FILE, 32, &text, &length, &reading) ==
	    0) {
		text[strcspn(text, "\n")] = '\0';
		spool->is_sequence_guessed = text_parse_number(text, &stored) < 0;
		if (spool->is_sequence_guessed)
			log_warning(
				"sequence file is damaged; continuing after the highest number in use",
				log_text("value", text));
	} else if (reading.errnum != ENOENT) {
		*err = reading;
		return -1;
	}
	spool->sequence = spool->is_sequence_guessed ? 0 : stored;
	for (enum spool_folder folder = SPOOL_CAPTURING; folder < SPOOL_FOLDERS; folder++)
		if (spool->folder_fd[folder] >= 0 && raise_to_names(spool, folder, &reading) < 0) {
			/* Beside a segment there are no numbers but its own. */
			if (spool->is_sequence_guessed ||
			    (folder != SPOOL_METADATA && folder != SPOOL_UPLOAD_STATE &&
			     folder != SPOOL_KEPT_METADATA)) {
				*err = reading;
				return -1;
			}
			log_warning("cannot list a folder of the spool",
				    log_text("folder", spool_folder_names[folder]),
				    log_reason(&reading));
		}
	if (spool->is_sequence_guessed && spool->sequence == 0)
		spool->sequence = choose_sequence();
	spool->sequence_end = spool->sequence;
	return 0;
}

void spool_sequence_close(struct spool *spool)
{
	struct error err;

	if (spool->sequence < spool->sequence_end &&
	    store_sequence(spool, spool->sequence, &err) < 0)
		log_debug("unused sequence numbers stay reserved", log_reason(&err));
}
