/* SPDX-License-Identifier: Apache-2.0 */
/* attempts/NAME: what is to be known of attempts to send the segment NAME. Its meaning is the sink's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

/* An empty note takes no room: a full disk may have a place for it. O_TRUNC: whatever was known. */
static int note_unknown(struct spool *spool, const char *name, int truncate)
{
	cleanup_close int fd = openat(spool->folder_fd[SPOOL_ATTEMPTS], name,
				      O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | truncate, 0600);

	return fd < 0 ? -1 : 0;
}

int spool_keep_attempt(struct spool *spool, const struct spool_claim *claim, const char *text,
		       struct error *err)
{
	struct spool_entry *entry;
	int result = 0;

	if (text)
		result = file_replace_secret(spool->folder_fd[SPOOL_ATTEMPTS], claim->name, text,
					     strlen(text), err);
	else
		(void)unlinkat(spool->folder_fd[SPOOL_ATTEMPTS], claim->name, 0);
	/* What is no longer true must not outlive this process; that there was an attempt must. */
	if (result < 0)
		(void)note_unknown(spool, claim->name, O_TRUNC);
	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, claim->name);
	if (entry)
		spool_entry_set_attempt(entry, result < 0 ? text : NULL);
	(void)pthread_mutex_unlock(&spool->lock);
	spool_account_beside(spool, claim->name);
	return result;
}

/* What the disk did not take. */
static char *attempt_in_memory(struct spool *spool, const char *name)
{
	const struct spool_entry *entry;
	char *text = NULL;

	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_index_find(spool, name);
	if (entry && entry->attempt)
		text = mem_strdup(entry->attempt);
	(void)pthread_mutex_unlock(&spool->lock);
	return text;
}

char *spool_last_attempt(struct spool *spool, const struct spool_claim *claim)
{
	char *text = attempt_in_memory(spool, claim->name);
	struct error err;
	size_t length;

	if (text)
		return text;
	if (file_read_text(spool->folder_fd[SPOOL_ATTEMPTS], claim->name, SPOOL_ATTEMPT_MAX, &text,
			   &length, &err) == 0)
		return text;
	if (err.errnum != ENOENT)
		log_warning("what an earlier attempt left behind cannot be read",
			    log_text("name", claim->name), log_reason(&err));
	/* That there was one is known all the same. */
	return err.errnum == ENOENT ? NULL : mem_strdup("");
}

void spool_attempts_note_unknown(struct spool *spool, const char *name)
{
	if (note_unknown(spool, name, 0) < 0)
		log_warning("cannot note that a segment was being sent", log_text("name", name),
			    log_text("reason", strerror(errno)));
}
