/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline_state.h"

struct transition {
	enum pipeline_state next;
	unsigned actions;
	bool is_valid;
};

#define SAME                     PIPELINE_STATE_COUNT /* the state stays */

#define ON(event, next, actions) [PIPELINE_##event] = { next, (actions), true }

/* In every state with threads, unless the state has a row of its own. */
static const struct transition running[PIPELINE_EVENT_COUNT] = {
	ON(OPEN_FAILED, PIPELINE_BACKOFF, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON),
	ON(OPEN_REFUSED, PIPELINE_REFUSED, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_LATER),
	ON(CAPTURE_ENDED, PIPELINE_LOST, PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON),
	ON(LINK_DOWN, PIPELINE_DOWN, PIPELINE_LOG | PIPELINE_NOTE_LINK),
	ON(LINK_GONE, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_GONE),
	ON(LINK_RENAMED, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_NOW),
	ON(DESELECTED, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_NOW),
	ON(REPLACED, PIPELINE_ENDING, 0),
};

/* In every state that waits to be tried again. */
static const struct transition waiting[PIPELINE_EVENT_COUNT] = {
	ON(LINK_UP, SAME, PIPELINE_RETRY_NOW),
	ON(LINK_GONE, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(LINK_RENAMED, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(DESELECTED, SAME, PIPELINE_LOG | PIPELINE_REMOVE),
	ON(RETRY_DUE, PIPELINE_RETRYING, PIPELINE_START),
};

static const struct transition own[PIPELINE_STATE_COUNT][PIPELINE_EVENT_COUNT] = {
	[PIPELINE_OPENING] = {
		ON(OPENED, PIPELINE_RECORDING, PIPELINE_LOG),
	},
	[PIPELINE_RETRYING] = {
		ON(OPENED, PIPELINE_RECORDING, PIPELINE_LOG),
		ON(OPEN_FAILED, PIPELINE_BACKOFF, PIPELINE_FREE | PIPELINE_RETRY_SOON),
		ON(OPEN_REFUSED, PIPELINE_REFUSED, PIPELINE_FREE | PIPELINE_RETRY_LATER),
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
	const struct transition *transition = &own[state][event];

	if (!transition->is_valid && pipeline_is_running(state))
		transition = &running[event];
	if (!transition->is_valid && pipeline_is_waiting(state))
		transition = &waiting[event];
	if (!transition->is_valid || transition->next == SAME)
		return (struct pipeline_step){ state, transition->actions };
	return (struct pipeline_step){ transition->next, transition->actions };
}

bool pipeline_is_running(enum pipeline_state state)
{
	return state <= PIPELINE_DOWN;
}

bool pipeline_is_waiting(enum pipeline_state state)
{
	return state == PIPELINE_LOST || state == PIPELINE_BACKOFF || state == PIPELINE_REFUSED;
}
