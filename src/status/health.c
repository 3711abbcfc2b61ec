/* SPDX-License-Identifier: Apache-2.0 */
#include "status/health.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define LOSS_WINDOW_MS UINT64_C(60000)
/* So many packets, at least, have to have passed by before it is odd that we saw none. */
#define SILENCE_PACKETS 50
#define SILENCE_MS_MIN  UINT64_C(15000)
/* Out of the ring and through the recorder, in the worst of cases. */
#define SILENCE_MS_LATE UINT64_C(1000)
/* So many interfaces are named in a sentence; a name is 15 bytes long at most where one exists. */
#define NAMES_MAX 4

enum stage {
	STAGE_CAPTURE,
	STAGE_RECORD,
	STAGE_UPLOAD
};

#define say(finding, ...) ((void)snprintf((finding)->why, sizeof(finding)->why, __VA_ARGS__))

static void judge_stage(const struct status_snapshot *facts, enum stage which,
			struct health_finding *finding)
{
	const struct status_stage *stage = &facts->stages[which];
	uint64_t age_ms;

	if (!stage->name) {
		say(finding, "not running now");
		return;
	}
	age_ms = facts->now_ms > stage->beat_ms ? facts->now_ms - stage->beat_ms : 0;
	finding->is_failing = age_ms > stage->patience_ms;
	if (finding->is_failing)
		say(finding, "no progress for %" PRIu64 " s, allowed are %" PRIu64 " s%s%s",
		    age_ms / CLOCK_MS_PER_S, stage->patience_ms / CLOCK_MS_PER_S,
		    *stage->who ? ": " : "", stage->who);
	else
		say(finding, "makes progress");
}

static void judge_capture(const struct status_snapshot *facts, struct health_finding *finding)
{
	judge_stage(facts, STAGE_CAPTURE, finding);
}

static void judge_record(const struct status_snapshot *facts, struct health_finding *finding)
{
	judge_stage(facts, STAGE_RECORD, finding);
}

static void judge_upload(const struct status_snapshot *facts, struct health_finding *finding)
{
	judge_stage(facts, STAGE_UPLOAD, finding);
}

static void judge_phase(const struct status_snapshot *facts, struct health_finding *finding)
{
	static const char *const words[] = {
		[STATUS_STARTING] = "still starting",
		[STATUS_RECORDING] = "started",
		[STATUS_STOPPING] = "stopping",
	};

	finding->is_failing = facts->phase != STATUS_RECORDING;
	say(finding, "%s", words[facts->phase]);
}

/* What is there is captured: one that is missing beside it fails nothing, but is said. */
static void append_awaited(const struct status_snapshot *facts, struct text *why)
{
	for (size_t i = 0; i < facts->awaited_count && i < NAMES_MAX; i++)
		text_append(why, "%s%s", i ? "," : "; waiting for ", facts->awaited[i]);
	if (facts->awaited_count > NAMES_MAX)
		text_append(why, " and %zu more", facts->awaited_count - NAMES_MAX);
	if (facts->left_out > 0)
		text_append(why,
			    "; %" PRIu64
			    " more are not recorded, capture.max_interfaces is %" PRIu64,
			    facts->left_out, facts->conf->capture_max_interfaces);
}

static void judge_interfaces(const struct status_snapshot *facts, struct health_finding *finding)
{
	struct text why = text_over(finding->why, sizeof finding->why);

	if (facts->phase == STATUS_STOPPING) {
		say(finding, "not judged while stopping");
		return;
	}
	finding->is_failing = facts->pipelines_live == 0;
	if (facts->pipelines == 0)
		text_append(&why, "no packet can be captured: no interface matches");
	else if (facts->pipelines_live == 0)
		text_append(&why,
			    "no packet can be captured: none of %zu interfaces is there and up",
			    facts->pipelines);
	else
		text_append(&why, "%zu of %zu interfaces are there and up", facts->pipelines_live,
			    facts->pipelines);
	append_awaited(facts, &why);
}

/*
 * Packets passed the interface, as the system counts them, and not one of them has reached us. The system
 * counts at once, we count when the chunk is written: of the system's count, only what is older than that
 * is compared.
 */
static void judge_traffic(const struct status_snapshot *facts, struct health_finding *finding)
{
	uint64_t late_ms = facts->conf->capture_flush_interval * CLOCK_MS_PER_S + SILENCE_MS_LATE;
	uint64_t window_ms = 2 * (late_ms + TREND_STEP_MS);

	if (*facts->conf->capture_filter) {
		say(finding, "not judged: with a filter, none need match for hours");
		return;
	}
	if (window_ms < SILENCE_MS_MIN)
		window_ms = SILENCE_MS_MIN;
	say(finding, "what the interfaces count reaches us");
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && facts->trend->interfaces[i]; i++) {
		const struct trend_series *series = facts->trend->interfaces[i];
		struct trend_sample all, late;

		if (!trend_since(series, window_ms, &all) || all.ms + TREND_STEP_MS < window_ms ||
		    !trend_since(series, late_ms + TREND_STEP_MS, &late) || late.ms < late_ms ||
		    all.seen > 0 || all.system < late.system + SILENCE_PACKETS)
			continue;
		finding->is_failing = true;
		say(finding,
		    "%s counted %" PRIu64 " packets in %" PRIu64
		    " s, and none of them was captured, nor in the %" PRIu64 " s after that",
		    series->name, all.system - late.system, (all.ms - late.ms) / CLOCK_MS_PER_S,
		    late.ms / CLOCK_MS_PER_S);
	}
}

static void judge_loss(const struct status_snapshot *facts, struct health_finding *finding)
{
	uint64_t limit = facts->conf->status_max_loss;
	struct trend_sample last;

	if (!trend_since(&facts->trend->all, LOSS_WINDOW_MS, &last)) {
		say(finding, "not judged yet");
		return;
	}
	finding->is_failing = limit < 100 && last.drops * 100 > last.sent * limit;
	say(finding,
	    "%" PRIu64 " of %" PRIu64 " packets of the last %" PRIu64
	    " s were dropped, allowed are %" PRIu64 " %%",
	    last.drops, last.sent, last.ms / CLOCK_MS_PER_S, limit);
}

static void judge_waiting(const struct status_snapshot *facts, struct health_finding *finding)
{
	uint64_t limit_s = facts->conf->status_max_wait, age_s;

	if (facts->spool.oldest_ns == 0) {
		say(finding, "no segment waits");
		return;
	}
	age_s = facts->real_ns > facts->spool.oldest_ns
			? (facts->real_ns - facts->spool.oldest_ns) / CLOCK_NS_PER_S
			: 0;
	finding->is_failing = limit_s > 0 && age_s > limit_s;
	say(finding,
	    "the oldest of %" PRIu64 " segments that wait began %" PRIu64
	    " s ago, allowed are %" PRIu64 " s%s",
	    facts->spool.ready + facts->spool.sending, age_s, limit_s,
	    limit_s ? "" : " (0: no limit)");
}

static void judge_spool(const struct status_snapshot *facts, struct health_finding *finding)
{
	finding->is_failing = facts->is_spool_full;
	say(finding, "%s",
	    facts->is_spool_full ? "the file system of the spool is full, nothing can be recorded"
				 : "there is room in the spool");
}

const struct health_rule health_rules[HEALTH_RULES] = {
	{ "capture", true, "a capture thread makes no progress", judge_capture },
	{ "record", true, "a recorder makes no progress while memory runs low", judge_record },
	{ "started", false, "the start is not over, or a stop has begun", judge_phase },
	{ "interfaces", false, "no packet can be captured: all interfaces are away or down",
	  judge_interfaces },
	{ "traffic", false, "an interface counts packets, and none of them reaches us",
	  judge_traffic },
	{ "spool", false, "the file system of the spool is full: packets are dropped",
	  judge_spool },
	{ "loss", false, "more packets were dropped than status.max_loss allows", judge_loss },
	/* Not liveness: the network's time-outs end what a restart could, and a restart is a gap in the record. */
	{ "upload", false,
	  "an upload makes no progress: its thread or the file system it writes to hangs",
	  judge_upload },
	{ "waiting", false, "a segment waits for longer than status.max_wait allows",
	  judge_waiting },
};

bool health_judge(const struct status_snapshot *facts, bool is_liveness,
		  struct health_finding findings[HEALTH_RULES])
{
	bool is_well = true;

	for (size_t i = 0; i < HEALTH_RULES; i++) {
		findings[i] = (struct health_finding){ 0 };
		health_rules[i].judge(facts, &findings[i]);
		if (health_rules[i].is_liveness == is_liveness && findings[i].is_failing)
			is_well = false;
	}
	return is_well;
}

void health_write(FILE *out, bool is_liveness, const struct health_finding findings[HEALTH_RULES])
{
	bool is_well = true, is_first = true;

	for (size_t i = 0; i < HEALTH_RULES; i++)
		if (health_rules[i].is_liveness == is_liveness)
			is_well &= !findings[i].is_failing;
	(void)fprintf(out, "{\"status\":\"%s\",\"rules\":[", is_well ? "ok" : "failing");
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		char bytes[2 * sizeof findings->why];
		struct text why = text_over(bytes, sizeof bytes);

		if (health_rules[i].is_liveness != is_liveness)
			continue;
		text_append_json(&why, findings[i].why);
		(void)fprintf(out, "%s{\"rule\":\"%s\",\"ok\":%s,\"why\":%s}", is_first ? "" : ",",
			      health_rules[i].name, findings[i].is_failing ? "false" : "true",
			      bytes);
		is_first = false;
	}
	(void)fprintf(out, "]}\n");
}
