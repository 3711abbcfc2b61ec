/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the folder share: the set (pipelines.c), one pipeline (pipeline.c), its rules (pipeline_state.c). */

#include "pipeline/pipeline.h"

/*
 * What becomes of a pipeline: one table of states and events.
 *
 *     OPENING ──▶ RECORDING ◀──▶ DOWN          LOST, BACKOFF ──▶ OPENING or RETRYING
 *        └────────────┴───────────┴──▶ ENDING ──▶ removed
 */
enum pipeline_state {
	PIPELINE_OPENING,  /* its capture thread opens the interface */
	PIPELINE_RETRYING, /* the same, after a failure that is in the log */
	PIPELINE_RECORDING,
	PIPELINE_DOWN,    /* the interface is down; its ring is kept */
	PIPELINE_LOST,    /* the capture ended by itself; the interface may be about to go */
	PIPELINE_BACKOFF, /* the interface could not be opened */
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
	bool is_valid;    /* private to the table */
};

struct pipeline {
	enum pipeline_state state;
	unsigned index; /* of the link; 0: "any" */
	char name[IF_NAMESIZE];
	bool is_up; /* as the kernel said last */
	uint64_t noticed_ms, retry_ms;
	struct capture *capture; /* NULL while it waits, as the recorder */
	struct recorder *recorder;
	struct error failure; /* why it could not be opened last; ERROR_NONE: it could */
	/* Of a renamed interface, while OPENING: it records once it is told to, when it takes over from this one. */
	bool is_successor;
	struct pipeline *predecessor; /* NULL: that has gone meanwhile */
};

/* Places for each interface that may be recorded: those that end, and those that wait, take one, too. */
#define PIPELINES_FACTOR 3

struct pipelines {
	struct capture_context capture_context;
	struct recorder_context recorder_context;
	const struct conf *conf;
	struct filter *filter;
	enum capture_from from; /* CAPTURE_FROM_LATER: until it takes over */
	bool is_settled;        /* all of the first ones were opened, or not */
	const struct codec *codec;
	int level;
	struct pipeline **list; /* PIPELINES_FACTOR places for each of capture.max_interfaces */
	size_t count;
	size_t over_limit; /* interfaces that are wanted beyond pipelines_limit() */
};

/*
 * How many may be recorded, and what allows no more: what is recorded has to be written and uploaded, too, which takes
 * descriptors.
 */
size_t pipelines_limit(const struct conf *conf, const char **ret_limit);

/* pipeline_state.c. Pure. */

/* An event that means nothing in a state changes nothing. */
struct pipeline_step pipeline_next(enum pipeline_state state, enum pipeline_event event);
/* Has it threads that record, or are about to? */
bool pipeline_is_running(enum pipeline_state state);
/* Has it none, and waits to be tried again? */
bool pipeline_is_waiting(enum pipeline_state state);
/* PIPELINE_OPEN_FAILED, or PIPELINE_OPEN_REFUSED. */
enum pipeline_event pipeline_failure(const struct error *err);
/*
 * What its link says, as it is now (NULL: there is none), and whether capture.interface asks for it;
 * PIPELINE_NO_EVENT if nothing happened.
 */
enum pipeline_event pipeline_link_event(const struct pipeline *pipeline, const struct link *link,
					bool is_wanted);
/*
 * What its threads say: the state of the capture, and whether the recorder has written all of it. Not for a
 * pipeline that waits.
 */
enum pipeline_event pipeline_thread_event(enum pipeline_state state, enum capture_state capture,
					  bool is_recorder_finished, const struct error *failure);

/* pipeline.c */

/* A pipeline for this link, OPENING but without threads; NULL if all places are taken. */
struct pipeline *pipeline_add(struct pipelines *pipelines, const struct link *link);
/* Waits for its threads, which were told to end or have ended. */
void pipeline_remove(struct pipelines *pipelines, struct pipeline *pipeline);
/* Make its stages and start their threads, one of which opens the interface. A failure is an event of it. */
void pipeline_launch(struct pipelines *pipelines, struct pipeline *pipeline);
void pipeline_log(const struct pipelines *pipelines, const struct pipeline *pipeline,
		  enum pipeline_event event, const struct error *err);
/* Something happened to it: do what pipeline_next() says. It may be gone afterwards. err: why it failed, or NULL. */
void pipeline_handle(struct pipelines *pipelines, struct pipeline *pipeline,
		     enum pipeline_event event, const struct error *err);
