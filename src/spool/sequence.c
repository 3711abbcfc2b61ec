/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that never repeat. They are reserved in blocks, durably before the first of a block is used: a crash
 * leaves a gap, and never uses one twice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define SEQUENCE_FILE  "sequence"
#define SEQUENCE_BLOCK 1000

static int store_sequence(const struct spool *spool, uint64_t end, struct error *err)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%ju\n", (uintmax_t)end);
	return file_replace(spool->root_fd, SEQUENCE_FILE, 0640, text, strlen(text), err);
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

/* The highest number that a name bears in this folder. */
static int raise_to_names(struct spool *spool, enum spool_folder folder, struct error *err)
{
	cleanup_closedir DIR *dir = spool_list_folder(spool->folder_fd[folder], err);
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir))) {
		struct name_parts parts = { .sequence = 0 };
		enum drop_reason reason;

		if ((name_parse(item->d_name, &parts) ||
		     spool_loss_parse_name(item->d_name, &parts.sequence, &reason)) &&
		    parts.sequence > spool->sequence)
			spool->sequence = parts.sequence;
	}
	return 0;
}

int spool_sequence_open(struct spool *spool, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error reading;
	size_t length;

	spool->sequence = 0;
	if (file_read_text(spool->root_fd, SEQUENCE_FILE, 32, &text, &length, &reading) == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (text_parse_number(text, &spool->sequence) < 0)
			log_warning(
				"sequence file is damaged; continuing after the highest number in use",
				log_text("value", text));
	} else if (reading.errnum != ENOENT) {
		*err = reading;
		return -1;
	}
	for (enum spool_folder folder = SPOOL_CAPTURING; folder < SPOOL_FOLDERS; folder++)
		if (raise_to_names(spool, folder, err) < 0)
			return -1;
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
