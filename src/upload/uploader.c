/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because the whole life of a worker is told here. */
#include "upload/uploader.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/wakeup.h"
#include "upload/attempt.h"
#include "upload/backoff.h"
#include "sink/sink.h"
#include "upload/outage.h"

/* How long a worker waits in the spool before it looks up: spool_wake() normally comes first. */
#define CLAIM_MS 1000
/* How often the end of the uploader before is looked for. */
#define BEFORE_POLL_MS 20

struct uploader_worker {
	struct uploader *uploader;
	struct thread thread;
	struct sink_worker *sink_worker;
	struct backoff backoff;
	atomic_bool is_busy;         /* else it waits for something to do */
	struct outage_worker outage; /* with the uploader's lock */
};

struct uploader {
	const struct conf *conf;
	struct spool *spool;
	struct counters *counters;
	struct sink *sink;
	const struct sink_ops *ops;
	atomic_bool cancel; /* sinks look at it */
	struct rate rate;
	int wake_fd;
	struct uploader_worker *workers;
	size_t worker_count;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	bool is_stopping, is_draining;
	unsigned hurries;        /* how often uploader_hurry() was called */
	size_t running;          /* workers that have not ended */
	struct uploader *before; /* its place is taken as soon as it has ended */
	bool is_before_left;     /* it hangs, and is left to uploader_stop() */
	enum uploader_probe probe;
	struct error probe_error;
	struct outage outage;
};

int uploader_new(const struct conf *conf, struct connections *connections,
		 struct counters *counters, struct uploader **ret_uploader, struct error *err)
{
	struct uploader *uploader = mem_calloc(1, sizeof *uploader);
	const struct sink_context context = {
		.conf = conf,
		.connections = connections,
		.rate = &uploader->rate,
		.counters = counters,
		.cancel = &uploader->cancel,
	};

	uploader->conf = conf_ref(conf);
	uploader->counters = counters;
	uploader->wake_fd = -1;
	rate_init(&uploader->rate, conf->upload_rate_limit);
	(void)pthread_mutex_init(&uploader->lock, NULL);
	thread_cond_init(&uploader->changed);
	uploader->worker_count = conf->upload_workers;
	uploader->workers = mem_calloc(uploader->worker_count, sizeof *uploader->workers);
	if (sink_open(&context, &uploader->sink, err) < 0)
		goto failed;
	uploader->ops = sink_ops(uploader->sink);
	for (size_t i = 0; i < uploader->worker_count; i++) {
		struct uploader_worker *worker = &uploader->workers[i];

		worker->uploader = uploader;
		if (uploader->ops->worker_open(uploader->sink, &worker->sink_worker, err) < 0)
			goto failed;
	}
	*ret_uploader = uploader;
	return 0;
failed:
	uploader_free(uploader);
	return -1;
}

struct uploader *uploader_free(struct uploader *uploader)
{
	if (!uploader)
		return NULL;
	uploader_stop(uploader);
	uploader_free(uploader->before);
	for (size_t i = 0; i < uploader->worker_count; i++)
		if (uploader->workers[i].sink_worker)
			uploader->ops->worker_close(uploader->workers[i].sink_worker);
	free(uploader->workers);
	sink_close(uploader->sink);
	conf_free(uploader->conf);
	rate_done(&uploader->rate);
	(void)pthread_cond_destroy(&uploader->changed);
	(void)pthread_mutex_destroy(&uploader->lock);
	free(uploader);
	return NULL;
}

static bool is_stopping(struct uploader *uploader, bool *ret_is_draining)
{
	bool stopping;

	(void)pthread_mutex_lock(&uploader->lock);
	stopping = uploader->is_stopping;
	*ret_is_draining = uploader->is_draining;
	(void)pthread_mutex_unlock(&uploader->lock);
	return stopping;
}

/* Wait out the pause before the next attempt. A stop ends it, and so does the beginning of draining. */
static void wait_backoff(struct uploader_worker *worker, uint64_t retry_after_ms, bool was_draining)
{
	struct uploader *uploader = worker->uploader;
	uint32_t random = 0;
	uint64_t deadline_ns;
	unsigned hurries;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (uint32_t)clock_monotonic_ns();
	deadline_ns = clock_monotonic_ns() +
		      backoff_next_ms(&worker->backoff, retry_after_ms, random) * CLOCK_NS_PER_MS;
	(void)pthread_mutex_lock(&uploader->lock);
	hurries = uploader->hurries;
	while (!uploader->is_stopping && uploader->is_draining == was_draining &&
	       uploader->hurries == hurries)
		if (!thread_cond_wait_until(&uploader->changed, &uploader->lock, deadline_ns))
			break;
	(void)pthread_mutex_unlock(&uploader->lock);
}

/* An attempt failed for now. */
static void note_failure(struct uploader_worker *worker, const char *name, const struct error *err)
{
	struct uploader *uploader = worker->uploader;
	unsigned failures;
	bool is_news;

	counter_add(&uploader->counters->upload_failures, 1);
	counter_add(&uploader->counters->upload_retries, 1);
	(void)pthread_mutex_lock(&uploader->lock);
	is_news = outage_failed(&uploader->outage, &worker->outage, clock_monotonic_ms(), err);
	failures = uploader->outage.failures;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_news)
		log_event(EVENT_UPLOAD_FAILED, log_text("name", name),
			  log_number("failures", failures), log_reason(err));
}

/* An attempt went through, or there is nothing to send. */
static void note_well(struct uploader_worker *worker, bool has_uploaded)
{
	struct uploader *uploader = worker->uploader;
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t since_ms;
	unsigned failures;
	bool is_over;

	(void)pthread_mutex_lock(&uploader->lock);
	is_over = has_uploaded ? outage_worked(&uploader->outage, &worker->outage, now_ms)
			       : outage_idle(&uploader->outage, &worker->outage);
	since_ms = uploader->outage.since_ms;
	failures = uploader->outage.failures;
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_over)
		log_event(EVENT_UPLOADS_RECOVERED, log_number("failures", failures),
			  log_number("seconds", (now_ms - since_ms) / CLOCK_MS_PER_S));
}

/* Ask the destination. The command line was fine; what it names is not. */
static int ask_destination(struct uploader *uploader, struct error *err)
{
	int result = uploader->ops->probe(uploader->workers[0].sink_worker, err);

	if (result < 0 && err->kind == ERROR_USAGE)
		err->kind = ERROR_CONFIG;
	return result;
}

/* Start-up probe, on the first worker. */
static void probe(struct uploader_worker *worker)
{
	struct uploader *uploader = worker->uploader;
	enum uploader_probe outcome = UPLOADER_PROBE_OK;
	struct error err = { .kind = ERROR_NONE };

	if (ask_destination(uploader, &err) < 0)
		outcome = err.kind == ERROR_CONFIG ? UPLOADER_PROBE_REFUSED
						   : UPLOADER_PROBE_NO_ANSWER;
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->probe = outcome;
	uploader->probe_error = err;
	(void)pthread_cond_broadcast(&uploader->changed);
	wakeup_send(uploader->wake_fd);
	(void)pthread_mutex_unlock(&uploader->lock);
}

/* Workers end what they are at; nobody waits for that here. */
static void break_off(struct uploader *uploader)
{
	atomic_store(&uploader->cancel, true);
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->is_stopping = true;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	if (uploader->spool) /* else it was never started */
		spool_wake(uploader->spool);
}

/* And so have those whose place it was to take. */
static bool has_ended(struct uploader *uploader)
{
	bool has;

	(void)pthread_mutex_lock(&uploader->lock);
	has = uploader->running == 0 && (!uploader->before || has_ended(uploader->before));
	(void)pthread_mutex_unlock(&uploader->lock);
	return has;
}

/* Wait until that has ended, or we are to, or it must be taken to hang. Returns it if it has ended. */
static struct uploader *wait_for_before(struct uploader *uploader)
{
	uint64_t now_ns = clock_monotonic_ns();
	/* The network's own time-outs are shorter. */
	const uint64_t limit_ns = now_ns +
				  2 * uploader->conf->upload_stall_timeout * CLOCK_NS_PER_S;
	struct uploader *ended = NULL;

	(void)pthread_mutex_lock(&uploader->lock);
	while (!has_ended(uploader->before) && !uploader->is_stopping && now_ns < limit_ns) {
		(void)thread_cond_wait_until(&uploader->changed, &uploader->lock,
					     now_ns + BEFORE_POLL_MS * CLOCK_NS_PER_MS);
		now_ns = clock_monotonic_ns();
	}
	if (has_ended(uploader->before))
		ended = take_ptr(uploader->before);
	uploader->is_before_left = uploader->before;
	(void)pthread_mutex_unlock(&uploader->lock);
	return ended;
}

/*
 * What it is sending goes back to the spool. Where it hangs, it sends nothing, so that rate and connections
 * are ours; what it has claimed stays claimed.
 */
static void end_before(struct uploader_worker *worker)
{
	struct uploader *uploader = worker->uploader;

	if (uploader->before) {
		break_off(uploader->before);
		uploader_free(wait_for_before(uploader));
	}
	/* Its token is nobody's any more; ours has one, or none, when it asks for it. */
	atomic_store(&uploader->counters->token_expires_ns, 0);
	if (uploader->before && !atomic_load(&uploader->cancel))
		log_event(EVENT_OLD_UPLOAD_STUCK,
			  log_text("destination", uploader->before->conf->upload_destination));
}

/* The others wait for it: one failure at start-up says as much as several. */
static void wait_for_probe(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	while (uploader->probe == UPLOADER_PROBE_PENDING && !uploader->is_stopping)
		(void)pthread_cond_wait(&uploader->changed, &uploader->lock);
	(void)pthread_mutex_unlock(&uploader->lock);
}

static void log_uploaded(const struct spool_claim *claim, const struct sink_receipt *receipt,
			 uint64_t ms)
{
	log_event(EVENT_SEGMENT_UPLOADED, log_text("name", claim->name),
		  log_number("bytes", claim->segment.bytes), log_number("ms", ms),
		  { .key = receipt->requests > 0 ? "requests" : NULL,
		    .number = receipt->requests,
		    .is_number = true },
		  { .key = receipt->was_there ? "was_there" : NULL, .text = "yes" },
		  log_text("location", receipt->location));
}

/* Send a claimed segment and do with it what follows from the result. */
static void handle(struct uploader_worker *worker, struct spool_claim *claim, bool is_draining)
{
	struct uploader *uploader = worker->uploader;
	const struct attempt_context context = {
		.conf = uploader->conf,
		.spool = uploader->spool,
		.ops = uploader->ops,
		.worker = worker->sink_worker,
	};
	uint64_t begin_ms = clock_monotonic_ms();
	struct sink_receipt receipt = { .requests = 0 };
	enum error_kind kind = ERROR_NONE;
	uint64_t ms;
	struct error err, spool_error;
	int result;

	thread_beat();
	atomic_store(&worker->is_busy, true);
	if (attempt_send(&context, claim, &receipt, &err) < 0)
		kind = err.kind;
	atomic_store(&worker->is_busy, false);
	ms = clock_monotonic_ms() - begin_ms;
	if (kind == ERROR_NONE) {
		counters_add_upload(uploader->counters, claim->segment.bytes, ms);
		log_uploaded(claim, &receipt, ms);
		backoff_reset(&worker->backoff);
		note_well(worker, true);
		result = spool_remove(uploader->spool, claim, &spool_error);
	} else if (kind == ERROR_REJECTED) {
		log_event(EVENT_SEGMENT_REJECTED, log_text("name", claim->name), log_reason(&err));
		result = spool_reject(uploader->spool, claim, &spool_error);
	} else {
		bool has_failed = !receipt.has_advanced && !atomic_load(&uploader->cancel);

		result = spool_release(uploader->spool, claim, has_failed, &spool_error);
	}
	if (result < 0)
		log_event(EVENT_SEGMENT_NOT_REMOVED, log_text("name", claim->name),
			  log_reason(&spool_error));
	/* Broken off by ourselves is no failure. */
	if (kind == ERROR_NONE || (kind != ERROR_REJECTED && atomic_load(&uploader->cancel)))
		return;
	/* One segment that is refused for good is no outage; but as all may be, a pause follows, too. */
	if (kind == ERROR_REJECTED)
		counter_add(&uploader->counters->upload_failures, 1);
	else
		note_failure(worker, claim->name, &err);
	if (receipt.has_advanced)
		backoff_reset(&worker->backoff);
	wait_backoff(worker, err.retry_after_ms, is_draining);
}

static void run(void *context)
{
	struct uploader_worker *worker = context;
	struct uploader *uploader = worker->uploader;
	bool is_draining;

	if (worker == uploader->workers) {
		end_before(worker);
		if (!is_stopping(uploader, &is_draining))
			probe(worker);
	} else {
		wait_for_probe(uploader);
	}
	while (!is_stopping(uploader, &is_draining)) {
		enum spool_order order = is_draining ? SPOOL_NEWEST_FIRST : SPOOL_OLDEST_FIRST;
		unsigned timeout_ms = is_draining ? 0 : CLAIM_MS;
		struct spool_claim claim;
		struct error err;
		int claimed = spool_claim(uploader->spool, order, timeout_ms, &claim, &err);

		if (claimed > 0) {
			handle(worker, &claim, is_draining);
		} else if (claimed < 0) {
			note_failure(worker, "", &err);
			wait_backoff(worker, 0, is_draining);
		} else {
			note_well(worker, false);
			if (is_draining)
				break;
		}
	}
	(void)pthread_mutex_lock(&uploader->lock);
	if (--uploader->running == 0 && uploader->is_draining)
		wakeup_send(uploader->wake_fd);
	(void)pthread_mutex_unlock(&uploader->lock);
}

int uploader_start(struct uploader *uploader, struct uploader *before, struct spool *spool,
		   int wake_fd, struct error *err)
{
	uploader->before = before;
	uploader->spool = spool;
	uploader->wake_fd = wake_fd;
	uploader->running = uploader->worker_count;
	for (size_t i = 0; i < uploader->worker_count; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "upload-%zu", i + 1);
		if (thread_start(&uploader->workers[i].thread, name, run, &uploader->workers[i],
				 err) < 0) {
			(void)pthread_mutex_lock(&uploader->lock);
			uploader->running -= uploader->worker_count - i;
			(void)pthread_mutex_unlock(&uploader->lock);
			break_off(uploader);
			return -1;
		}
	}
	return 0;
}

void uploader_configure(struct uploader *uploader, const struct conf *conf)
{
	rate_set(&uploader->rate, conf->upload_rate_limit);
}

int uploader_check(struct uploader *uploader, struct error *err)
{
	return ask_destination(uploader, err);
}

enum uploader_probe uploader_probe(struct uploader *uploader, struct error *err)
{
	enum uploader_probe outcome;

	(void)pthread_mutex_lock(&uploader->lock);
	outcome = uploader->probe;
	if (outcome != UPLOADER_PROBE_PENDING && outcome != UPLOADER_PROBE_OK)
		*err = uploader->probe_error;
	(void)pthread_mutex_unlock(&uploader->lock);
	return outcome;
}

void uploader_drain(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->is_draining = true;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
	if (uploader->spool) /* else it was never started */
		spool_wake(uploader->spool);
}

bool uploader_is_drained(struct uploader *uploader)
{
	bool is_drained;

	(void)pthread_mutex_lock(&uploader->lock);
	is_drained = uploader->is_draining && uploader->running == 0;
	(void)pthread_mutex_unlock(&uploader->lock);
	return is_drained;
}

void uploader_hurry(struct uploader *uploader)
{
	(void)pthread_mutex_lock(&uploader->lock);
	uploader->hurries++;
	(void)pthread_cond_broadcast(&uploader->changed);
	(void)pthread_mutex_unlock(&uploader->lock);
}

uint64_t uploader_last_beat_ms(struct uploader *uploader, uint64_t now_ms, char *destination,
			       size_t size)
{
	uint64_t oldest_ms = now_ms;
	bool is_waiting;

	(void)pthread_mutex_lock(&uploader->lock);
	is_waiting = uploader->before && !uploader->is_before_left;
	if (is_waiting)
		oldest_ms = uploader_last_beat_ms(uploader->before, now_ms, destination, size);
	(void)pthread_mutex_unlock(&uploader->lock);
	if (is_waiting)
		return oldest_ms;
	(void)snprintf(destination, size, "%s", uploader->conf->upload_destination);
	for (size_t i = 0; i < uploader->worker_count; i++) {
		const struct uploader_worker *worker = &uploader->workers[i];
		uint64_t beat_ms = thread_last_beat_ms(&worker->thread);

		if (atomic_load(&worker->is_busy) && beat_ms < oldest_ms)
			oldest_ms = beat_ms;
	}
	return oldest_ms;
}

void uploader_stop(struct uploader *uploader)
{
	break_off(uploader);
	for (size_t i = 0; i < uploader->worker_count; i++)
		thread_join(&uploader->workers[i].thread);
	if (uploader->before) /* no worker took it, or it hangs */
		uploader_stop(uploader->before);
}

const char *uploader_outage(struct uploader *uploader, char *out, size_t size)
{
	const char *reason;

	(void)pthread_mutex_lock(&uploader->lock);
	reason = outage_describe(&uploader->outage, clock_monotonic_ms(), out, size);
	(void)pthread_mutex_unlock(&uploader->lock);
	return reason;
}
