/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipelines are at, for people and for the watchdog. */
#include <string.h>

#include "pipeline/pipeline_private.h"

/* So many names are in a status line. */
#define NAMES_MAX 8

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

	(void)pipelines_limit(pipelines->conf, &progress.limit);
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
