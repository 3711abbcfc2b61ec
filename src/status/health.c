/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include <inttypes.h>
#include <string.h>

/* Fewer packets than this may pass an interface without any reaching us. */
#define SILENCE_PACKETS 50
#define SILENCE_MS_MIN  UINT64_C(15000)
/* The longest time from the ring through the recorder. */
#define SILENCE_MS_LATE UINT64_C(1000)
/* The most interfaces named in a sentence; an existing name has at most 15 bytes. */
#define NAMES_MAX         4

#define say(finding, ...) ((void)snprintf((finding)->why, sizeof(finding)->why, __VA_ARGS__))

static void judge_stage(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	const struct status_stage *stage = &snapshot->stages[finding->rule->stage];
	uint64_t age_ms;

	if (!stage->is_running) {
		say(finding, "not running");
		return;
	}
	age_ms = snapshot->now_ms > stage->beat_ms ? snapshot->now_ms - stage->beat_ms : 0;
	finding->is_failing = age_ms > stage->patience_ms;
	if (finding->is_failing)
		say(finding, "no progress for %" PRIu64 " s (limit %" PRIu64 " s)%s%s",
		    age_ms / CLOCK_MS_PER_S, stage->patience_ms / CLOCK_MS_PER_S,
		    *stage->who ? ": " : "", stage->who);
	else
		say(finding, "making progress");
}

/* That no thread hangs is not that uploads work, which is the destination's rule. */
static void judge_upload(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	judge_stage(snapshot, finding);
	if (!finding->is_failing && snapshot->stages[STATUS_STAGE_UPLOAD].is_running)
		say(finding, "no upload hangs%s",
		    *snapshot->outage ? ", but uploads are failing: see destination" : "");
}

static void judge_phase(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	finding->is_failing = snapshot->phase != STATUS_RECORDING;
	say(finding, "%s", finding->is_failing ? status_phases[snapshot->phase] : "started");
}

static void judge_interfaces(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	struct text why = text_over(finding->why, sizeof finding->why);

	if (snapshot->phase == STATUS_STOPPING) {
		say(finding, "not checked while stopping");
		return;
	}
	finding->is_failing = snapshot->pipelines_live == 0;
	if (snapshot->pipelines == 0)
		text_append(&why, "cannot capture: no interface matches");
	else if (snapshot->pipelines_live == 0)
		text_append(&why, "cannot capture: none of %zu interfaces is up",
			    snapshot->pipelines);
	else
		text_append(&why, "%zu of %zu interfaces are up", snapshot->pipelines_live,
			    snapshot->pipelines);
	/* Interfaces that exist are captured, so a missing one is mentioned without failing the rule. */
	for (size_t i = 0; i < snapshot->missing_count && i < NAMES_MAX; i++)
		text_append(&why, "%s%s", i ? "," : "; waiting for ", snapshot->missing[i]);
	if (snapshot->missing_count > NAMES_MAX)
		text_append(&why, " and %zu more",
			    snapshot->missing_count + snapshot->missing_more - NAMES_MAX);
	if (snapshot->left_out > 0)
		text_append(&why, "; %" PRIu64 " more not recorded (limit: %s)", snapshot->left_out,
			    snapshot->left_out_limit);
}

/*
 * The system counted packets on an interface, and none of them reached us. The system counts immediately, we
 * count when the chunk is written, so only the part of the system's count that is older than that is compared.
 */
static void judge_traffic(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	uint64_t late_ms = snapshot->conf->capture_flush_interval * CLOCK_MS_PER_S +
			   SILENCE_MS_LATE;
	uint64_t window_ms = 2 * (late_ms + SERIES_MINUTES_STEP_MS);

	if (*snapshot->conf->capture_filter) {
		say(finding, "not checked: with a filter, hours may pass without a match");
		return;
	}
	if (window_ms < SILENCE_MS_MIN)
		window_ms = SILENCE_MS_MIN;
	say(finding, "packets on the interfaces are captured");
	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && *snapshot->series->interfaces[i].name;
	     i++) {
		const struct series *series = &snapshot->series->interfaces[i];
		struct series_sample all, late;

		if (!series_since(series, window_ms, &all) ||
		    all.ms + SERIES_MINUTES_STEP_MS < window_ms ||
		    !series_since(series, late_ms + SERIES_MINUTES_STEP_MS, &late) ||
		    late.ms < late_ms || all.seen > 0 || all.system < late.system + SILENCE_PACKETS)
			continue;
		finding->is_failing = true;
		say(finding,
		    "%s counted %" PRIu64 " packets in %" PRIu64
		    " s, but none was captured then or in the following %" PRIu64 " s",
		    series->name, all.system - late.system, (all.ms - late.ms) / CLOCK_MS_PER_S,
		    late.ms / CLOCK_MS_PER_S);
	}
}

static void judge_loss(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	uint64_t limit = snapshot->conf->status_max_loss;
	struct series_sample last = series_last_minute(snapshot);

	finding->is_failing = limit < 100 && last.drops * 100 > last.sent * limit;
	say(finding,
	    "%" PRIu64 " of %" PRIu64
	    " packets of the last minute were dropped (%.3g %%; limit %" PRIu64 " %%)",
	    last.drops, last.sent, snapshot_loss_percent(&last), limit);
}

static void judge_destination(const struct status_snapshot *snapshot,
			      struct health_finding *finding)
{
	finding->is_failing = snapshot->is_outage_lasting;
	say(finding, "%s",
	    *snapshot->outage ? snapshot->outage
			      : "no upload or probe has failed since one succeeded");
}

static void judge_waiting(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	uint64_t limit_s = snapshot->conf->status_max_wait, age_s;
	char delayed[64] = "";

	if (snapshot->spool.delayed > 0)
		(void)snprintf(delayed, sizeof delayed, "; %" PRIu64 " delayed by upload.spread",
			       snapshot->spool.delayed);
	if (snapshot->spool.oldest_ns == 0) {
		say(finding, "no segment is waiting%s", delayed);
		return;
	}
	age_s = snapshot_waiting_ms(snapshot) / CLOCK_MS_PER_S;
	finding->is_failing = limit_s > 0 && age_s > limit_s;
	say(finding,
	    "the oldest of %" PRIu64 " waiting segments began %" PRIu64 " s ago (limit %" PRIu64
	    " s%s)%s%s",
	    snapshot->spool.ready + snapshot->spool.sending - snapshot->spool.delayed, age_s,
	    limit_s, limit_s ? "" : ": none", delayed,
	    snapshot->spool.kept_back > 0 ? "; some are kept back for another kind of destination: "
					    "kube-node-tracer flush sends them"
					  : "");
}

static void judge_spool(const struct status_snapshot *snapshot, struct health_finding *finding)
{
	struct series_sample last = series_last_minute(snapshot);
	uint64_t percent = (uint64_t)(100 * snapshot->spool.use);

	finding->is_failing = snapshot->is_spool_full || last.reasons.count[DROP_BUDGET] > 0;
	if (snapshot->is_spool_full && *snapshot->spool.full_interface)
		say(finding,
		    "full for %s, which has spool.max_segments files: it is not recorded until there "
		    "is room",
		    snapshot->spool.full_interface);
	else if (snapshot->is_spool_full)
		say(finding, "full: nothing can be recorded until there is room");
	else if (finding->is_failing)
		say(finding,
		    "full: %" PRIu64 " packets were deleted or dropped in the last minute, before "
		    "they were uploaded",
		    last.reasons.count[DROP_BUDGET]);
	else
		say(finding, "%" PRIu64 " %% full%s", percent,
		    *snapshot->outage ? ", and filling while uploads are failing" : "");
}

static const struct health_rule health_rules[HEALTH_RULES] = {
	{ "destination", false, "the destination refuses uploads, or has not worked for a minute",
	  judge_destination },
	{ "capture", true, "a capture thread is stuck", judge_stage, STATUS_STAGE_CAPTURE },
	{ "record", true, "a recorder is stuck while packet memory runs low", judge_stage,
	  STATUS_STAGE_RECORD },
	{ "started", false, "the program is starting or stopping", judge_phase },
	{ "interfaces", false, "nothing can be captured: no selected interface is up",
	  judge_interfaces },
	{ "traffic", false, "an interface counts packets, but none is captured", judge_traffic },
	{ "spool", false,
	  "the spool is full: packets are dropped, or deleted before they are uploaded",
	  judge_spool },
	{ "loss", false, "more packets were dropped than status.max_loss allows", judge_loss },
	/* Not liveness: network timeouts end what a restart would, and a restart is a gap in the recording. */
	{ "upload", false, "an upload is stuck: its thread or the destination file system hangs",
	  judge_upload, STATUS_STAGE_UPLOAD },
	{ "waiting", false, "a segment has been waiting longer than status.max_wait allows",
	  judge_waiting },
};

struct health health_judge(const struct status_snapshot *snapshot)
{
	struct health health = { .is_live = true, .is_ready = true };

	for (size_t i = 0; i < HEALTH_RULES; i++) {
		struct health_finding *finding = &health.findings[i];

		finding->rule = &health_rules[i];
		finding->rule->judge(snapshot, finding);
		if (finding->is_failing && finding->rule->is_liveness)
			health.is_live = false;
		else if (finding->is_failing)
			health.is_ready = false;
	}
	return health;
}
