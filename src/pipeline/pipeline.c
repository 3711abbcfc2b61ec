/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline: its stages are made, started, joined and freed here. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/pipeline_private.h"

#define RETRY_MS UINT64_C(1000)
/* Of what does not fit the configuration: interfaces are changed, too, and not only configurations. */
#define REFUSED_RETRY_MS UINT64_C(60000)

struct pipeline *pipeline_add(struct pipelines *pipelines, const struct link *link)
{
	struct pipeline *pipeline = mem_calloc(1, sizeof *pipeline);

	pipeline->index = link->index;
	pipeline->is_up = link->is_up;
	pipeline->noticed_ms = clock_monotonic_ms();
	(void)snprintf(pipeline->name, sizeof pipeline->name, "%s", link->name);
	pipelines->list[pipelines->count++] = pipeline;
	return pipeline;
}

static void free_stages(struct pipeline *pipeline)
{
	pipeline->capture = capture_free(pipeline->capture);
	pipeline->recorder = recorder_free(pipeline->recorder);
}

void pipeline_drop(struct pipelines *pipelines, size_t place)
{
	free_stages(pipelines->list[place]);
	free(pipelines->list[place]);
	pipelines->list[place] = pipelines->list[--pipelines->count];
}

int pipeline_make(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
{
	pipeline->recorder = recorder_new(&pipelines->recorder_context, pipeline->name);
	recorder_set_codec(pipeline->recorder, pipelines->codec, pipelines->level);
	return capture_new(&pipelines->capture_context, pipelines->conf, pipeline->name,
			   pipeline->index, &pipeline->capture, err);
}

void pipeline_join(struct pipeline *pipeline)
{
	if (pipeline->capture)
		capture_join(pipeline->capture);
	if (!pipeline->recorder)
		return;
	/* Closed by the capture, unless that never ran. */
	queue_close(recorder_queue(pipeline->recorder));
	recorder_join(pipeline->recorder);
}

int pipeline_start(struct pipeline *pipeline, enum capture_from from, struct error *err)
{
	if (recorder_start(pipeline->recorder, err) < 0)
		return -1;
	return capture_start(pipeline->capture, recorder_queue(pipeline->recorder), from, err);
}

bool pipeline_is_refused(const struct error *err)
{
	return err->kind == ERROR_CONFIG || err->kind == ERROR_USAGE;
}

/* It could not be opened, or ended by itself. Its interface may be on the way out: that will be told. */
void pipeline_try_again_later(struct pipeline *pipeline, const struct error *err)
{
	pipeline_join(pipeline);
	pipeline->state = PIPELINE_WAITING;
	pipeline->retry_ms = clock_monotonic_ms() +
			     (pipeline_is_refused(err) ? REFUSED_RETRY_MS : RETRY_MS);
	if (!pipeline->is_failure_told && pipeline_is_refused(err))
		log_event(EVENT_INTERFACE_REFUSED, log_text("interface", pipeline->name),
			  log_reason(err));
	else if (!pipeline->is_failure_told)
		log_event(EVENT_INTERFACE_FAILED, log_text("interface", pipeline->name),
			  log_reason(err));
	pipeline->is_failure_told = true;
	pipeline->is_open_told = false;
	free_stages(pipeline);
}

/* Its thread opens it. */
void pipeline_attach(struct pipelines *pipelines, struct pipeline *pipeline)
{
	struct error err;

	pipeline->state = PIPELINE_RUNNING;
	if (pipeline_make(pipelines, pipeline, &err) < 0 ||
	    pipeline_start(pipeline, CAPTURE_FROM_START, &err) < 0)
		pipeline_try_again_later(pipeline, &err);
}
