/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/pipeline_private.h"
#include "pipeline/pipelines_check.h"

/* Descriptors that one interface takes, also while a reload has it twice; and those for all else. */
#define FILES_EACH 6
#define FILES_ELSE 96

static const struct link any_link = { .name = "any", .is_up = true };

/* Is a link, as it is now, to be recorded? */
static bool is_wanted(const struct conf *conf, const struct interfaces_view *view,
		      const struct link *link)
{
	return interfaces_want(&conf->interfaces, link->name, view->auto_name);
}

static size_t count_running(const struct pipelines *pipelines)
{
	size_t count = 0;

	for (size_t i = 0; i < pipelines->count; i++)
		count += pipeline_is_running(pipelines->list[i]->state);
	return count;
}

size_t pipelines_limit(const struct conf *conf, const char **ret_limit)
{
	struct rlimit files;
	size_t most = conf->capture_max_interfaces, room = 1;

	*ret_limit = "capture.max_interfaces";
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_cur >= FILES_ELSE + most * FILES_EACH)
		return most;
	*ret_limit = "open files";
	if (files.rlim_cur > FILES_ELSE + FILES_EACH)
		room = (files.rlim_cur - FILES_ELSE) / FILES_EACH;
	return room;
}

static bool has_room(const struct pipelines *pipelines)
{
	const char *limit;

	return count_running(pipelines) < pipelines_limit(pipelines->conf, &limit);
}

static bool has_pipeline(const struct pipelines *pipelines, unsigned index)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->index == index &&
		    pipelines->list[i]->state != PIPELINE_ENDING)
			return true;
	return false;
}

/*
 * A pipeline for the next link, from *place on, that should have one and has none; NULL: there are no more.
 * Counts those that there is no room for.
 */
static struct pipeline *add_next(struct pipelines *pipelines, const struct interfaces_view *view,
				 size_t *place, size_t *over_limit)
{
	size_t count;
	const struct link *links = links_list(view->links, &count);

	if (pipelines->conf->interfaces.has_any) {
		links = &any_link;
		count = 1;
	}
	while (*place < count) {
		const struct link *link = &links[(*place)++];
		struct pipeline *pipeline;

		if (!link->is_up || !is_wanted(pipelines->conf, view, link) ||
		    has_pipeline(pipelines, link->index))
			continue;
		if (!has_room(pipelines)) {
			++*over_limit;
			continue;
		}
		/* If all places are taken, by those that end, it has its turn when they have ended. */
		pipeline = pipeline_add(pipelines, link);
		if (pipeline)
			return pipeline;
	}
	return NULL;
}

static void note_over_limit(struct pipelines *pipelines, size_t over_limit)
{
	const char *limit;

	(void)pipelines_limit(pipelines->conf, &limit);
	if (over_limit > 0 && pipelines->over_limit == 0)
		log_event(EVENT_INTERFACE_LIMIT, log_text("limit", limit),
			  log_number("recorded", count_running(pipelines)),
			  log_number("left_out", over_limit));
	else if (over_limit == 0 && pipelines->over_limit > 0)
		log_event(EVENT_INTERFACE_LIMIT_CLEARED,
			  log_number("recorded", count_running(pipelines)));
	pipelines->over_limit = over_limit;
	if (pipelines->from == CAPTURE_FROM_START)
		atomic_store(&pipelines->capture_context.counters->interfaces_left_out, over_limit);
}

int pipelines_open(const struct conf *conf, const struct interfaces_view *view,
		   const struct capture_context *capture, const struct recorder_context *record,
		   enum capture_from from, struct pipelines **ret_pipelines, struct error *err)
{
	struct pipelines *pipelines = mem_calloc(1, sizeof *pipelines);

	pipelines->capture_context = *capture;
	pipelines->recorder_context = *record;
	pipelines->from = from;
	pipelines->filter = filter_new(conf);
	pipelines->list = mem_calloc(PIPELINES_FACTOR * conf->capture_max_interfaces,
				     sizeof *pipelines->list);
	if (pipelines_configure(pipelines, conf, err) < 0) {
		pipelines_join(pipelines);
		return -1;
	}
	pipelines_follow(pipelines, view);
	*ret_pipelines = pipelines;
	return 0;
}

int pipelines_open_beside(const struct pipelines *old, const struct conf *conf,
			  const struct interfaces_view *view, struct pipelines **ret_pipelines,
			  struct error *err)
{
	return pipelines_open(conf, view, &old->capture_context, &old->recorder_context,
			      CAPTURE_FROM_LATER, ret_pipelines, err);
}

/* The failure of an opening that concerns all of them; NULL: there is none. */
static const struct error *find_refusal(const struct pipelines *pipelines)
{
	const struct error *refusal = NULL;
	bool is_any_running = false;

	for (size_t i = 0; i < pipelines->count; i++) {
		const struct pipeline *pipeline = pipelines->list[i];
		const struct error *failure = &pipeline->failure;
		bool is_refused = pipeline_failure(failure) == PIPELINE_OPEN_REFUSED;

		is_any_running |= pipeline_is_running(pipeline->state);
		if (pipeline->state != PIPELINE_BACKOFF)
			continue;
		/* What is recorded now must not end for a failure; an interface that has gone is none. */
		if ((is_refused && interfaces_have(&pipelines->conf->interfaces, pipeline->name)) ||
		    (!is_refused && pipelines->from == CAPTURE_FROM_LATER &&
		     (pipeline->index == 0 || if_nametoindex(pipeline->name) == pipeline->index)))
			return failure;
		if (is_refused)
			refusal = failure;
	}
	return is_any_running ? NULL : refusal;
}

int pipelines_settle(struct pipelines *pipelines, struct error *err)
{
	const struct error *refusal;

	if (pipelines->is_settled)
		return 1;
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->state == PIPELINE_OPENING)
			return 0;
	refusal = find_refusal(pipelines);
	if (refusal) {
		*err = *refusal;
		return -1;
	}
	/* Without an interface, the text at least. */
	if (pipelines->count == 0 && pipelines_check_text(pipelines->conf, err) < 0)
		return -1;
	pipelines->is_settled = true;
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_failure(&pipelines->list[i]->failure) == PIPELINE_OPEN_REFUSED)
			pipeline_log(pipelines, pipelines->list[i], PIPELINE_OPEN_REFUSED,
				     &pipelines->list[i]->failure);
	return 1;
}

/* When all of them that are open had read their rings to the end, at least. */
static uint64_t emptied_ns(const struct pipelines *pipelines, uint64_t least_ns)
{
	for (size_t i = 0; i < pipelines->count; i++) {
		uint64_t own_ns = pipeline_is_running(pipelines->list[i]->state)
					  ? capture_emptied_ns(pipelines->list[i]->capture)
					  : 0;

		if (own_ns > 0 && own_ns < least_ns)
			least_ns = own_ns;
	}
	return least_ns;
}

static void agree(const struct pipelines *pipelines, uint64_t least_ns)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state))
			capture_agree(pipelines->list[i]->capture, least_ns);
}

void pipelines_take_over(struct pipelines *new, struct pipelines *old)
{
	uint64_t now_ns = clock_real_ns(), instant_ns = capture_next_instant(now_ns);
	uint64_t least_ns = emptied_ns(new, emptied_ns(old, now_ns));

	agree(old, least_ns);
	agree(new, least_ns);
	pipelines_end(old, "reload", instant_ns);
	for (size_t i = 0; i < new->count; i++)
		if (pipeline_is_running(new->list[i]->state))
			capture_begin(new->list[i]->capture, instant_ns);
	new->from = CAPTURE_FROM_START;
}

int pipelines_configure(struct pipelines *pipelines, const struct conf *conf, struct error *err)
{
	const struct conf *old = pipelines->conf;

	if (codec_choose(conf, &pipelines->codec, &pipelines->level, err) < 0)
		return -1;
	pipelines->conf = conf_ref(conf);
	conf_free(old);
	for (size_t i = 0; i < pipelines->count; i++) {
		if (pipeline_is_waiting(pipelines->list[i]->state))
			continue;
		capture_set_limits(pipelines->list[i]->capture, conf);
		recorder_set_codec(pipelines->list[i]->recorder, pipelines->codec,
				   pipelines->level);
	}
	return 0;
}

void pipelines_pause_full(struct pipelines *pipelines)
{
	bool is_paused = pipelines->conf->spool_when_full == CONF_WHEN_FULL_STOP_CAPTURE;

	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state))
			capture_pause(pipelines->list[i]->capture,
				      is_paused && spool_is_full(pipelines->recorder_context.spool,
								 pipelines->list[i]->name));
}

void pipelines_end_segments(struct pipelines *pipelines, const char *reason)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state))
			capture_end_segment(pipelines->list[i]->capture, reason);
}

/* Is one being opened that takes over from this one? */
static bool has_successor(const struct pipelines *pipelines, const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipelines->list[i]->predecessor == pipeline)
			return true;
	return false;
}

/* The same interface by another name: another pipeline opens it meanwhile, and takes over. False: there is no place. */
static bool add_successor(struct pipelines *pipelines, struct pipeline *old,
			  const struct link *link)
{
	struct pipeline *pipeline = pipeline_add(pipelines, link);

	if (!pipeline)
		return false;
	pipeline->is_successor = true;
	pipeline->predecessor = old;
	pipeline_launch(pipelines, pipeline);
	return true;
}

static void follow_link(struct pipelines *pipelines, struct pipeline *pipeline,
			const struct interfaces_view *view)
{
	const struct link *link = links_find(view->links, pipeline->index);
	bool is_link_wanted = link && is_wanted(pipelines->conf, view, link);
	enum pipeline_event event = pipeline_link_event(pipeline, link, is_link_wanted);

	if (event == PIPELINE_LINK_RENAMED && has_successor(pipelines, pipeline))
		return;
	if (event == PIPELINE_LINK_RENAMED && pipeline->state == PIPELINE_RECORDING &&
	    link->is_up && is_link_wanted && pipelines->from == CAPTURE_FROM_START &&
	    add_successor(pipelines, pipeline, link))
		return;
	pipeline_handle(pipelines, pipeline, event, NULL);
}

void pipelines_follow(struct pipelines *pipelines, const struct interfaces_view *view)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t place = 0, over_limit = 0;
	struct pipeline *added;

	/* From the end: one that is removed has the last one put in its place. */
	for (size_t i = pipelines->count; i > 0; i--) {
		struct pipeline *pipeline = pipelines->list[i - 1];
		struct capture_status capture;

		if (pipeline_is_waiting(pipeline->state))
			continue;
		capture = capture_status(pipeline->capture);
		pipeline_handle(pipelines, pipeline,
				pipeline_thread_event(pipeline->state, capture.state,
						      recorder_is_finished(pipeline->recorder),
						      capture.failure),
				capture.failure);
	}
	for (size_t i = pipelines->count; i > 0; i--)
		follow_link(pipelines, pipelines->list[i - 1], view);
	for (size_t i = 0; i < pipelines->count; i++) {
		struct pipeline *pipeline = pipelines->list[i];

		if (pipeline_is_waiting(pipeline->state) && pipeline->is_up &&
		    pipeline->retry_ms <= now_ms && has_room(pipelines))
			pipeline_handle(pipelines, pipeline, PIPELINE_RETRY_DUE, NULL);
	}
	while ((added = add_next(pipelines, view, &place, &over_limit)) != NULL)
		pipeline_launch(pipelines, added);
	note_over_limit(pipelines, over_limit);
}

void pipelines_end(struct pipelines *pipelines, const char *reason, uint64_t until_ns)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state) && pipelines->list[i]->capture)
			capture_stop(pipelines->list[i]->capture, reason, until_ns);
}

void pipelines_join(void *context)
{
	struct pipelines *pipelines = context;

	if (!pipelines)
		return;
	while (pipelines->count > 0)
		pipeline_remove(pipelines, pipelines->list[pipelines->count - 1]);
	conf_free(pipelines->conf);
	(void)filter_free(pipelines->filter);
	free(pipelines->list);
	free(pipelines);
}
