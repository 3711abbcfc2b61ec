/* SPDX-License-Identifier: Apache-2.0 */
/* The set follows the links: interfaces come and go, are renamed, and captures end by themselves. */
#include "pipeline/pipeline_private.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const struct link any_link = { .name = "any", .is_up = true };

/* Decisions -------------------------------------------------------------------------------------- */

enum pipeline_event reconcile_link(const struct pipeline *pipeline, const struct link *link,
				   bool is_wanted)
{
	if (pipeline->index == 0) /* "any" has no link */
		return PIPELINE_NO_EVENT;
	if (!link)
		return PIPELINE_LINK_GONE;
	if (strcmp(link->name, pipeline->name) != 0)
		return PIPELINE_LINK_RENAMED;
	if (!is_wanted)
		return PIPELINE_DESELECTED;
	if (link->is_up != pipeline->is_up)
		return link->is_up ? PIPELINE_LINK_UP : PIPELINE_LINK_DOWN;
	return PIPELINE_NO_EVENT;
}

enum pipeline_event reconcile_threads(enum pipeline_state state, enum capture_state capture,
				      bool is_recorder_finished, const struct error *failure)
{
	if (capture == CAPTURE_OPEN)
		return PIPELINE_OPENED;
	if (capture == CAPTURE_OPENING || !is_recorder_finished)
		return PIPELINE_NO_EVENT;
	if (state == PIPELINE_ENDING)
		return PIPELINE_THREADS_ENDED;
	return capture == CAPTURE_REFUSED ? pipeline_failure(failure) : PIPELINE_CAPTURE_ENDED;
}

/* Links ------------------------------------------------------------------------------------------ */

static bool is_wanted(const struct pipelines *pipelines, const struct interfaces_view *view,
		      const struct link *link)
{
	return interfaces_want(&pipelines->conf->interfaces, link->name, view->auto_name);
}

static bool has_pipeline(const struct pipelines *pipelines, unsigned index)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->index == index &&
		    pipelines->list[i]->state != PIPELINE_ENDING)
			return true;
	return false;
}

static size_t count_running(const struct pipelines *pipelines)
{
	size_t count = 0;

	for (size_t i = 0; i < pipelines->count; i++)
		count += pipeline_is_running(pipelines->list[i]->state);
	return count;
}

bool pipelines_have_room(const struct pipelines *pipelines)
{
	return count_running(pipelines) < pipelines->conf->capture_max_interfaces;
}

void pipelines_each_new(struct pipelines *pipelines, const struct interfaces_view *view,
			void (*visit)(struct pipelines *pipelines, const struct link *link,
				      void *context),
			void *context)
{
	size_t count;
	const struct link *links = links_list(view->links, &count);

	if (pipelines->conf->interfaces.has_any) {
		if (!has_pipeline(pipelines, 0))
			visit(pipelines, &any_link, context);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (links[i].is_up && is_wanted(pipelines, view, &links[i]) &&
		    !has_pipeline(pipelines, links[i].index))
			visit(pipelines, &links[i], context);
}

void pipelines_note_over_limit(struct pipelines *pipelines, size_t over_limit)
{
	if (over_limit > 0 && pipelines->over_limit == 0)
		log_event(EVENT_INTERFACE_LIMIT, log_number("recorded", count_running(pipelines)),
			  log_number("left_out", over_limit));
	else if (over_limit == 0 && pipelines->over_limit > 0)
		log_event(EVENT_INTERFACE_LIMIT_CLEARED,
			  log_number("recorded", count_running(pipelines)));
	pipelines->over_limit = over_limit;
	atomic_store(&pipelines->capture_context.counters->interfaces_left_out, over_limit);
}

/* The same interface by another name: a new pipeline takes over, and nothing is lost in between. */
static bool take_over_renamed(struct pipelines *pipelines, struct pipeline *old,
			      const struct link *link)
{
	struct pipeline *pipeline = pipeline_add(pipelines, link);
	uint64_t instant_ns;
	struct error err;

	if (!pipeline)
		return false;
	if (pipeline_open(pipelines, pipeline, &err) < 0 ||
	    pipeline_start(pipeline, CAPTURE_FROM_LATER, &err) < 0) {
		if (pipeline->capture)
			capture_stop(pipeline->capture, "interface", 0);
		pipeline_remove(pipelines, pipeline);
		return false;
	}
	instant_ns = capture_next_instant(clock_real_ns());
	capture_stop(old->capture, "interface", instant_ns);
	capture_begin(pipeline->capture, instant_ns);
	log_event(EVENT_INTERFACE_RENAMED, log_text("interface", pipeline->name),
		  log_text("before", old->name));
	return true;
}

static void follow_link(struct pipelines *pipelines, struct pipeline *pipeline,
			const struct interfaces_view *view)
{
	const struct link *link = links_find(view->links, pipeline->index);
	bool is_link_wanted = link && is_wanted(pipelines, view, link);
	enum pipeline_event event = reconcile_link(pipeline, link, is_link_wanted);

	if (event == PIPELINE_LINK_RENAMED && pipeline_is_running(pipeline->state) && link->is_up &&
	    is_link_wanted && take_over_renamed(pipelines, pipeline, link))
		event = PIPELINE_REPLACED;
	pipeline_handle(pipelines, pipeline, event, NULL);
}

static void retry_if_due(struct pipelines *pipelines, struct pipeline *pipeline, uint64_t now_ms)
{
	if (pipeline_is_waiting(pipeline->state) && pipeline->is_up &&
	    pipeline->retry_ms <= now_ms && pipelines_have_room(pipelines))
		pipeline_handle(pipelines, pipeline, PIPELINE_RETRY_DUE, NULL);
}

static void add_new(struct pipelines *pipelines, const struct link *link, void *over_limit)
{
	struct pipeline *pipeline = pipelines_have_room(pipelines) ? pipeline_add(pipelines, link)
								   : NULL;

	if (pipeline)
		pipeline_launch(pipelines, pipeline);
	else
		++*(size_t *)over_limit;
}

static void follow_threads(struct pipelines *pipelines, struct pipeline *pipeline)
{
	struct error failure = { .kind = ERROR_NONE };
	struct capture_status capture;

	if (pipeline_is_waiting(pipeline->state))
		return;
	capture = capture_status(pipeline->capture);
	if (capture.state == CAPTURE_REFUSED)
		failure = *capture.failure; /* freed with the capture */
	pipeline_handle(pipelines, pipeline,
			reconcile_threads(pipeline->state, capture.state,
					  recorder_is_finished(pipeline->recorder), &failure),
			&failure);
}

void pipelines_follow(struct pipelines *pipelines, const struct interfaces_view *view)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t over_limit = 0;

	/* From the end: one that is removed has the last one put in its place. */
	for (size_t i = pipelines->count; i > 0; i--)
		follow_threads(pipelines, pipelines->list[i - 1]);
	for (size_t i = pipelines->count; i > 0; i--)
		follow_link(pipelines, pipelines->list[i - 1], view);
	for (size_t i = 0; i < pipelines->count; i++)
		retry_if_due(pipelines, pipelines->list[i], now_ms);
	pipelines_each_new(pipelines, view, add_new, &over_limit);
	pipelines_note_over_limit(pipelines, over_limit);
}
