/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline: carries out what the table in pipeline_state.c says. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/pipeline_private.h"

#define RETRY_SOON_MS UINT64_C(1000)
/* Interfaces change, too, and not only configurations. */
#define RETRY_LATER_MS UINT64_C(60000)

struct pipeline *pipeline_add(struct pipelines *pipelines, const struct link *link)
{
	struct pipeline *pipeline;

	if (pipelines->count == PIPELINES_FACTOR * pipelines->conf->capture_max_interfaces)
		return NULL;
	pipeline = mem_calloc(1, sizeof *pipeline);
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

void pipeline_remove(struct pipelines *pipelines, struct pipeline *pipeline)
{
	size_t place = 0;

	while (pipelines->list[place] != pipeline)
		place++;
	pipelines->list[place] = pipelines->list[--pipelines->count];
	free_stages(pipeline);
	free(pipeline);
}

static int make_stages(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
{
	pipeline->recorder = recorder_new(&pipelines->recorder_context, pipeline->name);
	recorder_set_codec(pipeline->recorder, pipelines->codec, pipelines->level);
	return capture_new(&pipelines->capture_context, pipelines->conf, pipeline->name,
			   pipeline->index, &pipeline->capture, err);
}

int pipeline_open(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
{
	if (make_stages(pipelines, pipeline, err) < 0 || capture_open(pipeline->capture, err) < 0)
		return -1;
	pipeline->state = PIPELINE_RECORDING;
	return 0;
}

int pipeline_start(struct pipeline *pipeline, enum capture_from from, struct error *err)
{
	if (recorder_start(pipeline->recorder, err) < 0)
		return -1;
	return capture_start(pipeline->capture, recorder_queue(pipeline->recorder), from, err);
}

void pipeline_launch(struct pipelines *pipelines, struct pipeline *pipeline)
{
	struct error err;

	if (make_stages(pipelines, pipeline, &err) < 0 ||
	    pipeline_start(pipeline, CAPTURE_FROM_START, &err) < 0)
		pipeline_handle(pipelines, pipeline, pipeline_failure(&err), &err);
}

enum pipeline_event pipeline_failure(const struct error *err)
{
	return err->kind == ERROR_CONFIG || err->kind == ERROR_USAGE ? PIPELINE_OPEN_REFUSED
								     : PIPELINE_OPEN_FAILED;
}

/* The configuration names it: others may come and go. */
static bool is_named(const struct pipelines *pipelines, const char *name)
{
	return pipelines->conf->interfaces.has_auto ||
	       interfaces_have(&pipelines->conf->interfaces, name);
}

static void log_gone(const struct pipelines *pipelines, const char *name, const char *reason)
{
	enum log_level level = is_named(pipelines, name) ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;

	log_event_at(level, EVENT_INTERFACE_GONE, log_text("interface", name),
		     log_text("reason", reason));
}

static void log_opened(const struct pipelines *pipelines, const struct pipeline *pipeline)
{
	enum log_level level = is_named(pipelines, pipeline->name) ? LOG_LEVEL_NOTICE
								   : LOG_LEVEL_INFO;

	log_event_at(level, EVENT_INTERFACE_RECORDING, log_text("interface", pipeline->name),
		     log_number("ms", capture_status(pipeline->capture).opened_ms -
					      pipeline->noticed_ms));
}

static void log_what_happened(const struct pipelines *pipelines, const struct pipeline *pipeline,
			      enum pipeline_event event, const struct error *err)
{
	const char *name = pipeline->name;

	switch (event) {
	case PIPELINE_OPENED:
		log_opened(pipelines, pipeline);
		break;
	case PIPELINE_OPEN_FAILED:
		log_event(EVENT_INTERFACE_FAILED, log_text("interface", name), log_reason(err));
		break;
	case PIPELINE_OPEN_REFUSED:
		log_event(EVENT_INTERFACE_REFUSED, log_text("interface", name), log_reason(err));
		break;
	case PIPELINE_CAPTURE_ENDED:
		log_gone(pipelines, name, "the capture ended");
		break;
	case PIPELINE_LINK_DOWN:
		log_gone(pipelines, name, "it is down");
		break;
	case PIPELINE_LINK_GONE:
		log_gone(pipelines, name, "it is gone");
		break;
	case PIPELINE_LINK_RENAMED:
		log_gone(pipelines, name, "it has another name");
		break;
	case PIPELINE_LINK_UP:
		log_event(EVENT_INTERFACE_BACK, log_text("interface", name));
		break;
	case PIPELINE_DESELECTED:
		log_event(EVENT_INTERFACE_DESELECTED, log_text("interface", name),
			  log_text("reason", "the default route is elsewhere"));
		break;
	case PIPELINE_NO_EVENT:
	case PIPELINE_REPLACED:
	case PIPELINE_RETRY_DUE:
	case PIPELINE_THREADS_ENDED:
	case PIPELINE_EVENT_COUNT:
		break;
	}
}

static void set_retry(struct pipeline *pipeline, unsigned actions)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (actions & PIPELINE_RETRY_NOW)
		pipeline->retry_ms = now_ms;
	else if (actions & PIPELINE_RETRY_SOON)
		pipeline->retry_ms = now_ms + RETRY_SOON_MS;
	else if (actions & PIPELINE_RETRY_LATER)
		pipeline->retry_ms = now_ms + RETRY_LATER_MS;
}

void pipeline_handle(struct pipelines *pipelines, struct pipeline *pipeline,
		     enum pipeline_event event, const struct error *err)
{
	struct pipeline_step step = pipeline_next(pipeline->state, event);

	pipeline->state = step.next;
	if (event == PIPELINE_LINK_UP || event == PIPELINE_LINK_DOWN)
		pipeline->is_up = event == PIPELINE_LINK_UP;
	if (event == PIPELINE_CAPTURE_ENDED)
		pipeline->noticed_ms = clock_monotonic_ms();
	set_retry(pipeline, step.actions);
	if (step.actions & PIPELINE_LOG)
		log_what_happened(pipelines, pipeline, event, err);
	if (step.actions & PIPELINE_NOTE_LINK)
		capture_note_link(pipeline->capture, pipeline->is_up);
	if (step.actions & PIPELINE_STOP_NOW)
		capture_stop(pipeline->capture, "interface", clock_real_ns());
	if (step.actions & PIPELINE_STOP_GONE)
		capture_stop(pipeline->capture, "interface", UINT64_MAX);
	if (step.actions & PIPELINE_FREE)
		free_stages(pipeline);
	if (step.actions & PIPELINE_START)
		pipeline_launch(pipelines, pipeline);
	if (step.actions & PIPELINE_REMOVE)
		pipeline_remove(pipelines, pipeline);
}
