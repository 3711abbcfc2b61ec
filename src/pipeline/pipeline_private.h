/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The set of pipelines as a whole (daemon_pipelines.c), how it follows the links (daemon_pipelines_follow.c), one pipeline. */

#include "pipeline/pipeline.h"

/* Lanes for each interface that may be recorded: those that end, and those that wait, take room too. */
#define PIPELINES_FACTOR 3

enum pipeline_state {
	PIPELINE_RUNNING, /* being opened, or recording */
	PIPELINE_ENDING,  /* its interface is gone, or no longer wanted */
	PIPELINE_WAITING, /* to be tried again; has no stages */
};

struct pipeline {
	enum pipeline_state state;
	unsigned index; /* of the link; 0: any */
	char name[IF_NAMESIZE];
	bool is_up;
	bool is_open_told, is_failure_told; /* the log knows that it is open; that it cannot be */
	uint64_t noticed_ms, retry_ms;
	struct capture *capture;
	struct recorder *recorder;
};

struct pipelines {
	struct capture_context capture_context;
	struct recorder_context recorder_context;
	const struct conf *conf;
	const struct codec *codec;
	int level;
	struct pipeline *
		*list; /* room for PIPELINES_FACTOR times the interfaces that may be recorded */
	size_t count;
	size_t left_out; /* interfaces that are wanted beyond what may be recorded */
};

/* daemon_pipeline.c: one pipeline. */

/* A pipeline for this link, without stages. There has to be room. */
struct pipeline *pipeline_add(struct pipelines *pipelines, const struct link *link);
void pipeline_drop(struct pipelines *pipelines, size_t place);
int pipeline_make(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
	__attribute__((warn_unused_result));
int pipeline_start(struct pipeline *pipeline, enum capture_from from, struct error *err)
	__attribute__((warn_unused_result));
/* Its thread opens it. */
void pipeline_attach(struct pipelines *pipelines, struct pipeline *pipeline);
/* Wait for its threads, which were told to end or have ended. */
void pipeline_join(struct pipeline *pipeline);
/* It could not be opened, or ended by itself. Its interface may be on the way out: that will be told. */
void pipeline_try_again_later(struct pipeline *pipeline, const struct error *err);
/* Is this about what the user wrote? Then trying again seldom helps. */
bool pipeline_is_refused(const struct error *err);

/* daemon_pipelines_follow.c. */

/* Visit the links that should have a pipeline and have none. */
void pipelines_each_new(struct pipelines *pipelines, const struct interfaces_view *view,
			void (*visit)(struct pipelines *pipelines, const struct link *link,
				      void *context),
			void *context);
bool pipelines_have_room(const struct pipelines *pipelines);
void pipelines_tell_left_out(struct pipelines *pipelines, size_t left_out);
