/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

/* How long a worker waits in the spool before it looks up: spool_wake() normally comes first. */
#define CLAIM_MS 1000

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

/* Must a worker wait before it takes a place at the current destination? With the lock held. */
static bool must_wait(const struct uploader *uploader)
{
	if (uploader->current->probe != UPLOADER_PROBE_PENDING)
		return false; /* all others had left */
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (worker_is_straggling(&uploader->workers[i]))
			return true;
	return uploader->current->is_being_probed;
}

static void probe_destination(struct worker *worker);

/* Take a place at the current destination. False: there is none for this worker, or nothing left to do. */
static bool change_destination(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *left = worker->destination; /* set by this thread only */
	struct destination *next;
	bool is_first, has_place;

	/* The place is closed: nobody else takes one that was in use. */
	if (left)
		left->ops->worker_close(worker->place);
	(void)pthread_mutex_lock(&uploader->lock);
	worker->destination = NULL;
	worker->state = WORKER_RUNNING;
	(void)pthread_cond_broadcast(&uploader->changed);
	while (!uploader->is_stopping && must_wait(uploader))
		(void)pthread_cond_wait(&uploader->changed, &uploader->lock);
	next = uploader->current;
	is_first = next->probe == UPLOADER_PROBE_PENDING;
	has_place = !uploader->is_stopping && !worker->is_drained && next->free_places > 0;
	if (has_place) {
		atomic_fetch_add(&next->references, 1);
		worker->destination = next;
		worker->place = next->places[--next->free_places];
		worker->outage = (struct outage_worker){ .is_failing = false };
		worker->failures = 0;
		next->is_being_probed |= is_first;
	} else {
		worker->state = WORKER_ENDED;
		if (uploader->is_draining && workers_running(uploader) == 0)
			wakeup_send(uploader->wake_fd);
	}
	(void)pthread_mutex_unlock(&uploader->lock);
	destination_release(left);
	if (has_place && is_first) {
		/* The old one's token is no longer anybody's; this one has none yet. */
		atomic_store(&uploader->counters->token_expires_ns, 0);
		spool_set_destination(uploader->spool, next->name, next->first_sequence,
				      next->since_ns);
		probe_destination(worker);
	}
	return has_place;
}

/* False if uploads are to end, or to go elsewhere. */
static bool may_go_on(struct worker *worker, bool *ret_is_draining)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&worker->uploader->lock);
	struct uploader *uploader = worker->uploader;

	*ret_is_draining = uploader->is_draining;
	worker->seen_changes = uploader->changes;
	return !uploader->is_stopping && worker->destination == uploader->current;
}

/* The monotonic time of the next attempt. */
static uint64_t end_of_backoff_ns(unsigned failures, uint64_t retry_after_ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (uint32_t)clock_monotonic_ns();
	return clock_monotonic_ns() +
	       backoff_ms(failures, retry_after_ms, random) * CLOCK_NS_PER_MS;
}

/* Pause before the next attempt, unless something changes. */
static void wait_backoff(struct worker *worker, uint64_t retry_after_ms)
{
	struct uploader *uploader = worker->uploader;
	uint64_t deadline_ns = end_of_backoff_ns(worker->failures++, retry_after_ms);

	(void)pthread_mutex_lock(&uploader->lock);
	while (uploader->changes == worker->seen_changes &&
	       thread_cond_wait_until(&uploader->changed, &uploader->lock, deadline_ns))
		;
	(void)pthread_mutex_unlock(&uploader->lock);
}

/* An attempt failed for now. name: of the segment; NULL for the probe. */
static void note_failure(struct worker *worker, const char *name, const struct error *err)
{
	struct uploader *uploader = worker->uploader;
	struct outage *outage = &worker->destination->outage;
	const char *destination = worker->destination->conf->upload_destination;
	unsigned failures;
	bool is_news, was_refused;

	if (name) {
		counter_add(&uploader->counters->upload_failures, 1);
		counter_add(&uploader->counters->upload_retries, 1);
	}
	(void)pthread_mutex_lock(&uploader->lock);
	was_refused = outage->workers > 0 && outage->is_refused;
	is_news = outage_failed(outage, &worker->outage, clock_monotonic_ms(), err);
	if (!name) { /* the first upload that fails is news, too, and so is a no after no answer */
		is_news = worker->destination->probe_failures % 10 == 0 ||
			  (outage->is_refused && !was_refused);
		outage->failures--;
	}
	failures = outage->failures;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_news && name)
		log_event(EVENT_UPLOAD_FAILED, log_text("name", name),
			  log_number("failures", failures), log_reason(err));
	else if (is_news && err->kind == ERROR_CONFIG)
		log_event(EVENT_DESTINATION_REFUSED, log_text("destination", destination),
			  log_reason(err));
	else if (is_news)
		log_event(EVENT_DESTINATION_UNREACHABLE, log_text("destination", destination),
			  log_reason(err));
}

/* An attempt succeeded, or there is nothing to send. */
static void note_success(struct worker *worker, bool has_uploaded)
{
	struct uploader *uploader = worker->uploader;
	uint64_t now_ms = clock_monotonic_ms();
	struct outage past;
	bool is_over;

	(void)pthread_mutex_lock(&uploader->lock);
	is_over = outage_worked(&worker->destination->outage, &worker->outage, has_uploaded,
				now_ms);
	past = worker->destination->outage;
	past.failures += worker->destination->probe_failures;
	if (has_uploaded) {
		worker->destination->probe = UPLOADER_PROBE_OK;
		worker->destination->probe_failures = 0;
	}
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_over)
		log_event(EVENT_UPLOADS_RECOVERED, log_number("failures", past.failures),
			  log_number("seconds", (now_ms - past.since_ms) / CLOCK_MS_PER_S));
}

/* The first worker at a destination, and whichever has nothing to send while there was no yes. */
static void probe_destination(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *destination = worker->destination;
	struct error err = { .kind = ERROR_NONE };
	char identity[SINK_IDENTITY_MAX];
	int result;

	thread_beat();
	destination_get_identity(worker, identity);
	atomic_store(&worker->is_sending, true);
	result = destination_probe(destination, worker->place, identity, &err);
	atomic_store(&worker->is_sending, false);
	if (result == 0)
		note_success(worker, true);
	else if (!atomic_load(&destination->cancel))
		note_failure(worker, NULL, &err);
	(void)pthread_mutex_lock(&uploader->lock);
	destination->is_being_probed = false;
	if (result < 0) {
		destination->probe = UPLOADER_PROBE_FAILED;
		destination->probe_again_at_ns = end_of_backoff_ns(destination->probe_failures++,
								   err.retry_after_ms);
	}
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	wakeup_send(uploader->wake_fd);
}

/* Is it this worker's turn to ask again? */
static bool take_probe(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct destination *destination = worker->destination;
	bool is_due;

	(void)pthread_mutex_lock(&uploader->lock);
	is_due = destination->probe == UPLOADER_PROBE_FAILED && !destination->is_being_probed &&
		 clock_monotonic_ns() >= destination->probe_again_at_ns;
	destination->is_being_probed |= is_due;
	(void)pthread_mutex_unlock(&uploader->lock);
	return is_due;
}

static void save_upload_state(void *context, const char *state)
{
	const struct worker *worker = context;
	struct error err;

	/* A failing disk is reported elsewhere. */
	if (spool_save_upload_state(worker->uploader->spool, worker->claim, state, &err) < 0)
		log_debug("upload state not saved, the next run starts over",
			  log_text("name", worker->claim->name), log_reason(&err));
}

/* As sink_ops.send. */
static int send_claim(struct worker *worker, struct sink_receipt *ret_receipt, struct error *err)
{
	const struct spool_claim *claim = worker->claim;
	const struct conf *conf = worker->destination->conf;
	cleanup_secret char *state = spool_load_upload_state(worker->uploader->spool, claim);
	cleanup_free char *node = NULL;
	char name[SEGMENT_NAME_MAX + 1024], identity[SINK_IDENTITY_MAX];
	struct text text = text_over(name, sizeof name);
	const struct sink_object object = {
		.name = name,
		.fd = claim->fd,
		.bytes = claim->segment.bytes,
		.crc32c = claim->segment.crc32c,
		.segment = &claim->segment,
		.upload_state = state,
		.save_upload_state = save_upload_state,
		.save_context = worker,
		.identity = identity,
	};
	struct name_parts parts;
	struct stat st;

	destination_get_identity(worker, identity);
	/* A segment of an earlier run goes where that run would have put it. */
	node = name_parse(claim->name, &parts) ? mem_strndup(claim->name, parts.node_length)
					       : mem_strdup(conf->node_name);
	name_object(conf->upload_prefix, conf->upload_layout, node, claim->name, &text);
	if (fstat(claim->fd, &st) == 0 && (uint64_t)st.st_size != object.bytes)
		return error_set(err, ERROR_REJECTED,
				 "the segment was damaged in the spool: %jd bytes, not %" PRIu64,
				 (intmax_t)st.st_size, object.bytes);
	return worker->destination->ops->send(worker->place, &object, ret_receipt, err);
}

/* Send the claimed segment, and end the claim as the result demands. */
static void upload_segment(struct worker *worker)
{
	struct uploader *uploader = worker->uploader;
	struct spool_claim *claim = worker->claim;
	uint64_t begin_ms = clock_monotonic_ms(), ms;
	struct sink_receipt receipt = { .requests = 0 };
	struct error err = { .kind = ERROR_NONE }, spool_error;
	bool is_cancelled;
	int spool_result;

	thread_beat();
	atomic_store(&worker->is_sending, true);
	if (send_claim(worker, &receipt, &err) == 0)
		err.kind = ERROR_NONE;
	atomic_store(&worker->is_sending, false);
	ms = clock_monotonic_ms() - begin_ms;
	is_cancelled = atomic_load(&worker->destination->cancel);
	if (err.kind == ERROR_NONE) {
		counters_add_upload(uploader->counters, claim->segment.bytes, ms);
		log_event(EVENT_SEGMENT_UPLOADED, log_text("name", claim->name),
			  log_number("bytes", claim->segment.bytes), log_number("ms", ms),
			  { .key = receipt.requests > 0 ? "requests" : NULL,
			    .number = receipt.requests,
			    .is_number = true },
			  { .key = receipt.was_there ? "was_there" : NULL, .text = "yes" },
			  log_text("location", receipt.location));
		destination_note_identity(worker, receipt.identity);
		spool_result = spool_remove(uploader->spool, claim, &spool_error);
	} else if (err.kind == ERROR_REJECTED) {
		log_event(EVENT_SEGMENT_REJECTED, log_text("name", claim->name), log_reason(&err));
		spool_result = spool_reject(uploader->spool, claim, &spool_error);
	} else {
		spool_result = spool_release(uploader->spool, claim,
					     !receipt.has_advanced && !is_cancelled, &spool_error);
	}
	if (spool_result < 0)
		log_event(EVENT_SEGMENT_NOT_REMOVED, log_text("name", claim->name),
			  log_reason(&spool_error));

	if (err.kind == ERROR_NONE)
		note_success(worker, true);
	else if (err.kind == ERROR_REJECTED) /* one such segment is no outage */
		counter_add(&uploader->counters->upload_failures, 1);
	else if (!is_cancelled)
		note_failure(worker, claim->name, &err);
	if (err.kind == ERROR_NONE || receipt.has_advanced)
		worker->failures = 0;
	/* As all may be rejected, a pause follows that, too. */
	if (err.kind != ERROR_NONE && !is_cancelled)
		wait_backoff(worker, err.retry_after_ms);
}

static void send_segments(struct worker *worker)
{
	bool is_draining;

	while (!worker->is_drained && may_go_on(worker, &is_draining)) {
		enum spool_order order = is_draining ? SPOOL_NEWEST_FIRST : SPOOL_OLDEST_FIRST;
		unsigned timeout_ms = is_draining ? 0 : CLAIM_MS;
		struct error err;
		int claimed = spool_claim(worker->uploader->spool, order, timeout_ms, worker->claim,
					  &err);

		if (claimed > 0) {
			upload_segment(worker);
		} else if (claimed < 0) {
			note_failure(worker, "", &err);
			wait_backoff(worker, 0);
		} else {
			note_success(worker, false);
			worker->is_drained = is_draining;
			if (!is_draining && take_probe(worker))
				probe_destination(worker);
		}
	}
}

void worker_run(void *context)
{
	struct worker *worker = context;
	struct spool_claim claim;

	worker->claim = &claim;
	while (change_destination(worker))
		send_segments(worker);
}
