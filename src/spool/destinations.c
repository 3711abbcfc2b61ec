/* SPDX-License-Identifier: Apache-2.0 */
/* What the spool remembers of where its segments go: the file `destination`, "DESTINATION\nIDENTITY\n". */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define FILE_MAX 16384

int spool_note_destination(struct spool *spool, const char *destination, const char *identity,
			   struct error *err)
{
	cleanup_free char *text = mem_printf("%s\n%s\n", destination, identity);

	if (file_replace(spool->root_fd, SPOOL_DESTINATION_FILE, 0640, text, strlen(text), err) < 0)
		return -1;
	(void)pthread_mutex_lock(&spool->lock);
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
	return 0;
}

char *spool_known_identity(struct spool *spool, const char *destination)
{
	cleanup_free char *text = NULL;
	struct error err;
	size_t length;
	char *identity;

	if (file_read_text(spool->root_fd, SPOOL_DESTINATION_FILE, FILE_MAX, &text, &length, &err) <
	    0) {
		if (err.errnum != ENOENT)
			log_warning("cannot read what the destination was", log_reason(&err));
		return mem_strdup("");
	}
	identity = text;
	if (strcmp(strsep(&identity, "\n"), destination) != 0 || !identity)
		return mem_strdup("");
	return mem_strndup(identity, strcspn(identity, "\n"));
}
