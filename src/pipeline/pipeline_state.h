/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What becomes of a pipeline: one table of states and events. Pure; pipeline.c carries the actions out.
 *
 *     OPENING ──▶ RECORDING ◀──▶ DOWN          LOST, BACKOFF, REFUSED ──▶ OPENING or RETRYING
 *        └────────────┴───────────┴──▶ ENDING ──▶ removed
 */

#include <stdbool.h>

enum pipeline_state {
	PIPELINE_OPENING,  /* its capture thread opens the interface */
	PIPELINE_RETRYING, /* the same, after a failure that is in the log */
	PIPELINE_RECORDING,
	PIPELINE_DOWN,    /* the interface is down; its ring is kept */
	PIPELINE_LOST,    /* the capture ended by itself; the interface may be about to go */
	PIPELINE_BACKOFF, /* the interface could not be opened */
	PIPELINE_REFUSED, /* the configuration does not fit the interface */
	PIPELINE_ENDING,  /* its last packets are being recorded */
	PIPELINE_STATE_COUNT,
};

enum pipeline_event {
	PIPELINE_NO_EVENT,
	PIPELINE_OPENED,
	PIPELINE_OPEN_FAILED,
	PIPELINE_OPEN_REFUSED, /* by what the user wrote: trying again seldom helps */
	PIPELINE_CAPTURE_ENDED,
	PIPELINE_LINK_UP,
	PIPELINE_LINK_DOWN,
	PIPELINE_LINK_GONE,
	PIPELINE_LINK_RENAMED,
	PIPELINE_DESELECTED, /* what "auto" stands for is another interface now */
	PIPELINE_REPLACED,   /* another pipeline records its interface from now on */
	PIPELINE_RETRY_DUE,
	PIPELINE_THREADS_ENDED,
	PIPELINE_EVENT_COUNT,
};

enum pipeline_action {
	PIPELINE_LOG = 1 << 0,       /* the event */
	PIPELINE_NOTE_LINK = 1 << 1, /* the capture learns that the interface is up or down */
	PIPELINE_STOP_NOW = 1 << 2,  /* record what came until now, then end the threads */
	PIPELINE_STOP_GONE = 1 << 3, /* record all that is left in the ring, then end them */
	PIPELINE_FREE = 1 << 4,      /* join the threads, free capture and recorder */
	PIPELINE_RETRY_NOW = 1 << 5, /* when the next retry is due */
	PIPELINE_RETRY_SOON = 1 << 6,
	PIPELINE_RETRY_LATER = 1 << 7,
	PIPELINE_START = 1 << 8,  /* make capture and recorder, start their threads */
	PIPELINE_REMOVE = 1 << 9, /* from the set */
};

struct pipeline_step {
	enum pipeline_state next;
	unsigned actions; /* enum pipeline_action, or-ed */
};

/* An event that means nothing in a state changes nothing. */
struct pipeline_step pipeline_next(enum pipeline_state state, enum pipeline_event event);

/* Has it threads that record, or are about to? */
bool pipeline_is_running(enum pipeline_state state);
/* Has it none, and waits to be tried again? */
bool pipeline_is_waiting(enum pipeline_state state);
