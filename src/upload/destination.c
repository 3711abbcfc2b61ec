/* SPDX-License-Identifier: Apache-2.0 */
/* Where an uploader sends: who holds it, and which one it is. */
#include "upload/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct destination *destination_release(struct destination *destination)
{
	if (!destination || atomic_fetch_sub(&destination->references, 1) > 1)
		return NULL;
	while (destination->free_places > 0)
		destination->ops->worker_close(destination->places[--destination->free_places]);
	sink_close(destination->sink);
	conf_free(destination->conf);
	free(destination->name);
	free(destination);
	return NULL;
}

int destination_probe(const struct destination *destination, struct sink_worker *place,
		      const char *identity, struct error *err)
{
	int result = destination->ops->probe(place, identity, err);

	/* The command line was fine; what it names is not. */
	if (result < 0 && err->kind == ERROR_USAGE)
		err->kind = ERROR_CONFIG;
	return result;
}

void destination_get_identity(const struct worker *worker, char out[SINK_IDENTITY_MAX])
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&worker->uploader->lock);

	(void)snprintf(out, SINK_IDENTITY_MAX, "%s", worker->destination->identity);
}

void destination_note_identity(const struct worker *worker, const char *identity)
{
	struct destination *destination = worker->destination;
	struct spool *spool = worker->uploader->spool;
	cleanup_free char *was = NULL;
	bool is_new, is_accepted;

	(void)pthread_mutex_lock(&worker->uploader->lock);
	is_accepted =
		!destination->identity[0]; /* at a start and after a reload, whatever is there */
	is_new = *identity && strcmp(destination->identity, identity) != 0;
	if (is_new)
		(void)snprintf(destination->identity, SINK_IDENTITY_MAX, "%s", identity);
	(void)pthread_mutex_unlock(&worker->uploader->lock);
	if (!is_new)
		return;
	was = spool_known_identity(spool, destination->name);
	spool_note_identity(spool, destination->name, identity);
	if (is_accepted && *was && strcmp(was, identity) != 0)
		log_event(EVENT_DESTINATION_CHANGED, log_text("destination", destination->name),
			  log_text("was", was), log_text("now", identity));
}
