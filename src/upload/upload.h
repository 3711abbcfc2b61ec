/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The upload stage: worker threads, each of which claims a ready segment, sends it to the destination and
 * removes it once the destination has proved that it holds it. The main thread calls these functions, none of
 * which waits for the network or the spool's disk but uploader_check(), uploader_stop() and uploader_free();
 * uploader_new() and uploader_prepare() read key and CA files. Never touches
 * capture; a network that is down for a day costs a growing spool and nothing else.
 *
 * A reload changes the destination under the running workers: what they are sending goes back to the spool, and
 * they move on when all have left the old one, so that there are never more connections than configured, nor more
 * than the rate. An upload that hangs for twice upload.stall_timeout is left alone until the stop, and another
 * worker starts in its place: uploader_tick() sees to that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/counters.h"
#include "base/error.h"
#include "conf/conf.h"
#include "spool/spool.h"

struct uploader;
struct destination; /* of one configuration */

enum uploader_probe {
	UPLOADER_PROBE_PENDING,
	UPLOADER_PROBE_OK,
	UPLOADER_PROBE_FAILED, /* segments are tried all the same, and the probe is repeated while there are none */
};

/* Open the destination (ERROR_CONFIG if it cannot be right) without starting anything. */
int uploader_new(const struct conf *conf, struct connections *connections,
		 struct counters *counters, struct uploader **ret_uploader, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Start the workers on this spool. wake_fd (an eventfd, or -1) is written to when a probe ended, and when a
 * draining uploader has nothing left to do. After a failure workers may run, which uploader_stop() joins.
 */
int uploader_start(struct uploader *uploader, struct spool *spool, int wake_fd, struct error *err)
	__attribute__((warn_unused_result));
/* Each second: replace workers that hang after a reload, and start those that could not be started before. */
void uploader_tick(struct uploader *uploader);
/* Join the workers; what is being sent goes back to ready/. Blocks for as long as an upload hangs. */
void uploader_stop(struct uploader *uploader);
struct uploader *uploader_free(struct uploader *uploader);

/* Reload, first half: open the destination of a new configuration, for uploader_swap() or destination_release(). */
int uploader_prepare(struct uploader *uploader, const struct conf *conf,
		     struct destination **ret_next, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Second half, which cannot fail: from now on, the new configuration holds, and segments go to `next`, whose probe
 * starts again. What is captured from now on is for it: to be called before captures change. Takes it over; NULL: the destination stays. Either way, another share in its place is accepted.
 */
void uploader_swap(struct uploader *uploader, const struct conf *conf, struct destination *next);
/* The last reference closes its sink. NULL is fine. */
struct destination *destination_release(struct destination *destination);

/* Let no worker wait for its next attempt. */
void uploader_retry_now(struct uploader *uploader);
/* From now on newest first, and no waiting: workers end when nothing is ready. */
void uploader_drain(struct uploader *uploader);
/* True when draining and every worker has ended. */
bool uploader_is_drained(struct uploader *uploader);

/* --check-config: probe in the calling thread, blocking for the connect time-out at most. */
int uploader_check(struct uploader *uploader, struct error *err)
	__attribute__((warn_unused_result));
/* How the current destination's last probe ended. */
enum uploader_probe uploader_probe(struct uploader *uploader);
/*
 * Monotonic time at which the worker that is sending and made progress longest ago did so; now_ms if none is
 * sending. Not of those left alone after a reload. destination: that worker's, cut to size.
 */
uint64_t uploader_last_beat_ms(struct uploader *uploader, uint64_t now_ms, char *destination,
			       size_t size);
/*
 * One line about an outage that lasts, for STATUS=; empty when uploads work. As outage_describe(). ret_is_lasting
 * (or NULL): has the destination said no, or not worked for a minute?
 */
const char *uploader_outage(struct uploader *uploader, char *out, size_t size,
			    bool *ret_is_lasting);
