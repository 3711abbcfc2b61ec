/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The pipelines of a configuration: for each interface a capture, its queue and a recorder. The set follows
 * the interfaces: one that appears gets a pipeline, whose thread opens it; the pipeline of one that is gone ends
 * by and by, and main never waits for either. A reload that changes the capture opens a new set beside the
 * old one and hands over at one instant: every packet is in exactly one of them. Main thread only, but for
 * pipelines_join().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "capture/capture.h"
#include "netif/netif.h"
#include "conf/conf.h"
#include "record/record.h"

struct pipelines;

/*
 * Start a thread for each interface of a configuration that is there, which opens it, and with CAPTURE_FROM_START
 * records at once. Does not wait for them: pipelines_settle(). Refers to conf.
 */
int pipelines_open(const struct conf *conf, const struct interfaces_view *view,
		   const struct capture_context *capture, const struct recorder_context *record,
		   enum capture_from from, struct pipelines **ret_pipelines, struct error *err)
	__attribute__((warn_unused_result));
/* Likewise, to take the place of old. */
int pipelines_open_beside(const struct pipelines *old, const struct conf *conf,
			  const struct interfaces_view *view, struct pipelines **ret_pipelines,
			  struct error *err) __attribute__((warn_unused_result));
/*
 * Are they open? 0: not yet, see pipelines_follow(). 1: as far as they can be; those that the configuration does not
 * fit are left out, in the log. -1: it fits none of them, or not one that it names; and beside others, one that is
 * there cannot be opened.
 */
int pipelines_settle(struct pipelines *pipelines, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Put a settled set that was opened beside another in its place at one instant: each packet goes to one of them, by its
 * time. The old one is told to end; pipelines_join() waits for it.
 */
void pipelines_take_over(struct pipelines *pipelines, struct pipelines *old);
/* Take over options that need no new capture, from the next segment on. Refers to conf. */
int pipelines_configure(struct pipelines *pipelines, const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/* As spool.when_full says: leave packets to the kernel while there is no room for them, or read on. */
void pipelines_pause_full(struct pipelines *pipelines);
void pipelines_end_segments(struct pipelines *pipelines, const char *reason);

/*
 * Follow the links and the threads: new interfaces get a pipeline, ended ones are freed. To be called when links,
 * the default route or a capture's state have changed (capture_context.wake_fd), and once a second.
 */
void pipelines_follow(struct pipelines *pipelines, const struct interfaces_view *view);

/* Tell them to end with the packets of this real time and to publish the last segments. Does not wait. */
void pipelines_end(struct pipelines *pipelines, const char *reason, uint64_t until_ns);
/*
 * Wait until those that were told to end have done it, and free them: about half a second beyond until_ns,
 * unless rings are full; for ever, if the disk hangs. Any thread, when no other uses them any more. A struct
 * pipelines *, or NULL: what struct jobs calls takes a void *.
 */
void pipelines_join(void *pipelines);

/* "eth0,eth1 (down)", or "nothing yet". */
void pipelines_describe(const struct pipelines *pipelines, struct text *out);
/*
 * Visit each interface that is asked for and not recorded: by its exact name, and not there or down; by
 * any word, and not to be opened.
 */
void pipelines_each_missing(const struct pipelines *pipelines,
			    void (*visit)(void *context, const char *name), void *context);
/* "eth2,eth3", or nothing. */
void pipelines_describe_missing(const struct pipelines *pipelines, struct text *out);
/* Is something being captured, and nothing about to be? */
bool pipelines_are_live(const struct pipelines *pipelines);
/* The threads that made progress longest ago, and of which interface; borrowed from pipelines. */
struct pipelines_progress {
	const char *capture, *recorder;
	uint64_t capture_beat_ms, recorder_beat_ms; /* monotonic */
	const char *limit; /* what allows no more interfaces, if any is left out */
};
void pipelines_progress(const struct pipelines *pipelines, struct pipelines_progress *ret_progress);
