/* SPDX-License-Identifier: Apache-2.0 */
/* The set follows the links: interfaces come and go, are renamed, and end by themselves. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/pipeline_private.h"

static const struct link any_link = { .name = "any", .is_up = true };

static bool is_wanted(const struct lanes *lanes, const struct interfaces_view *view,
		      const struct link *link)
{
	return interfaces_want(lanes->conf->capture_interface, link->name, view->auto_name);
}

/* Those that end, on a slow disk, take room too. */
static bool is_full(const struct lanes *lanes)
{
	return lanes->count == LANES_FACTOR * lanes->conf->capture_max_interfaces;
}

static struct lane *find_lane(const struct lanes *lanes, unsigned index)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->index == index && lanes->list[i]->state != LANE_ENDING)
			return lanes->list[i];
	return NULL;
}

static size_t count_running(const struct lanes *lanes)
{
	size_t count = 0;

	for (size_t i = 0; i < lanes->count; i++)
		count += lanes->list[i]->state == LANE_RUNNING;
	return count;
}

bool lanes_have_room(const struct lanes *lanes)
{
	return count_running(lanes) < lanes->conf->capture_max_interfaces && !is_full(lanes);
}

/* Visit the links that should have a lane and have none. */
void lanes_each_new(struct lanes *lanes, const struct interfaces_view *view,
		    void (*visit)(struct lanes *lanes, const struct link *link, void *context),
		    void *context)
{
	size_t count;
	const struct link *links = links_list(view->links, &count);

	if (interfaces_have(lanes->conf->capture_interface, "any")) {
		if (!find_lane(lanes, 0))
			visit(lanes, &any_link, context);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (links[i].is_up && is_wanted(lanes, view, &links[i]) &&
		    !find_lane(lanes, links[i].index))
			visit(lanes, &links[i], context);
}

void lanes_tell_left_out(struct lanes *lanes, size_t left_out)
{
	if (left_out > 0 && lanes->left_out == 0)
		log_warning("more interfaces than may be recorded",
			    log_number("recorded", count_running(lanes)),
			    log_number("left_out", left_out));
	else if (left_out == 0 && lanes->left_out > 0)
		log_notice("all interfaces are recorded again",
			   log_number("recorded", count_running(lanes)));
	lanes->left_out = left_out;
	atomic_store(&lanes->capture_context.counters->interfaces_left_out, left_out);
}

/* A name of the configuration: of others it is usual that they come and go. */
static bool is_named(const struct lanes *lanes, const char *name)
{
	return interfaces_have(lanes->conf->capture_interface, name) ||
	       interfaces_have(lanes->conf->capture_interface, "auto");
}

static void tell_gone(const struct lanes *lanes, const struct lane *lane, const char *reason)
{
	if (is_named(lanes, lane->name))
		log_warning("interface went away, waiting for it",
			    log_text("interface", lane->name), log_text("reason", reason));
	else
		log_info("interface went away", log_text("interface", lane->name),
			 log_text("reason", reason));
}

/* No more of it from until_ns on; UINT64_MAX: it is gone. */
static void detach(struct lanes *lanes, size_t place, uint64_t until_ns)
{
	struct lane *lane = lanes->list[place];

	if (lane->state == LANE_WAITING) {
		lane_drop(lanes, place);
		return;
	}
	lane->state = LANE_ENDING;
	capture_stop(lane->capture, "interface", until_ns);
}

/* The same interface by another name: a new lane takes over, and nothing is lost in between. */
static int rename_lane(struct lanes *lanes, struct lane *old, const struct link *link)
{
	struct lane *lane;
	struct error err;
	uint64_t instant_ns;

	if (is_full(lanes))
		return -1;
	lane = lane_add(lanes, link);
	if (lane_make(lanes, lane, &err) < 0 || capture_open(lane->capture, &err) < 0 ||
	    lane_start(lane, CAPTURE_FROM_LATER, &err) < 0) {
		if (lane->capture)
			capture_stop(lane->capture, "interface", 0);
		lane_join(lane);
		lane_drop(lanes, lanes->count - 1);
		return -1;
	}
	instant_ns = capture_next_instant(clock_real_ns());
	capture_stop(old->capture, "interface", instant_ns);
	capture_begin(lane->capture, instant_ns);
	old->state = LANE_ENDING;
	lane->is_open_told = true;
	log_notice("interface has another name", log_text("interface", lane->name),
		   log_text("before", old->name));
	return 0;
}

static void note_up_or_down(struct lanes *lanes, struct lane *lane, bool is_up)
{
	lane->is_up = is_up;
	if (lane->state != LANE_RUNNING) {
		lane->retry_ms = 0; /* it may be another than before */
		return;
	}
	capture_note_link(lane->capture, is_up);
	if (!is_up)
		tell_gone(lanes, lane, "it is down");
	else
		log_notice("interface is back", log_text("interface", lane->name));
}

static void check_lane(struct lanes *lanes, const struct interfaces_view *view, size_t place)
{
	struct lane *lane = lanes->list[place];
	const struct link *link = links_find(view->links, lane->index);

	if (lane->state == LANE_ENDING || lane->index == 0)
		return;
	if (!link) {
		tell_gone(lanes, lane, "it is gone");
		detach(lanes, place, UINT64_MAX);
	} else if (strcmp(link->name, lane->name) != 0) {
		if (lane->state == LANE_RUNNING && link->is_up && is_wanted(lanes, view, link) &&
		    rename_lane(lanes, lane, link) == 0)
			return;
		tell_gone(lanes, lane, "it has another name");
		detach(lanes, place, clock_real_ns());
	} else if (!is_wanted(lanes, view, link)) {
		log_notice("interface is no longer recorded", log_text("interface", lane->name),
			   log_text("reason", "the default route is elsewhere"));
		detach(lanes, place, clock_real_ns());
	} else if (link->is_up != lane->is_up) {
		note_up_or_down(lanes, lane, link->is_up);
	}
}

static void attach_new(struct lanes *lanes, const struct link *link, void *left_out)
{
	if (lanes_have_room(lanes))
		lane_attach(lanes, lane_add(lanes, link));
	else
		++*(size_t *)left_out;
}

void lanes_follow(struct lanes *lanes, const struct interfaces_view *view)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t left_out = 0;

	for (size_t i = lanes->count; i > 0; i--)
		check_lane(lanes, view, i - 1);
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->list[i]->state == LANE_WAITING && lanes->list[i]->is_up &&
		    lanes->list[i]->retry_ms <= now_ms && lanes_have_room(lanes))
			lane_attach(lanes, lanes->list[i]);
	lanes_each_new(lanes, view, attach_new, &left_out);
	lanes_tell_left_out(lanes, left_out);
}

static void tell_open(const struct lanes *lanes, struct lane *lane)
{
	uint64_t ms = capture_opened_ms(lane->capture) - lane->noticed_ms;

	if (is_named(lanes, lane->name))
		log_notice("interface is recorded", log_text("interface", lane->name),
			   log_number("ms", ms));
	else
		log_info("interface is recorded", log_text("interface", lane->name),
			 log_number("ms", ms));
	lane->is_open_told = true;
	lane->is_failure_told = false;
}

/* Both its threads are done: joining them does not wait. */
static void reap(struct lanes *lanes, size_t place)
{
	struct lane *lane = lanes->list[place];
	struct error err;

	if (lane->state == LANE_ENDING) {
		lane_join(lane);
		lane_drop(lanes, place);
	} else if (capture_state(lane->capture) == CAPTURE_REFUSED) {
		err = *capture_failure(lane->capture);
		lane_try_again_later(lane, &err);
	} else { /* by itself, before the kernel told us that its interface is gone */
		error_set(&err, ERROR_TRANSIENT, "the capture ended");
		tell_gone(lanes, lane, err.message);
		lane->is_failure_told = true;
		lane_try_again_later(lane, &err);
		lane->is_failure_told = false;
		lane->noticed_ms = clock_monotonic_ms();
	}
}

void lanes_reap(struct lanes *lanes)
{
	for (size_t i = lanes->count; i > 0; i--) {
		struct lane *lane = lanes->list[i - 1];
		enum capture_state state;

		if (lane->state == LANE_WAITING)
			continue;
		state = capture_state(lane->capture);
		if (state == CAPTURE_OPEN && lane->state == LANE_RUNNING && !lane->is_open_told)
			tell_open(lanes, lane);
		else if ((state == CAPTURE_REFUSED || state == CAPTURE_ENDED) &&
			 recorder_is_finished(lane->recorder))
			reap(lanes, i - 1);
	}
}
