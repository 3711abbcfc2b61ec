/* SPDX-License-Identifier: Apache-2.0 */
/* facts/NAME: what is known of the segment NAME, in whichever folder that is. */
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "segment/name.h"
#include "spool/spool_private.h"

int spool_facts_write(struct spool *spool, const char *name, const struct segment *segment,
		      struct error *err)
{
	char bytes[SEGMENT_FACTS_MAX];
	struct text facts = text_over(bytes, sizeof bytes);
	struct error syncing;

	segment_encode(segment, &facts);
	assert(!facts.is_cut);
	if (file_replace_in_place(spool->folder_fd[SPOOL_FACTS], name, facts.bytes, facts.length,
				  err) < 0)
		return -1;
	/* Whoever looks finds them: a failure here must not have them told once more. */
	if (file_sync_folder(spool->folder_fd[SPOOL_FACTS], &syncing) < 0)
		log_debug("facts may be those of before after a power failure",
			  log_text("name", name), log_reason(&syncing));
	return 0;
}

/* 0 if there are facts, -1 with err if there are none that can be used. */
int spool_facts_read(struct spool *spool, const char *name, struct segment *ret_segment,
		     struct error *err)
{
	cleanup_free char *text = NULL;
	size_t length;

	if (file_read_text(spool->folder_fd[SPOOL_FACTS], name, SEGMENT_FACTS_MAX, &text, &length,
			   err) < 0)
		return -1;
	return segment_decode(text, ret_segment, err);
}

void spool_forget(struct spool *spool, const char *name)
{
	for (int state = SPOOL_FACTS; state < SPOOL_STATE_COUNT; state++)
		(void)unlinkat(spool->folder_fd[state], name, 0);
}

/* What a name tells, where the facts are missing or damaged. */
void spool_facts_guess(const char *name, struct segment *ret_segment)
{
	struct name_parts parts;

	*ret_segment = (struct segment){ 0 };
	if (!name_parse(name, &parts))
		return;
	(void)snprintf(ret_segment->node, sizeof ret_segment->node, "%.*s", (int)parts.node_length,
		       name);
	(void)snprintf(ret_segment->interface, sizeof ret_segment->interface, "%.*s",
		       (int)parts.interface_length, parts.interface);
	ret_segment->sequence = parts.sequence;
}

void spool_recall_packets(struct spool *spool, const char *name, struct segment *segment)
{
	const struct spool_entry *entry;

	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry && entry->packets > segment->packets)
		segment->packets = entry->packets;
	(void)pthread_mutex_unlock(&spool->lock);
}
