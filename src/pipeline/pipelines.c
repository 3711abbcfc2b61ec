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
	size_t left_out;
	struct error *err;
};

static void open_new(struct lanes *lanes, const struct link *link, void *context)
{
	struct opening *opening = context;
	struct lane *lane;
	struct error err;

	if (opening->result < 0)
		return;
	if (!lanes_have_room(lanes)) {
		opening->left_out++;
		return;
	}
	lane = lane_add(lanes, link);
	if (lane_make(lanes, lane, &err) == 0 && capture_open(lane->capture, &err) == 0) {
		lane->is_open_told = true; /* by what follows */
		return;
	}
	/* One that has gone in the meantime is no reason to refuse a reload. */
	if (lane_is_refused(&err) ||
	    (opening->is_strict && if_nametoindex(link->name) == link->index)) {
		*opening->err = err;
		opening->result = -1;
	} else {
		lane_try_again_later(lane, &err);
	}
}

int lanes_open(const struct conf *conf, const struct interfaces_view *view,
	       const struct capture_context *capture, const struct recorder_context *record,
	       bool is_strict, struct lanes **ret_lanes, struct error *err)
{
	struct lanes *lanes = mem_calloc(1, sizeof *lanes);
	struct opening opening = { .is_strict = is_strict, .err = err };

	lanes->capture_context = *capture;
	lanes->recorder_context = *record;
	lanes->list = mem_calloc(LANES_FACTOR * conf->capture_max_interfaces, sizeof *lanes->list);
	if (lanes_configure(lanes, conf, err) < 0) {
		lanes_join(lanes);
		return -1;
	}
	lanes_each_new(lanes, view, open_new, &opening);
	if (opening.result < 0) {
		lanes_join(lanes);
		return -1;
	}
	lanes_tell_left_out(lanes, opening.left_out);
	*ret_lanes = lanes;
	return 0;
}

static int start(struct lanes *lanes, enum capture_from from, struct error *err)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_RUNNING &&
		    lane_start(lanes->list[i], from, err) < 0)
			return -1;
	return 0;
}

int lanes_start(struct lanes *lanes, struct error *err)
{
	return start(lanes, CAPTURE_FROM_START, err);
}

int lanes_hand_over(struct lanes **lanes, struct lanes *new, struct lanes **ret_old,
		    struct error *err)
{
	struct lanes *old = *lanes;
	uint64_t instant_ns;

	if (start(new, CAPTURE_FROM_LATER, err) < 0) {
		lanes_end(new, "reload", 0);
		lanes_join(new);
		return -1;
	}
	instant_ns = capture_next_instant(clock_real_ns());
	lanes_end(old, "reload", instant_ns);
	for (size_t i = 0; i < new->count; i++)
		if (new->list[i]->state == LANE_RUNNING)
			capture_begin(new->list[i]->capture, instant_ns);
	*ret_old = old;
	*lanes = new;
	return 0;
}

int lanes_configure(struct lanes *lanes, const struct conf *conf, struct error *err)
{
	const struct conf *old = lanes->conf;

	if (codec_choose(conf, &lanes->codec, &lanes->level, err) < 0)
		return -1;
	lanes->conf = conf_ref(conf);
	conf_free(old);
	for (size_t i = 0; i < lanes->count; i++) {
		if (lanes->list[i]->state == LANE_WAITING)
			continue;
		capture_set_limits(lanes->list[i]->capture, conf);
		recorder_set_codec(lanes->list[i]->recorder, lanes->codec, lanes->level);
	}
	return 0;
}

void lanes_pause(struct lanes *lanes, bool is_paused)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_RUNNING)
			capture_pause(lanes->list[i]->capture, is_paused);
}

void lanes_end_segments(struct lanes *lanes, const char *reason)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_RUNNING)
			capture_end_segment(lanes->list[i]->capture, reason);
}

void lanes_end(struct lanes *lanes, const char *reason, uint64_t until_ns)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_RUNNING && lanes->list[i]->capture)
			capture_stop(lanes->list[i]->capture, reason, until_ns);
}

struct lanes *lanes_join(struct lanes *lanes)
{
	if (!lanes)
		return NULL;
	while (lanes->count > 0) {
		lane_join(lanes->list[lanes->count - 1]);
		lane_drop(lanes, lanes->count - 1);
	}
	conf_free(lanes->conf);
	free(lanes->list);
	free(lanes);
	return NULL;
}

void lanes_describe(const struct lanes *lanes, struct text *out)
{
	size_t told = 0;

	for (size_t i = 0; i < lanes->count; i++) {
		const struct lane *lane = lanes->list[i];

		if (lane->state != LANE_RUNNING || ++told > NAMES_MAX)
			continue;
		text_append(out, "%s%s%s", told > 1 ? "," : "", lane->name,
			    lane->is_up ? "" : " (down)");
	}
	if (told > NAMES_MAX)
		text_append(out, " and %zu more", told - NAMES_MAX);
	else if (told == 0)
		text_append(out, "nothing yet");
}

struct awaiting {
	const struct lanes *lanes;
	void (*visit)(void *context, const char *name);
	void *context;
};

static void visit_awaited(void *context, const char *name)
{
	const struct awaiting *awaiting = context;
	const struct lanes *lanes = awaiting->lanes;

	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_RUNNING && lanes->list[i]->is_up &&
		    strcmp(lanes->list[i]->name, name) == 0)
			return;
	awaiting->visit(awaiting->context, name);
}

void lanes_each_awaited(const struct lanes *lanes, void (*visit)(void *context, const char *name),
			void *context)
{
	struct awaiting awaiting = { lanes, visit, context };

	interfaces_each_name(lanes->conf->capture_interface, visit_awaited, &awaiting);
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_WAITING &&
		    !interfaces_have(lanes->conf->capture_interface, lanes->list[i]->name))
			visit(context, lanes->list[i]->name);
}

struct naming {
	struct text *out;
	size_t told;
};

static void append_name(void *context, const char *name)
{
	struct naming *naming = context;

	if (++naming->told <= NAMES_MAX)
		text_append(naming->out, "%s%s", naming->told > 1 ? "," : "", name);
}

void lanes_describe_awaited(const struct lanes *lanes, struct text *out)
{
	struct naming naming = { .out = out };

	lanes_each_awaited(lanes, append_name, &naming);
	if (naming.told > NAMES_MAX)
		text_append(out, " and %zu more", naming.told - NAMES_MAX);
}

bool lanes_are_live(const struct lanes *lanes)
{
	bool is_any_open = false;

	for (size_t i = 0; i < lanes->count; i++) {
		if (lanes->list[i]->state != LANE_RUNNING)
			continue;
		if (capture_state(lanes->list[i]->capture) != CAPTURE_OPEN)
			return false;
		is_any_open |= lanes->list[i]->is_up;
	}
	return is_any_open;
}

void lanes_progress(const struct lanes *lanes, struct lanes_progress *ret_progress)
{
	struct lanes_progress progress = {
		.capture_beat_ms = UINT64_MAX,
		.recorder_beat_ms = UINT64_MAX,
	};

	for (size_t i = 0; i < lanes->count; i++) {
		const struct lane *lane = lanes->list[i];
		uint64_t capture_ms, recorder_ms;

		if (lane->state != LANE_RUNNING)
			continue;
		capture_ms = capture_last_beat_ms(lane->capture);
		recorder_ms = recorder_last_beat_ms(lane->recorder);
		if (capture_ms < progress.capture_beat_ms) {
			progress.capture_beat_ms = capture_ms;
			progress.capture = lane->name;
		}
		if (recorder_ms < progress.recorder_beat_ms) {
			progress.recorder_beat_ms = recorder_ms;
			progress.recorder = lane->name;
		}
	}
	*ret_progress = progress;
}

int lanes_check(const struct conf *conf, const struct interfaces_view *view, struct error *err)
{
	const struct codec *codec;
	size_t count, checked = 0;
	const struct link *links = links_list(view->links, &count);
	int level;

	if (codec_choose(conf, &codec, &level, err) < 0)
		return -1;
	if (interfaces_have(conf->capture_interface, "any"))
		return capture_check(conf, "any", err);
	for (size_t i = 0; i < count && checked < conf->capture_max_interfaces; i++) {
		if (!links[i].is_up ||
		    !interfaces_want(conf->capture_interface, links[i].name, view->auto_name))
			continue;
		if (capture_check(conf, links[i].name, err) < 0 && lane_is_refused(err))
			return -1;
		checked++;
	}
	return checked > 0 ? 0 : capture_check_none(conf, err);
}
