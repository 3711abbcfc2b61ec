/* SPDX-License-Identifier: Apache-2.0 */
/* One lane: its stages are made, started, joined and freed here. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/pipeline_private.h"

#define RETRY_MS UINT64_C(1000)
/* Of what does not fit the configuration: interfaces are changed, too, and not only configurations. */
#define REFUSED_RETRY_MS UINT64_C(60000)

struct lane *lane_add(struct lanes *lanes, const struct link *link)
{
	struct lane *lane = mem_calloc(1, sizeof *lane);

	lane->index = link->index;
	lane->is_up = link->is_up;
	lane->noticed_ms = clock_monotonic_ms();
	(void)snprintf(lane->name, sizeof lane->name, "%s", link->name);
	lanes->list[lanes->count++] = lane;
	return lane;
}

static void free_stages(struct lane *lane)
{
	lane->capture = capture_free(lane->capture);
	lane->recorder = recorder_free(lane->recorder);
}

void lane_drop(struct lanes *lanes, size_t place)
{
	free_stages(lanes->list[place]);
	free(lanes->list[place]);
	lanes->list[place] = lanes->list[--lanes->count];
}

int lane_make(struct lanes *lanes, struct lane *lane, struct error *err)
{
	lane->recorder = recorder_new(&lanes->recorder_context, lane->name);
	recorder_set_codec(lane->recorder, lanes->codec, lanes->level);
	return capture_new(&lanes->capture_context, lanes->conf, lane->name, lane->index,
			   &lane->capture, err);
}

void lane_join(struct lane *lane)
{
	if (lane->capture)
		capture_join(lane->capture);
	if (!lane->recorder)
		return;
	/* Closed by the capture, unless that never ran. */
	queue_close(recorder_queue(lane->recorder));
	recorder_join(lane->recorder);
}

int lane_start(struct lane *lane, enum capture_from from, struct error *err)
{
	if (recorder_start(lane->recorder, err) < 0)
		return -1;
	return capture_start(lane->capture, recorder_queue(lane->recorder), from, err);
}

bool lane_is_refused(const struct error *err)
{
	return err->kind == ERROR_CONFIG || err->kind == ERROR_USAGE;
}

/* It could not be opened, or ended by itself. Its interface may be on the way out: that will be told. */
void lane_try_again_later(struct lane *lane, const struct error *err)
{
	lane_join(lane);
	lane->state = LANE_WAITING;
	lane->retry_ms = clock_monotonic_ms() +
			 (lane_is_refused(err) ? REFUSED_RETRY_MS : RETRY_MS);
	if (!lane->is_failure_told && lane_is_refused(err))
		log_error("interface does not fit the configuration",
			  log_text("interface", lane->name), log_reason(err));
	else if (!lane->is_failure_told)
		log_warning("interface cannot be recorded, trying again",
			    log_text("interface", lane->name), log_reason(err));
	lane->is_failure_told = true;
	lane->is_open_told = false;
	free_stages(lane);
}

/* Its thread opens it. */
void lane_attach(struct lanes *lanes, struct lane *lane)
{
	struct error err;

	lane->state = LANE_RUNNING;
	if (lane_make(lanes, lane, &err) < 0 || lane_start(lane, CAPTURE_FROM_START, &err) < 0)
		lane_try_again_later(lane, &err);
}
