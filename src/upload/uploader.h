/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The upload stage: N worker threads, each claims a ready segment, sends it to the sink and removes it
 * when the sink has proved that it holds it. Runs the start-up probe on the first worker. Never touches
 * capture; a network that is gone for a day costs a growing spool and nothing else.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "conf/conf.h"
#include "spool/spool.h"

struct uploader;

enum uploader_probe {
	UPLOADER_PROBE_PENDING,
	UPLOADER_PROBE_OK,
	UPLOADER_PROBE_NO_ANSWER, /* start all the same, keep trying */
	UPLOADER_PROBE_REFUSED,   /* a definite no */
};

/* Open the sink (ERROR_CONFIG if it cannot be right) without starting anything: no network, no disk. */
int uploader_new(const struct conf *conf, struct connections *connections,
		 struct counters *counters, struct uploader **ret_uploader, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Start the workers on this spool, in place of `before` (NULL: of none), which is ours from now on, also
 * after a failure: it is stopped and freed by the first worker, and none sends anything before that, so that
 * there are never more than one uploader's connections, nor more than its rate. One that hangs for twice
 * upload.stall_timeout is left alone until we are stopped. wake_fd (an eventfd, or -1) is written to when the
 * probe ended, and when a draining uploader has nothing left to do. Never blocks; after a failure workers may
 * run, which uploader_stop() joins.
 */
int uploader_start(struct uploader *uploader, struct uploader *before, struct spool *spool,
		   int wake_fd, struct error *err) __attribute__((warn_unused_result));

/* Take over the options that need no new uploader. */
void uploader_configure(struct uploader *uploader, const struct conf *conf);
/* Let no worker wait for its next attempt. */
void uploader_hurry(struct uploader *uploader);
/*
 * Monotonic time at which the worker that is busy and made progress longest ago did so; now_ms if none is
 * busy. While the uploader before is waited for, those are its workers. destination: theirs, cut to size.
 */
uint64_t uploader_last_beat_ms(struct uploader *uploader, uint64_t now_ms, char *destination,
			       size_t size);

/* --check-config: probe in the calling thread, blocking for the connect time-out at most. */
int uploader_check(struct uploader *uploader, struct error *err)
	__attribute__((warn_unused_result));

/* How the start-up probe ended; err is filled unless PENDING or OK. */
enum uploader_probe uploader_probe(struct uploader *uploader, struct error *err);

/* From now on newest first, and no waiting: workers end when nothing is ready. */
void uploader_drain(struct uploader *uploader);
/* True when draining and every worker has ended. */
bool uploader_is_drained(struct uploader *uploader);

/*
 * Break off what is being sent (it goes back to ready), join the workers, and those of the uploader before.
 * Blocks for as long as one hangs.
 */
void uploader_stop(struct uploader *uploader);
struct uploader *uploader_free(struct uploader *uploader);

/* One line about outage that lasts, for STATUS=; empty when uploads work. As outage_describe(). */
const char *uploader_outage(struct uploader *uploader, char *out, size_t size);
