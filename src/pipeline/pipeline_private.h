/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the folder share: one pipeline (pipeline.c), the set of them (pipelines.c, reconcile.c). */

#include "pipeline/pipeline.h"
#include "pipeline/pipeline_state.h"

/* Places for each interface that may be recorded: those that end, and those that wait, take one, too. */
#define PIPELINES_FACTOR 3

struct pipeline {
	enum pipeline_state state;
	unsigned index; /* of the link; 0: "any" */
	char name[IF_NAMESIZE];
	bool is_up; /* as the kernel said last */
	uint64_t noticed_ms, retry_ms;
	struct capture *capture; /* NULL while it waits, as the recorder */
	struct recorder *recorder;
};

struct pipelines {
	struct capture_context capture_context;
	struct recorder_context recorder_context;
	const struct conf *conf;
	const struct codec *codec;
	int level;
	struct pipeline **list; /* PIPELINES_FACTOR places for each of capture.max_interfaces */
	size_t count;
	size_t over_limit; /* interfaces that are wanted beyond capture.max_interfaces */
};

/* A pipeline for this link, OPENING but without threads; NULL if all places are taken. */
struct pipeline *pipeline_add(struct pipelines *pipelines, const struct link *link);
/* Waits for its threads, which were told to end or have ended. */
void pipeline_remove(struct pipelines *pipelines, struct pipeline *pipeline);
/* Make its stages and open the interface here and now: it is RECORDING once pipeline_start() ran. */
int pipeline_open(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
	__attribute__((warn_unused_result));
int pipeline_start(struct pipeline *pipeline, enum capture_from from, struct error *err)
	__attribute__((warn_unused_result));
/* Make its stages and start their threads, one of which opens the interface. A failure is an event of it. */
void pipeline_launch(struct pipelines *pipelines, struct pipeline *pipeline);
/* Something happened to it: do what pipeline_next() says. It may be gone afterwards. err: why it failed, or NULL. */
void pipeline_handle(struct pipelines *pipelines, struct pipeline *pipeline,
		     enum pipeline_event event, const struct error *err);
/* PIPELINE_OPEN_FAILED, or PIPELINE_OPEN_REFUSED. */
enum pipeline_event pipeline_failure(const struct error *err);

/* reconcile.c: what links and threads mean for a pipeline (pure), and which links are new. */

/*
 * The link of this pipeline as it is now (NULL: there is none), and whether capture.interface asks for it: what
 * happened to the pipeline, PIPELINE_NO_EVENT if nothing did.
 */
enum pipeline_event reconcile_link(const struct pipeline *pipeline, const struct link *link,
				   bool is_wanted);
/*
 * What its threads say: the state of the capture, and whether the recorder has written all of it. Not for a
 * pipeline that waits.
 */
enum pipeline_event reconcile_threads(enum pipeline_state state, enum capture_state capture,
				      bool is_recorder_finished, const struct error *failure);

/* The links that should have a pipeline and have none. */
void pipelines_each_new(struct pipelines *pipelines, const struct interfaces_view *view,
			void (*visit)(struct pipelines *pipelines, const struct link *link,
				      void *context),
			void *context);
/* May one more interface be recorded? */
bool pipelines_have_room(const struct pipelines *pipelines);
/* So many are wanted beyond what may be recorded: log a change. */
void pipelines_note_over_limit(struct pipelines *pipelines, size_t over_limit);
