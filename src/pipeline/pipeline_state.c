/* SPDX-License-Identifier: Apache-2.0 */
/* What links and threads mean for a pipeline, and what becomes of it. Pure; pipeline.c carries the actions out. */
#include <string.h>

#include "pipeline/pipeline_private.h"

#define SAME                     PIPELINE_STATE_COUNT /* the state stays */

#define ON(event, next, actions) [PIPELINE_##event] = { next, (actions), true }

/* In every state with threads, unless the state has a row of its own. */
static const struct pipeline_step running[PIPELINE_EVENT_COUNT] = {
	ON(OPEN_FAILED, PIPELINE_BACKOFF, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON),
	ON(OPEN_REFUSED, PIPELINE_BACKOFF, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_LATER),
	ON(CAPTURE_ENDED, PIPELINE_LOST, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON),
	ON(LINK_DOWN, PIPELINE_DOWN, PIPELINE_LOG | PIPELINE_NOTE_LINK),
	ON(LINK_GONE, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_GONE),
	ON(LINK_RENAMED, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_NOW),
	ON(DESELECTED, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_NOW),
	ON(REPLACED, PIPELINE_ENDING, 0),
};

/* In every state that waits to be tried again. */
static const struct pipeline_step waiting[PIPELINE_EVENT_COUNT] = {
	ON(LINK_UP, SAME, PIPELINE_RETRY_NOW),
	ON(LINK_GONE, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(LINK_RENAMED, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(DESELECTED, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(RETRY_DUE, PIPELINE_RETRYING, PIPELINE_START),
};

static const struct pipeline_step own[PIPELINE_STATE_COUNT][PIPELINE_EVENT_COUNT] = {
	[PIPELINE_OPENING] = {
		ON(OPENED, PIPELINE_RECORDING, PIPELINE_LOG),
	},
	[PIPELINE_RETRYING] = {
		ON(OPENED, PIPELINE_RECORDING, PIPELINE_LOG),
		ON(OPEN_FAILED, PIPELINE_BACKOFF, PIPELINE_FREE | PIPELINE_RETRY_SOON),
		ON(OPEN_REFUSED, PIPELINE_BACKOFF, PIPELINE_FREE | PIPELINE_RETRY_LATER),
	},
	[PIPELINE_DOWN] = {
		ON(LINK_UP, PIPELINE_RECORDING, PIPELINE_LOG | PIPELINE_NOTE_LINK),
	},
	[PIPELINE_LOST] = {
		ON(RETRY_DUE, PIPELINE_OPENING, PIPELINE_START),
	},
	[PIPELINE_ENDING] = {
		ON(THREADS_ENDED, SAME, PIPELINE_FREE | PIPELINE_REMOVE),
	},
};

struct pipeline_step pipeline_next(enum pipeline_state state, enum pipeline_event event)
{
	struct pipeline_step step = own[state][event];

	if (!step.is_valid && pipeline_is_running(state))
		step = running[event];
	if (!step.is_valid && pipeline_is_waiting(state))
		step = waiting[event];
	if (!step.is_valid || step.next == SAME)
		step.next = state;
	return step;
}

bool pipeline_is_running(enum pipeline_state state)
{
	return state <= PIPELINE_DOWN;
}

bool pipeline_is_waiting(enum pipeline_state state)
{
	return state == PIPELINE_LOST || state == PIPELINE_BACKOFF;
}

enum pipeline_event pipeline_failure(const struct error *err)
{
	return err->kind == ERROR_CONFIG || err->kind == ERROR_USAGE ? PIPELINE_OPEN_REFUSED
								     : PIPELINE_OPEN_FAILED;
}

enum pipeline_event pipeline_link_event(const struct pipeline *pipeline, const struct link *link,
					bool is_wanted)
{
	if (pipeline->index == 0) /* "any" has no link */
		return PIPELINE_NO_EVENT;
	if (!link)
		return PIPELINE_LINK_GONE;
	if (strcmp(link->name, pipeline->name) != 0)
		return PIPELINE_LINK_RENAMED;
	if (!is_wanted)
		return PIPELINE_DESELECTED;
	if (link->is_up != pipeline->is_up)
		return link->is_up ? PIPELINE_LINK_UP : PIPELINE_LINK_DOWN;
	return PIPELINE_NO_EVENT;
}

enum pipeline_event pipeline_thread_event(enum pipeline_state state, enum capture_state capture,
					  bool is_recorder_finished, const struct error *failure)
{
	if (capture == CAPTURE_OPEN)
		return PIPELINE_OPENED;
	if (capture == CAPTURE_OPENING || !is_recorder_finished)
		return PIPELINE_NO_EVENT;
	if (state == PIPELINE_ENDING)
		return PIPELINE_THREADS_ENDED;
	return capture == CAPTURE_REFUSED ? pipeline_failure(failure) : PIPELINE_CAPTURE_ENDED;
}
