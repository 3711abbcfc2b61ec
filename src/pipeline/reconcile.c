/* SPDX-License-Identifier: Apache-2.0 */
/* The set follows the links: interfaces come and go, are renamed, and end by themselves. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/pipeline_private.h"

static const struct link any_link = { .name = "any", .is_up = true };

static bool is_wanted(const struct pipelines *pipelines, const struct interfaces_view *view,
		      const struct link *link)
{
	return interfaces_want(pipelines->conf->capture_interface, link->name, view->auto_name);
}

/* Those that end, on a slow disk, take room too. */
static bool is_full(const struct pipelines *pipelines)
{
	return pipelines->count == PIPELINES_FACTOR * pipelines->conf->capture_max_interfaces;
}

static struct pipeline *find_pipeline(const struct pipelines *pipelines, unsigned index)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->index == index &&
		    pipelines->list[i]->state != PIPELINE_ENDING)
			return pipelines->list[i];
	return NULL;
}

static size_t count_running(const struct pipelines *pipelines)
{
	size_t count = 0;

	for (size_t i = 0; i < pipelines->count; i++)
		count += pipelines->list[i]->state == PIPELINE_RUNNING;
	return count;
}

bool pipelines_have_room(const struct pipelines *pipelines)
{
	return count_running(pipelines) < pipelines->conf->capture_max_interfaces &&
	       !is_full(pipelines);
}

/* Visit the links that should have a pipeline and have none. */
void pipelines_each_new(struct pipelines *pipelines, const struct interfaces_view *view,
			void (*visit)(struct pipelines *pipelines, const struct link *link,
				      void *context),
			void *context)
{
	size_t count;
	const struct link *links = links_list(view->links, &count);

	if (interfaces_have(pipelines->conf->capture_interface, "any")) {
		if (!find_pipeline(pipelines, 0))
			visit(pipelines, &any_link, context);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (links[i].is_up && is_wanted(pipelines, view, &links[i]) &&
		    !find_pipeline(pipelines, links[i].index))
			visit(pipelines, &links[i], context);
}

void pipelines_tell_left_out(struct pipelines *pipelines, size_t left_out)
{
	if (left_out > 0 && pipelines->left_out == 0)
		log_event(EVENT_INTERFACE_LIMIT, log_number("recorded", count_running(pipelines)),
			  log_number("left_out", left_out));
	else if (left_out == 0 && pipelines->left_out > 0)
		log_notice("all interfaces are recorded again",
			   log_number("recorded", count_running(pipelines)));
	pipelines->left_out = left_out;
	atomic_store(&pipelines->capture_context.counters->interfaces_left_out, left_out);
}

/* A name of the configuration: of others it is usual that they come and go. */
static bool is_named(const struct pipelines *pipelines, const char *name)
{
	return interfaces_have(pipelines->conf->capture_interface, name) ||
	       interfaces_have(pipelines->conf->capture_interface, "auto");
}

static void tell_gone(const struct pipelines *pipelines, const struct pipeline *pipeline,
		      const char *reason)
{
	if (is_named(pipelines, pipeline->name))
		log_event(EVENT_INTERFACE_GONE, log_text("interface", pipeline->name),
			  log_text("reason", reason));
	else
		log_info("interface went away", log_text("interface", pipeline->name),
			 log_text("reason", reason));
}

/* No more of it from until_ns on; UINT64_MAX: it is gone. */
static void detach(struct pipelines *pipelines, size_t place, uint64_t until_ns)
{
	struct pipeline *pipeline = pipelines->list[place];

	if (pipeline->state == PIPELINE_WAITING) {
		pipeline_drop(pipelines, place);
		return;
	}
	pipeline->state = PIPELINE_ENDING;
	capture_stop(pipeline->capture, "interface", until_ns);
}

/* The same interface by another name: a new pipeline takes over, and nothing is lost in between. */
static int rename_pipeline(struct pipelines *pipelines, struct pipeline *old,
			   const struct link *link)
{
	struct pipeline *pipeline;
	struct error err;
	uint64_t instant_ns;

	if (is_full(pipelines))
		return -1;
	pipeline = pipeline_add(pipelines, link);
	if (pipeline_make(pipelines, pipeline, &err) < 0 ||
	    capture_open(pipeline->capture, &err) < 0 ||
	    pipeline_start(pipeline, CAPTURE_FROM_LATER, &err) < 0) {
		if (pipeline->capture)
			capture_stop(pipeline->capture, "interface", 0);
		pipeline_join(pipeline);
		pipeline_drop(pipelines, pipelines->count - 1);
		return -1;
	}
	instant_ns = capture_next_instant(clock_real_ns());
	capture_stop(old->capture, "interface", instant_ns);
	capture_begin(pipeline->capture, instant_ns);
	old->state = PIPELINE_ENDING;
	pipeline->is_open_told = true;
	log_event(EVENT_INTERFACE_RENAMED, log_text("interface", pipeline->name),
		  log_text("before", old->name));
	return 0;
}

static void note_up_or_down(struct pipelines *pipelines, struct pipeline *pipeline, bool is_up)
{
	pipeline->is_up = is_up;
	if (pipeline->state != PIPELINE_RUNNING) {
		pipeline->retry_ms = 0; /* it may be another than before */
		return;
	}
	capture_note_link(pipeline->capture, is_up);
	if (!is_up)
		tell_gone(pipelines, pipeline, "it is down");
	else
		log_event(EVENT_INTERFACE_BACK, log_text("interface", pipeline->name));
}

static void check_pipeline(struct pipelines *pipelines, const struct interfaces_view *view,
			   size_t place)
{
	struct pipeline *pipeline = pipelines->list[place];
	const struct link *link = links_find(view->links, pipeline->index);

	if (pipeline->state == PIPELINE_ENDING || pipeline->index == 0)
		return;
	if (!link) {
		tell_gone(pipelines, pipeline, "it is gone");
		detach(pipelines, place, UINT64_MAX);
	} else if (strcmp(link->name, pipeline->name) != 0) {
		if (pipeline->state == PIPELINE_RUNNING && link->is_up &&
		    is_wanted(pipelines, view, link) &&
		    rename_pipeline(pipelines, pipeline, link) == 0)
			return;
		tell_gone(pipelines, pipeline, "it has another name");
		detach(pipelines, place, clock_real_ns());
	} else if (!is_wanted(pipelines, view, link)) {
		log_event(EVENT_INTERFACE_DESELECTED, log_text("interface", pipeline->name),
			  log_text("reason", "the default route is elsewhere"));
		detach(pipelines, place, clock_real_ns());
	} else if (link->is_up != pipeline->is_up) {
		note_up_or_down(pipelines, pipeline, link->is_up);
	}
}

static void attach_new(struct pipelines *pipelines, const struct link *link, void *left_out)
{
	if (pipelines_have_room(pipelines))
		pipeline_attach(pipelines, pipeline_add(pipelines, link));
	else
		++*(size_t *)left_out;
}

void pipelines_follow(struct pipelines *pipelines, const struct interfaces_view *view)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t left_out = 0;

	for (size_t i = pipelines->count; i > 0; i--)
		check_pipeline(pipelines, view, i - 1);
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->state == PIPELINE_WAITING && pipelines->list[i]->is_up &&
		    pipelines->list[i]->retry_ms <= now_ms && pipelines_have_room(pipelines))
			pipeline_attach(pipelines, pipelines->list[i]);
	pipelines_each_new(pipelines, view, attach_new, &left_out);
	pipelines_tell_left_out(pipelines, left_out);
}

static void tell_open(const struct pipelines *pipelines, struct pipeline *pipeline)
{
	uint64_t ms = capture_opened_ms(pipeline->capture) - pipeline->noticed_ms;

	if (is_named(pipelines, pipeline->name))
		log_event(EVENT_INTERFACE_RECORDING, log_text("interface", pipeline->name),
			  log_number("ms", ms));
	else
		log_event_at(LOG_LEVEL_INFO, EVENT_INTERFACE_RECORDING,
			     log_text("interface", pipeline->name), log_number("ms", ms));
	pipeline->is_open_told = true;
	pipeline->is_failure_told = false;
}

/* Both its threads are done: joining them does not wait. */
static void reap(struct pipelines *pipelines, size_t place)
{
	struct pipeline *pipeline = pipelines->list[place];
	struct error err;

	if (pipeline->state == PIPELINE_ENDING) {
		pipeline_join(pipeline);
		pipeline_drop(pipelines, place);
	} else if (capture_state(pipeline->capture) == CAPTURE_REFUSED) {
		err = *capture_failure(pipeline->capture);
		pipeline_try_again_later(pipeline, &err);
	} else { /* by itself, before the kernel told us that its interface is gone */
		error_set(&err, ERROR_TRANSIENT, "the capture ended");
		tell_gone(pipelines, pipeline, err.message);
		pipeline->is_failure_told = true;
		pipeline_try_again_later(pipeline, &err);
		pipeline->is_failure_told = false;
		pipeline->noticed_ms = clock_monotonic_ms();
	}
}

void pipelines_reap(struct pipelines *pipelines)
{
	for (size_t i = pipelines->count; i > 0; i--) {
		struct pipeline *pipeline = pipelines->list[i - 1];
		enum capture_state state;

		if (pipeline->state == PIPELINE_WAITING)
			continue;
		state = capture_state(pipeline->capture);
		if (state == CAPTURE_OPEN && pipeline->state == PIPELINE_RUNNING &&
		    !pipeline->is_open_told)
			tell_open(pipelines, pipeline);
		else if ((state == CAPTURE_REFUSED || state == CAPTURE_ENDED) &&
			 recorder_is_finished(pipeline->recorder))
			reap(pipelines, i - 1);
	}
}
