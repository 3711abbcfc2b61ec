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
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->predecessor == pipeline)
			pipelines->list[i]->predecessor = NULL;
	free_stages(pipeline);
	free(pipeline);
}

static int make_stages(struct pipelines *pipelines, struct pipeline *pipeline, struct error *err)
{
	pipeline->recorder = recorder_new(&pipelines->recorder_context, pipeline->name);
	recorder_set_codec(pipeline->recorder, pipelines->codec, pipelines->level);
	return capture_new(&pipelines->capture_context, pipelines->conf, pipelines->filter,
			   pipeline->name, pipeline->index, &pipeline->capture, err);
}

static int start_stages(struct pipeline *pipeline, enum capture_from from, struct error *err)
{
	if (recorder_start(pipeline->recorder, err) < 0)
		return -1;
	return capture_start(pipeline->capture, recorder_queue(pipeline->recorder), from, err);
}

void pipeline_launch(struct pipelines *pipelines, struct pipeline *pipeline)
{
	enum capture_from from = pipeline->is_successor ? CAPTURE_FROM_LATER : pipelines->from;
	struct error err;

	if (make_stages(pipelines, pipeline, &err) < 0 || start_stages(pipeline, from, &err) < 0)
		pipeline_handle(pipelines, pipeline, pipeline_failure(&err), &err);
}

/* The first ones are told of together, by pipelines_settle(). */
static bool is_told_later(const struct pipelines *pipelines, enum pipeline_event event)
{
	return !pipelines->is_settled &&
	       (event == PIPELINE_OPENED || event == PIPELINE_OPEN_REFUSED);
}

/* The capture is open: now the old one's ends, and not a packet is lost or recorded twice. */
static void take_over(const struct pipeline *pipeline, const struct pipeline *old)
{
	uint64_t instant_ns = capture_next_instant(clock_real_ns());

	capture_agree(old->capture, capture_emptied_ns(old->capture));
	capture_agree(pipeline->capture, capture_emptied_ns(old->capture));
	capture_stop(old->capture, "interface", instant_ns);
	capture_begin(pipeline->capture, instant_ns);
	log_event(EVENT_INTERFACE_RENAMED, log_text("interface", pipeline->name),
		  log_text("before", old->name));
}

/* It was opened, or will not be soon: then the old one ends as that of any interface that has another name. */
static void end_succession(struct pipelines *pipelines, struct pipeline *pipeline,
			   enum pipeline_event event)
{
	struct pipeline *old = take_ptr(pipeline->predecessor);
	bool is_heir = event == PIPELINE_OPENED && old && pipeline_is_running(old->state);

	pipeline->is_successor = false;
	if (is_heir)
		take_over(pipeline, old);
	else if (pipeline_is_running(pipeline->state))
		capture_begin(pipeline->capture, clock_real_ns());
	/* Renamed once more, it gets another successor. */
	if (old && event != PIPELINE_LINK_RENAMED)
		pipeline_handle(pipelines, old, is_heir ? PIPELINE_REPLACED : PIPELINE_LINK_RENAMED,
				NULL);
}

void pipeline_log(const struct pipelines *pipelines, const struct pipeline *pipeline,
		  enum pipeline_event event, const struct error *err)
{
	const struct interface_words *words = &pipelines->conf->interfaces;
	const char *name = pipeline->name, *gone = NULL;
	/* Others than those that the configuration names may come and go. */
	bool is_named = words->has_auto || interfaces_have(words, name);
	enum log_level good = is_named ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO,
		       bad = is_named ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;

	switch (event) {
	case PIPELINE_OPENED:
		log_event_at(good, EVENT_INTERFACE_RECORDING, log_text("interface", name),
			     log_number("ms", capture_status(pipeline->capture).opened_ms -
						      pipeline->noticed_ms));
		break;
	case PIPELINE_OPEN_FAILED:
		log_event(EVENT_INTERFACE_FAILED, log_text("interface", name), log_reason(err));
		break;
	case PIPELINE_OPEN_REFUSED:
		log_event(EVENT_INTERFACE_REFUSED, log_text("interface", name), log_reason(err));
		break;
	case PIPELINE_LINK_UP:
		log_event(EVENT_INTERFACE_BACK, log_text("interface", name));
		break;
	case PIPELINE_DESELECTED:
		log_event(EVENT_INTERFACE_DESELECTED, log_text("interface", name),
			  log_text("reason", "the default route is elsewhere"));
		break;
	case PIPELINE_CAPTURE_ENDED:
		gone = "the capture ended";
		break;
	case PIPELINE_LINK_DOWN:
		gone = "it is down";
		break;
	case PIPELINE_LINK_GONE:
		gone = "it is gone";
		break;
	case PIPELINE_LINK_RENAMED:
		gone = "it has another name";
		break;
	default: /* nobody needs to know */
		break;
	}
	if (gone)
		log_event_at(bad, EVENT_INTERFACE_GONE, log_text("interface", name),
			     log_text("reason", gone));
}

void pipeline_handle(struct pipelines *pipelines, struct pipeline *pipeline,
		     enum pipeline_event event, const struct error *err)
{
	struct pipeline_step step = pipeline_next(pipeline->state, event);
	uint64_t now_ms = clock_monotonic_ms();

	pipeline->state = step.next;
	if (event == PIPELINE_LINK_UP || event == PIPELINE_LINK_DOWN)
		pipeline->is_up = event == PIPELINE_LINK_UP;
	if (event == PIPELINE_CAPTURE_ENDED)
		pipeline->noticed_ms = now_ms;
	if (step.actions & PIPELINE_RETRY_NOW)
		pipeline->retry_ms = now_ms;
	if (step.actions & PIPELINE_RETRY_SOON)
		pipeline->retry_ms = now_ms + RETRY_SOON_MS;
	if (step.actions & PIPELINE_RETRY_LATER)
		pipeline->retry_ms = now_ms + RETRY_LATER_MS;
	if (event == PIPELINE_OPENED)
		pipeline->failure.kind = ERROR_NONE;
	if (event == PIPELINE_OPEN_FAILED || event == PIPELINE_OPEN_REFUSED)
		pipeline->failure = *err;
	if (step.actions & PIPELINE_LOG && !is_told_later(pipelines, event) &&
	    !(pipeline->is_successor &&
	      event == PIPELINE_OPENED)) /* that it has another name, says all */
		pipeline_log(pipelines, pipeline, event, err);
	if (pipeline->is_successor && pipeline->state != PIPELINE_OPENING)
		end_succession(pipelines, pipeline, event);
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
