/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/worker.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wakeup.h"
#include "upload/backoff.h"
#include "upload/upload.h"

/* How long a worker waits in the spool before it looks up: spool_wake() normally comes first. */
#define CLAIM_MS 1000

struct destination *destination_ref(struct destination *destination)
{
	atomic_fetch_add(&destination->references, 1);
	return destination;
}

struct destination *destination_release(struct destination *destination)
{
	if (!destination || atomic_fetch_sub(&destination->references, 1) > 1)
		return NULL;
	while (destination->free_places > 0)
		destination->ops->worker_close(destination->places[--destination->free_places]);
	sink_close(destination->sink);
	conf_free(destination->conf);
	free(destination);
	return NULL;
}

int destination_probe(const struct destination *destination, struct sink_worker *place,
		      struct error *err)
{
	int result = destination->ops->probe(place, err);

	/* The command line was fine; what it names is not. */
	if (result < 0 && err->kind == ERROR_USAGE)
		err->kind = ERROR_CONFIG;
	return result;
}

size_t workers_running(const struct uploader *uploader)
{
	size_t running = 0;

	for (size_t i = 0; i < WORKERS_MAX; i++)
		running += uploader->workers[i].state == WORKER_RUNNING;
	return running;
}

bool worker_is_straggling(const struct worker *worker)
{
	return worker->state == WORKER_RUNNING && worker->destination &&
	       worker->destination != worker->uploader->current;
}

/* The place is closed: nobody else takes one that was in use. */
static void leave_destination(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *left = worker->destination; /* set by this thread only */

	if (!left)
		return;
	left->ops->worker_close(worker->place);
	(void)pthread_mutex_lock(&uploader->lock);
	worker->destination = NULL;
	worker->state = WORKER_RUNNING;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	destination_release(left);
}

/* Must a worker wait before it takes a place at the current destination? With the lock held. */
static bool must_wait(const struct uploader *uploader)
{
	if (uploader->current->is_probed)
		return false; /* all others had left */
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (worker_is_straggling(&uploader->workers[i]))
			return true;
	return uploader->current->is_being_probed;
}

/* The first worker at a destination. */
static void probe_destination(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *destination = worker->destination;
	struct error err;

	/* The old one's token is no longer anybody's; this one has none yet. */
	atomic_store(&uploader->counters->token_expires_ns, 0);
	if (destination_probe(destination, worker->place, &err) == 0)
		err = (struct error){ .kind = ERROR_NONE };
	(void)pthread_mutex_lock(&uploader->lock);
	destination->probe_error = err;
	destination->is_probed = true;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	wakeup_send(uploader->wake_fd);
}

/* Take a place at the current destination. False: there is none for this worker, or nothing left to do. */
static bool change_destination(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *next;
	bool is_first, has_place;

	leave_destination(worker);
	(void)pthread_mutex_lock(&uploader->lock);
	while (!uploader->is_stopping && must_wait(uploader))
		(void)pthread_cond_wait(&uploader->changed, &uploader->lock);
	next = uploader->current;
	is_first = !next->is_probed;
	has_place = !uploader->is_stopping && !worker->is_drained && next->free_places > 0;
	if (has_place) {
		worker->destination = destination_ref(next);
		worker->place = next->places[--next->free_places];
		worker->outage = (struct outage_worker){ .is_failing = false };
		worker->failures = 0;
		next->is_being_probed = true;
	} else {
		worker->state = WORKER_ENDED;
		if (uploader->is_draining && workers_running(uploader) == 0)
			wakeup_send(uploader->wake_fd);
	}
	(void)pthread_mutex_unlock(&uploader->lock);
	if (has_place && is_first)
		probe_destination(worker);
	return has_place;
}

/* False if uploads are to end, or to go elsewhere. */
static bool may_go_on(struct worker *worker, bool *ret_is_draining)
{
	struct uploader *uploader = worker->uploader;
	bool may;

	(void)pthread_mutex_lock(&uploader->lock);
	may = !uploader->is_stopping && worker->destination == uploader->current;
	*ret_is_draining = uploader->is_draining;
	worker->seen_changes = uploader->changes;
	(void)pthread_mutex_unlock(&uploader->lock);
	return may;
}

/* Pause before the next attempt, unless something changes. */
static void wait_backoff(struct worker *worker, uint64_t retry_after_ms)
{
	struct uploader *uploader = worker->uploader;
	uint32_t random = 0;
	uint64_t deadline_ns;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (uint32_t)clock_monotonic_ns();
	deadline_ns = clock_monotonic_ns() +
		      backoff_ms(worker->failures++, retry_after_ms, random) * CLOCK_NS_PER_MS;
	(void)pthread_mutex_lock(&uploader->lock);
	while (uploader->changes == worker->seen_changes &&
	       thread_cond_wait_until(&uploader->changed, &uploader->lock, deadline_ns))
		;
	(void)pthread_mutex_unlock(&uploader->lock);
}

/* An attempt failed for now. */
static void note_failure(struct worker *worker, const char *name, const struct error *err)
{
	struct uploader *uploader = worker->uploader;
	struct outage *outage = &worker->destination->outage;
	unsigned failures;
	bool is_news;

	counter_add(&uploader->counters->upload_failures, 1);
	counter_add(&uploader->counters->upload_retries, 1);
	(void)pthread_mutex_lock(&uploader->lock);
	is_news = outage_failed(outage, &worker->outage, clock_monotonic_ms(), err);
	failures = outage->failures;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_news)
		log_event(EVENT_UPLOAD_FAILED, log_text("name", name),
			  log_number("failures", failures), log_reason(err));
}

/* An attempt succeeded, or there is nothing to send. */
static void note_success(struct worker *worker, bool has_uploaded)
{
	struct uploader *uploader = worker->uploader;
	struct outage *outage = &worker->destination->outage;
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t since_ms;
	unsigned failures;
	bool is_over;

	(void)pthread_mutex_lock(&uploader->lock);
	is_over = has_uploaded ? outage_worked(outage, &worker->outage, now_ms)
			       : outage_idle(outage, &worker->outage);
	since_ms = outage->since_ms;
	failures = outage->failures;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_over)
		log_event(EVENT_UPLOADS_RECOVERED, log_number("failures", failures),
			  log_number("seconds", (now_ms - since_ms) / CLOCK_MS_PER_S));
}

static void handle_claim(struct worker *worker, struct spool_claim *claim)
{
	struct sink_receipt receipt;
	struct error err;

	if (upload_segment(worker, claim, &receipt, &err) == 0) {
		worker->failures = 0;
		note_success(worker, true);
		return;
	}
	/* One rejected segment is no outage; but as all may be rejected, a pause follows. */
	if (err.kind == ERROR_REJECTED)
		counter_add(&worker->uploader->counters->upload_failures, 1);
	else if (atomic_load(&worker->destination->cancel))
		return; /* we ended it ourselves */
	else
		note_failure(worker, claim->name, &err);
	if (receipt.has_advanced)
		worker->failures = 0;
	wait_backoff(worker, err.retry_after_ms);
}

static void send_segments(struct worker *worker)
{
	bool is_draining;

	while (!worker->is_drained && may_go_on(worker, &is_draining)) {
		enum spool_order order = is_draining ? SPOOL_NEWEST_FIRST : SPOOL_OLDEST_FIRST;
		unsigned timeout_ms = is_draining ? 0 : CLAIM_MS;
		struct spool_claim claim;
		struct error err;
		int claimed = spool_claim(worker->uploader->spool, order, timeout_ms, &claim, &err);

		if (claimed > 0) {
			handle_claim(worker, &claim);
		} else if (claimed < 0) {
			note_failure(worker, "", &err);
			wait_backoff(worker, 0);
		} else {
			note_success(worker, false);
			worker->is_drained = is_draining;
		}
	}
}

void worker_run(void *context)
{
	struct worker *worker = context;

	while (change_destination(worker))
		send_segments(worker);
}
