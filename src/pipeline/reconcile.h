/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How the set follows links and threads: what they mean for a pipeline (pure), and which ones are new. */

#include "pipeline/pipeline_private.h"

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
