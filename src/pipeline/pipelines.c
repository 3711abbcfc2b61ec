/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/pipeline_private.h"

/* So many names are in a status line. */
#define NAMES_MAX 8

struct opening {
	bool is_strict;
	int result;
	size_t over_limit;
	struct error *err;
};

static void open_new(struct pipelines *pipelines, const struct link *link, void *context)
{
	struct opening *opening = context;
	struct pipeline *pipeline;
	struct error err;

	if (opening->result < 0)
		return;
	pipeline = pipelines_have_room(pipelines) ? pipeline_add(pipelines, link) : NULL;
	if (!pipeline) {
		opening->over_limit++;
		return;
	}
	if (pipeline_open(pipelines, pipeline, &err) == 0)
		return;
	/* An interface that has gone in the meantime is no reason to refuse a reload. */
	if (pipeline_failure(&err) == PIPELINE_OPEN_REFUSED ||
	    (opening->is_strict && if_nametoindex(link->name) == link->index)) {
		*opening->err = err;
		opening->result = -1;
	} else {
		pipeline_handle(pipelines, pipeline, PIPELINE_OPEN_FAILED, &err);
	}
}

int pipelines_open(const struct conf *conf, const struct interfaces_view *view,
		   const struct capture_context *capture, const struct recorder_context *record,
		   bool is_strict, struct pipelines **ret_pipelines, struct error *err)
{
	struct pipelines *pipelines = mem_calloc(1, sizeof *pipelines);
	struct opening opening = { .is_strict = is_strict, .err = err };

	pipelines->capture_context = *capture;
	pipelines->recorder_context = *record;
	pipelines->list = mem_calloc(PIPELINES_FACTOR * conf->capture_max_interfaces,
				     sizeof *pipelines->list);
	if (pipelines_configure(pipelines, conf, err) < 0) {
		pipelines_join(pipelines);
		return -1;
	}
	pipelines_each_new(pipelines, view, open_new, &opening);
	if (opening.result < 0) {
		pipelines_join(pipelines);
		return -1;
	}
	pipelines_note_over_limit(pipelines, opening.over_limit);
	*ret_pipelines = pipelines;
	return 0;
}

int pipelines_start(struct pipelines *pipelines, enum capture_from from, struct error *err)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state) &&
		    pipeline_start(pipelines->list[i], from, err) < 0)
			return -1;
	return 0;
}

int pipelines_hand_over(struct pipelines **pipelines, struct pipelines *new,
			struct pipelines **ret_old, struct error *err)
{
	struct pipelines *old = *pipelines;
	uint64_t instant_ns;

	if (pipelines_start(new, CAPTURE_FROM_LATER, err) < 0) {
		pipelines_end(new, "reload", 0);
		pipelines_join(new);
		return -1;
	}
	instant_ns = capture_next_instant(clock_real_ns());
	pipelines_end(old, "reload", instant_ns);
	for (size_t i = 0; i < new->count; i++)
		if (pipeline_is_running(new->list[i]->state))
			capture_begin(new->list[i]->capture, instant_ns);
	*ret_old = old;
	*pipelines = new;
	return 0;
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

void pipelines_pause(struct pipelines *pipelines, bool is_paused)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state))
			capture_pause(pipelines->list[i]->capture, is_paused);
}

void pipelines_end_segments(struct pipelines *pipelines, const char *reason)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state))
			capture_end_segment(pipelines->list[i]->capture, reason);
}

void pipelines_end(struct pipelines *pipelines, const char *reason, uint64_t until_ns)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state) && pipelines->list[i]->capture)
			capture_stop(pipelines->list[i]->capture, reason, until_ns);
}

struct pipelines *pipelines_join(struct pipelines *pipelines)
{
	if (!pipelines)
		return NULL;
	while (pipelines->count > 0)
		pipeline_remove(pipelines, pipelines->list[pipelines->count - 1]);
	conf_free(pipelines->conf);
	free(pipelines->list);
	free(pipelines);
	return NULL;
}

void pipelines_describe(const struct pipelines *pipelines, struct text *out)
{
	size_t named = 0;

	for (size_t i = 0; i < pipelines->count; i++) {
		const struct pipeline *pipeline = pipelines->list[i];

		if (!pipeline_is_running(pipeline->state) || ++named > NAMES_MAX)
			continue;
		text_append(out, "%s%s%s", named > 1 ? "," : "", pipeline->name,
			    pipeline->is_up ? "" : " (down)");
	}
	if (named > NAMES_MAX)
		text_append(out, " and %zu more", named - NAMES_MAX);
	else if (named == 0)
		text_append(out, "nothing yet");
}

static bool is_captured(const struct pipelines *pipelines, const char *name)
{
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_running(pipelines->list[i]->state) && pipelines->list[i]->is_up &&
		    strcmp(pipelines->list[i]->name, name) == 0)
			return true;
	return false;
}

void pipelines_each_missing(const struct pipelines *pipelines,
			    void (*visit)(void *context, const char *name), void *context)
{
	const struct interface_words *words = &pipelines->conf->interfaces;

	for (unsigned i = 0; i < words->count; i++)
		if (interfaces_is_name(words, &words->list[i]) &&
		    !is_captured(pipelines, words->list[i].text))
			visit(context, words->list[i].text);
	for (size_t i = 0; i < pipelines->count; i++)
		if (pipeline_is_waiting(pipelines->list[i]->state) &&
		    !interfaces_have(words, pipelines->list[i]->name))
			visit(context, pipelines->list[i]->name);
}

struct naming {
	struct text *out;
	size_t named;
};

static void append_name(void *context, const char *name)
{
	struct naming *naming = context;

	if (++naming->named <= NAMES_MAX)
		text_append(naming->out, "%s%s", naming->named > 1 ? "," : "", name);
}

void pipelines_describe_missing(const struct pipelines *pipelines, struct text *out)
{
	struct naming naming = { .out = out };

	pipelines_each_missing(pipelines, append_name, &naming);
	if (naming.named > NAMES_MAX)
		text_append(out, " and %zu more", naming.named - NAMES_MAX);
}

bool pipelines_are_live(const struct pipelines *pipelines)
{
	bool is_any_open = false;

	for (size_t i = 0; i < pipelines->count; i++) {
		if (!pipeline_is_running(pipelines->list[i]->state))
			continue;
		if (capture_status(pipelines->list[i]->capture).state != CAPTURE_OPEN)
			return false;
		is_any_open |= pipelines->list[i]->is_up;
	}
	return is_any_open;
}

void pipelines_progress(const struct pipelines *pipelines, struct pipelines_progress *ret_progress)
{
	struct pipelines_progress progress = {
		.capture_beat_ms = UINT64_MAX,
		.recorder_beat_ms = UINT64_MAX,
	};

	for (size_t i = 0; i < pipelines->count; i++) {
		const struct pipeline *pipeline = pipelines->list[i];
		uint64_t capture_ms, recorder_ms;

		if (!pipeline_is_running(pipeline->state))
			continue;
		capture_ms = capture_status(pipeline->capture).beat_ms;
		recorder_ms = recorder_last_beat_ms(pipeline->recorder);
		if (capture_ms < progress.capture_beat_ms) {
			progress.capture_beat_ms = capture_ms;
			progress.capture = pipeline->name;
		}
		if (recorder_ms < progress.recorder_beat_ms) {
			progress.recorder_beat_ms = recorder_ms;
			progress.recorder = pipeline->name;
		}
	}
	*ret_progress = progress;
}

int pipelines_check(const struct conf *conf, const struct interfaces_view *view, struct error *err)
{
	const struct codec *codec;
	size_t count, checked = 0;
	const struct link *links = links_list(view->links, &count);
	int level;

	if (codec_choose(conf, &codec, &level, err) < 0)
		return -1;
	if (conf->interfaces.has_any)
		return capture_check(conf, "any", err);
	for (size_t i = 0; i < count && checked < conf->capture_max_interfaces; i++) {
		if (!links[i].is_up ||
		    !interfaces_want(&conf->interfaces, links[i].name, view->auto_name))
			continue;
		if (capture_check(conf, links[i].name, err) < 0 &&
		    pipeline_failure(err) == PIPELINE_OPEN_REFUSED)
			return -1;
		checked++;
	}
	return checked > 0 ? 0 : capture_check(conf, NULL, err);
}
