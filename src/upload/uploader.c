/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

int uploader_new(const struct conf *conf, struct connections *connections,
		 struct counters *counters, struct uploader **ret_uploader, struct error *err)
{
	struct uploader *uploader = mem_calloc(1, sizeof *uploader);

	uploader->connections = connections;
	uploader->counters = counters;
	uploader->wake_fd = -1;
	rate_init(&uploader->rate, conf->upload_rate_limit);
	(void)pthread_mutex_init(&uploader->lock, NULL);
	(void)pthread_cond_init(&uploader->changed, NULL);
	if (uploader_prepare(uploader, conf, &uploader->current, err) < 0) {
		uploader_free(uploader);
		return -1;
	}
	*ret_uploader = uploader;
	return 0;
}

struct uploader *uploader_free(struct uploader *uploader)
{
	if (!uploader)
		return NULL;
	uploader_stop(uploader);
	destination_release(uploader->current);
	rate_done(&uploader->rate);
	(void)pthread_cond_destroy(&uploader->changed);
	(void)pthread_mutex_destroy(&uploader->lock);
	free(uploader);
	return NULL;
}

/* Let all workers see what has changed, wherever they wait; called with the lock, which it gives back. */
static void unlock_and_wake(struct uploader *uploader)
{
	uploader->changes++;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	if (uploader->spool)
		spool_wake(uploader->spool);
}

/* With the lock held. ERROR_FATAL: no more threads. */
static int start_missing_workers(struct uploader *uploader, struct error *err)
{
	size_t missing = uploader->current->conf->upload_workers,
	       running = workers_running(uploader);

	if (!uploader->spool || uploader->is_stopping || uploader->is_draining)
		return 0;
	missing = missing > running ? missing - running : 0;
	for (size_t i = 0; i < WORKERS_MAX && missing > 0; i++) {
		struct worker *worker = &uploader->workers[i];
		char name[32];

		if (worker->state != WORKER_ENDED)
			continue;
		thread_join(&worker->thread);
		*worker = (struct worker){ .uploader = uploader, .state = WORKER_RUNNING };
		(void)snprintf(name, sizeof name, "upload-%zu", i + 1);
		if (thread_start(&worker->thread, name, worker_run, worker, err) < 0) {
			worker->state = WORKER_ENDED;
			return -1;
		}
		missing--;
	}
	return missing == 0 ? 0
			    : error_set(err, ERROR_FATAL, "%d upload threads, most of which hang",
					WORKERS_MAX);
}

int uploader_start(struct uploader *uploader, struct spool *spool, int wake_fd, struct error *err)
{
	cleanup_free char *identity = spool_known_identity(spool, uploader->current->name);
	int result;

	(void)pthread_mutex_lock(&uploader->lock);
	(void)snprintf(uploader->current->identity, SINK_IDENTITY_MAX, "%s", identity);
	uploader->current->first_sequence = spool_sequence(spool);
	uploader->spool = spool;
	uploader->wake_fd = wake_fd;
	spool_set_spread(spool, uploader->is_draining ? 0 : uploader->current->conf->upload_spread);
	result = start_missing_workers(uploader, err);
	uploader->is_stopping = result < 0;
	unlock_and_wake(uploader);
	return result;
}

void uploader_stop(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->is_stopping = true;
	if (uploader->current)
		atomic_store(&uploader->current->cancel, true); /* the swap set an older one's */
	unlock_and_wake(uploader);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		thread_join(&uploader->workers[i].thread);
}

/*
 * Workers still at an older destination when their time is up: no longer wait for them. They send nothing, so
 * that connections and rate are free. With the lock held.
 */
static void leave_stragglers_behind(struct uploader *uploader)
{
	const struct destination *stuck = NULL;

	if (clock_monotonic_ns() < uploader->current->give_up_at_ns)
		return;
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = &uploader->workers[i];

		if (!worker_is_straggling(worker))
			continue;
		worker->state = WORKER_LEFT_BEHIND;
		stuck = worker->destination;
	}
	(void)pthread_cond_broadcast(&uploader->changed);
	/* Its worker cannot leave the destination meanwhile. */
	if (stuck)
		log_event(EVENT_OLD_UPLOAD_STUCK,
			  log_text("destination", stuck->conf->upload_destination));
}

void uploader_tick(struct uploader *uploader)
{
	struct error err;
	bool is_short;

	(void)pthread_mutex_lock(&uploader->lock);
	leave_stragglers_behind(uploader);
	is_short = start_missing_workers(uploader, &err) < 0;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_short && !uploader->is_short)
		log_error("fewer upload workers than configured", log_reason(&err));
	uploader->is_short = is_short;
}

int uploader_prepare(struct uploader *uploader, const struct conf *conf,
		     struct destination **ret_next, struct error *err)
{
	size_t workers = conf->upload_workers;
	struct destination *destination =
		mem_calloc(1, sizeof *destination + workers * sizeof *destination->places);
	const struct sink_context context = {
		.conf = conf,
		.connections = uploader->connections,
		.rate = &uploader->rate,
		.counters = uploader->counters,
		.cancel = &destination->cancel,
	};

	destination->references = 1;
	destination->conf = conf_ref(conf);
	if (sink_open(&context, &destination->sink, err) < 0)
		goto failed;
	destination->ops = sink_ops(destination->sink);
	destination->name = mem_printf(
		"%s%s", strstr(conf->upload_destination, "://") ? "" : destination->ops->scheme,
		conf->upload_destination);
	for (; destination->free_places < workers; destination->free_places++)
		if (destination->ops->worker_open(destination->sink,
						  &destination->places[destination->free_places],
						  err) < 0)
			goto failed;
	*ret_next = destination;
	return 0;
failed:
	destination_release(destination);
	return -1;
}

void uploader_swap(struct uploader *uploader, const struct conf *conf, struct destination *next)
{
	struct destination *old;

	rate_set(&uploader->rate, conf->upload_rate_limit);
	(void)pthread_mutex_lock(&uploader->lock);
	if (uploader->spool && !uploader->is_draining)
		spool_set_spread(uploader->spool, conf->upload_spread);
	old = uploader->current;
	if (!next) {
		/* Whoever reloads means what is there now. */
		old->identity[0] = '\0';
		unlock_and_wake(uploader);
		return;
	}
	next->first_sequence = spool_sequence(uploader->spool);
	next->since_ns = clock_real_ns();
	uploader->current = next;
	/* The network's own time-outs are shorter. */
	next->give_up_at_ns = clock_monotonic_ns() +
			      2 * next->conf->upload_stall_timeout * CLOCK_NS_PER_S;
	atomic_store(&old->cancel, true);
	unlock_and_wake(uploader);
	destination_release(old);
	uploader_tick(uploader);
}

void uploader_retry_now(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->current->probe_again_at_ns = 0;
	unlock_and_wake(uploader);
}

void uploader_drain(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->is_draining = true;
	if (uploader->spool)
		spool_set_spread(uploader->spool, 0);
	unlock_and_wake(uploader);
}

bool uploader_is_drained(struct uploader *uploader)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&uploader->lock);

	return uploader->is_draining && workers_running(uploader) == 0;
}

int uploader_check(struct uploader *uploader, struct error *err)
{
	const struct destination *destination = uploader->current;
	cleanup_free char *identity = spool_read_identity(destination->conf->spool_directory,
							  destination->name);

	return destination_probe(destination, destination->places[0], identity, err);
}

enum uploader_probe uploader_probe(struct uploader *uploader)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&uploader->lock);

	return uploader->current->probe;
}

uint64_t uploader_last_beat_ms(struct uploader *uploader, uint64_t now_ms, char *destination,
			       size_t size)
{
	const struct destination *at;
	uint64_t oldest_ms = now_ms;

	(void)pthread_mutex_lock(&uploader->lock);
	at = uploader->current;
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		const struct worker *worker = &uploader->workers[i];
		uint64_t beat_ms = thread_last_beat_ms(&worker->thread);

		if (worker->state == WORKER_RUNNING && atomic_load(&worker->is_sending) &&
		    beat_ms < oldest_ms) {
			oldest_ms = beat_ms;
			at = worker->destination;
		}
	}
	(void)snprintf(destination, size, "%s", at->conf->upload_destination);
	(void)pthread_mutex_unlock(&uploader->lock);
	return oldest_ms;
}

const char *uploader_outage(struct uploader *uploader, char *out, size_t size, bool *ret_is_lasting)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&uploader->lock);
	uint64_t now_ms = clock_monotonic_ms();

	if (ret_is_lasting)
		*ret_is_lasting = outage_is_lasting(&uploader->current->outage, now_ms);
	return outage_describe(&uploader->current->outage, now_ms, out, size);
}
