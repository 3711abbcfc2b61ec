/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_lanes.h"

#include <time.h>

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
	lanes_stop(lanes, "stop", 0);
	return -1;
}

int lanes_start(struct lanes *lanes, uint64_t from_ns, struct error *err)
{
	for (size_t i = 0; i < lanes->count; i++) {
		struct lane *lane = &lanes->lane[i];

		if (recorder_start(lane->recorder, err) < 0 ||
		    capture_start(lane->capture, recorder_queue(lane->recorder), from_ns, err) < 0)
			return -1;
	}
	return 0;
}

static void share_time(const struct lanes *lanes, bool is_shared)
{
	for (size_t i = 0; i < lanes->count; i++)
		capture_share_time(lanes->lane[i].capture, is_shared);
}

int lanes_hand_over(struct lanes **lanes, struct lanes *new, struct error *err)
{
	struct timespec delay = { .tv_nsec = CAPTURE_SHARE_TIME_MS * CLOCK_NS_PER_MS };
	uint64_t now_ns;

	/* Both are capturing already; they have to agree on which packet came before that instant. */
	share_time(new, true);
	(void)nanosleep(&delay, NULL);
	now_ns = clock_real_ns();
	if (lanes_start(new, now_ns, err) < 0) {
		lanes_stop(new, "reload", 0);
		return -1;
	}
	lanes_stop(*lanes, "reload", now_ns);
	share_time(new, false);
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

void lanes_end_segments(struct lanes *lanes, const char *reason)
{
	for (size_t i = 0; i < lanes->count; i++)
		capture_end_segment(lanes->lane[i].capture, reason);
}

struct lanes *lanes_stop(struct lanes *lanes, const char *reason, uint64_t until_ns)
{
	if (!lanes)
		return NULL;
	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->lane[i].capture)
			capture_stop(lanes->lane[i].capture, reason, until_ns);
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

bool lanes_beat_since(const struct lanes *lanes, uint64_t since_ms)
{
	for (size_t i = 0; i < lanes->count; i++)
		if (capture_last_beat_ms(lanes->lane[i].capture) < since_ms ||
		    recorder_last_beat_ms(lanes->lane[i].recorder) < since_ms)
			return false;
	return true;
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
