/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_lanes.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/interfaces.h"

struct lane {
	struct capture *capture;
	struct recorder *recorder;
};

struct lanes {
	struct lane lane[INTERFACES_MAX];
	size_t count;
};

int lanes_open(const struct conf *conf, const struct capture_context *capture,
	       const struct recorder_context *record, struct lanes **ret_lanes, struct error *err)
{
	struct lanes *lanes = mem_calloc(1, sizeof *lanes);
	struct interfaces interfaces;

	if (interfaces_resolve(conf, &interfaces, err) < 0)
		goto failed;
	for (size_t i = 0; i < interfaces.count; i++) {
		struct lane *lane = &lanes->lane[lanes->count++];

		lane->recorder = recorder_new(record, interfaces.names[i]);
		if (capture_open(capture, conf, interfaces.names[i], &lane->capture, err) < 0)
			goto failed;
	}
	if (lanes_configure(lanes, conf, err) < 0)
		goto failed;
	*ret_lanes = lanes;
	return 0;
failed:
	lanes_join(lanes);
	return -1;
}

static int start(struct lanes *lanes, enum capture_from from, struct error *err)
{
	for (size_t i = 0; i < lanes->count; i++) {
		struct lane *lane = &lanes->lane[i];

		if (recorder_start(lane->recorder, err) < 0 ||
		    capture_start(lane->capture, recorder_queue(lane->recorder), from, err) < 0)
			return -1;
	}
	return 0;
}

int lanes_start(struct lanes *lanes, struct error *err)
{
	return start(lanes, CAPTURE_FROM_START, err);
}

/*
 * Both sets are running, the new one discarding, when an instant a little ahead is chosen; the old set
 * learns it first, so that there is no time at which both record.
 */
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
	instant_ns = clock_real_ns() + CAPTURE_AGREE_MS * CLOCK_NS_PER_MS;
	lanes_end(old, "reload", instant_ns);
	for (size_t i = 0; i < new->count; i++)
		capture_begin(new->lane[i].capture, instant_ns);
	*ret_old = old;
	*lanes = new;
	return 0;
}

int lanes_configure(struct lanes *lanes, const struct conf *conf, struct error *err)
{
	const struct codec *codec;
	int level;

	if (codec_choose(conf, &codec, &level, err) < 0)
		return -1;
	for (size_t i = 0; i < lanes->count; i++) {
		capture_set_limits(lanes->lane[i].capture, conf);
		recorder_set_codec(lanes->lane[i].recorder, codec, level);
	}
	return 0;
}

void lanes_pause(struct lanes *lanes, bool is_paused)
{
	for (size_t i = 0; i < lanes->count; i++)
		capture_pause(lanes->lane[i].capture, is_paused);
}

void lanes_end_segments(struct lanes *lanes, const char *reason)
{
	for (size_t i = 0; i < lanes->count; i++)
		capture_end_segment(lanes->lane[i].capture, reason);
}

void lanes_end(struct lanes *lanes, const char *reason, uint64_t until_ns)
{
	for (size_t i = 0; i < lanes->count; i++)
		capture_stop(lanes->lane[i].capture, reason, until_ns);
}

struct lanes *lanes_join(struct lanes *lanes)
{
	if (!lanes)
		return NULL;
	for (size_t i = 0; i < lanes->count; i++) {
		struct lane *lane = &lanes->lane[i];

		if (lane->capture)
			capture_join(lane->capture);
		/* Closed by the capture, unless that never ran. */
		queue_close(recorder_queue(lane->recorder));
		recorder_join(lane->recorder);
		capture_close(lane->capture);
		recorder_free(lane->recorder);
	}
	free(lanes);
	return NULL;
}

void lanes_describe(const struct lanes *lanes, struct text *out)
{
	for (size_t i = 0; i < lanes->count; i++)
		text_append(out, "%s%s%s", i ? "," : "", capture_interface(lanes->lane[i].capture),
			    capture_is_live(lanes->lane[i].capture) ? "" : " (away)");
}

bool lanes_are_live(const struct lanes *lanes)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (!capture_is_live(lanes->lane[i].capture))
			return false;
	return true;
}

void lanes_progress(const struct lanes *lanes, struct lanes_progress *ret_progress)
{
	struct lanes_progress progress = {
		.capture_beat_ms = UINT64_MAX,
		.recorder_beat_ms = UINT64_MAX,
	};

	for (size_t i = 0; i < lanes->count; i++) {
		const struct lane *lane = &lanes->lane[i];
		uint64_t capture_ms = capture_last_beat_ms(lane->capture),
			 recorder_ms = recorder_last_beat_ms(lane->recorder);

		if (capture_ms < progress.capture_beat_ms) {
			progress.capture_beat_ms = capture_ms;
			progress.capture = capture_interface(lane->capture);
		}
		if (recorder_ms < progress.recorder_beat_ms) {
			progress.recorder_beat_ms = recorder_ms;
			progress.recorder = capture_interface(lane->capture);
		}
	}
	*ret_progress = progress;
}

int lanes_check(const struct conf *conf, struct error *err)
{
	struct interfaces interfaces;
	const struct codec *codec;
	int level;

	if (codec_choose(conf, &codec, &level, err) < 0 ||
	    interfaces_resolve(conf, &interfaces, err) < 0)
		return -1;
	for (size_t i = 0; i < interfaces.count; i++)
		if (capture_check(conf, interfaces.names[i], err) < 0)
			return -1;
	return 0;
}
