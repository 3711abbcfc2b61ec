/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because both forms of the report, for people and for machines, are in one place. */
#include "status/status_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "status/health.h"

/* "Now" is this long, forecasts go by all that is remembered. */
#define RATE_WINDOW_MS UINT64_C(10000)
#define ALL_WINDOW_MS  UINT64_MAX / 2
/* What was measured for less says nothing of a month. */
#define MONTH_MS_MIN    UINT64_C(60000)
#define SECONDS_A_MONTH (30.0 * 86400)
#define SECONDS_AN_HOUR 3600.0

static const char *const phase_words[] = {
	[STATUS_STARTING] = "starting",
	[STATUS_RECORDING] = "recording",
	[STATUS_STOPPING] = "stopping, uploading what waits",
};

/* What follows from the last minutes; rates are per second. */
struct forecast {
	double packed_bytes, segments;
	uint64_t ms;  /* so long they were measured */
	double hours; /* until the spool is full, if nothing is uploaded; below 0: no telling */
};

static double per_second(uint64_t amount, uint64_t ms)
{
	return ms > 0 ? (double)amount * CLOCK_MS_PER_S / (double)ms : 0;
}

/* By size or by age, whichever is sooner. */
static double segments_per_second(const struct conf *conf, const struct trend_series *series)
{
	double by_age = conf->segment_age > 0 ? 1.0 / (double)conf->segment_age : 0, by_size;
	struct trend_sample all;

	if (!trend_since(series, ALL_WINDOW_MS, &all) || (all.bytes == 0 && !conf->segment_empty))
		return 0;
	by_size = per_second(all.bytes, all.ms) / (double)conf->segment_size;
	return by_size > by_age ? by_size : by_age;
}

static struct forecast make_forecast(const struct status_snapshot *facts)
{
	const struct conf *conf = facts->conf;
	struct forecast forecast = { .hours = -1 };
	double bytes = (double)facts->spool.room_bytes, seconds,
	       segments = (double)facts->spool.room_inodes / BUDGET_FILES_PER_SEGMENT, left = 0;
	uint64_t count = facts->spool.ready + facts->spool.sending + facts->spool.rejected;
	struct trend_sample all;

	for (size_t i = 0; i < COUNTERS_INTERFACES_MAX + 1 && facts->trend->interfaces[i]; i++)
		forecast.segments += segments_per_second(conf, facts->trend->interfaces[i]);
	if (!trend_since(&facts->trend->all, ALL_WINDOW_MS, &all))
		return forecast;
	forecast.ms = all.ms;
	if (all.packed == 0 || forecast.segments <= 0)
		return forecast;
	forecast.packed_bytes = per_second(all.packed, all.ms);
	if (conf->spool_max_size > 0) {
		double budget = conf->spool_max_size > facts->spool.bytes
					? (double)(conf->spool_max_size - facts->spool.bytes)
					: 0;

		bytes = budget < bytes ? budget : bytes;
	}
	seconds = bytes / forecast.packed_bytes;
	if (conf->spool_max_segments > count)
		left = (double)(conf->spool_max_segments - count);
	segments = (left < segments ? left : segments) / forecast.segments;
	forecast.hours = (segments < seconds ? segments : seconds) / SECONDS_AN_HOUR;
	return forecast;
}

/* For people ------------------------------------------------------------------------------------- */

static const char *say_seconds(uint64_t seconds, char out[32])
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = { { 172800, "days" }, { 7200, "h" }, { 120, "min" }, { 0, "s" } };
	static const uint64_t lengths[] = { 86400, 3600, 60, 1 };
	size_t i = 0;

	while (seconds < units[i].seconds)
		i++;
	(void)snprintf(out, 32, "%" PRIu64 " %s", seconds / lengths[i], units[i].unit);
	return out;
}

static uint64_t clamp(double value)
{
	return value < 1e18 ? (uint64_t)value : UINT64_MAX;
}

static const char *say_bytes(double bytes, char out[TEXT_SIZE_MAX])
{
	text_format_size(clamp(bytes), out);
	return out;
}

struct listing {
	FILE *out;
	const struct status_snapshot *facts;
	bool is_first;
};

static const char *say_state(const struct status_snapshot *facts,
			     const struct interface_counters *interface)
{
	if (interface->users == 0 && facts_is_awaited(facts, interface->name))
		return " (waiting)";
	return atomic_load(&interface->is_live) ? "" : " (away)";
}

static void write_row(void *context, const struct interface_counters *interface)
{
	struct drops drops = counters_drops(interface->drops);
	struct listing *listing = context;
	const struct trend_series *series = trend_of(listing->facts->trend, interface->name);
	char size[TEXT_SIZE_MAX], rate[32] = "-", per[TEXT_SIZE_MAX + 4] = "-", name[80];
	struct trend_sample now;

	(void)snprintf(name, sizeof name, "%s%s", interface->name,
		       say_state(listing->facts, interface));
	if (series && trend_since(series, RATE_WINDOW_MS, &now)) {
		(void)snprintf(rate, sizeof rate, "%.0f", per_second(now.packets, now.ms));
		(void)snprintf(per, sizeof per, "%s/s",
			       say_bytes(per_second(now.bytes, now.ms), size));
	}
	(void)fprintf(listing->out, "  %-22s %10s %13s %16" PRIu64 " %13" PRIu64 "\n", name, rate,
		      per, counter_read(&interface->packets), drops_sum(&drops));
}

static void write_capture(FILE *out, const struct status_snapshot *facts)
{
	struct listing listing = { .out = out, .facts = facts };
	const struct conf *conf = facts->conf;

	(void)fprintf(out, "Capture   %s, %" PRIu64 " bytes of each packet\n\n",
		      *conf->capture_filter ? conf->capture_filter : "everything",
		      conf->capture_snaplen ? conf->capture_snaplen : UINT64_C(262144));
	(void)fprintf(out, "  %-22s %10s %13s %16s %13s\n", "INTERFACE", "PACKETS/S", "RECORDING",
		      "PACKETS", "DROPPED");
	facts_each_interface(facts, write_row, &listing);
	if (facts->left_out > 0)
		(void)fprintf(out,
			      "  and %" PRIu64
			      " more are NOT recorded: capture.max_interfaces is %" PRIu64 "\n",
			      facts->left_out, conf->capture_max_interfaces);
	(void)fputc('\n', out);
}

static void write_loss(FILE *out, const struct status_snapshot *facts)
{
	const struct counters *counters = facts->counters;
	struct drops drops = counters_drops(counters->drops);
	struct trend_sample minute;
	double share = 0;

	trend_until_now(facts->trend, counters, 60000, facts->now_ms, &minute);
	if (minute.drops > 0)
		share = 100.0 * (double)minute.drops / (double)minute.sent;
	(void)fprintf(out, "Loss      %" PRIu64 " packets in the last minute (%.3g %%)",
		      minute.drops, share);
	if (!drops_is_zero(&drops))
		(void)fputs("; since the start:", out);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (drops.count[i] > 0)
			(void)fprintf(out, " %s %" PRIu64, drop_reason_names[i], drops.count[i]);
	(void)fputc('\n', out);
}

static void write_spool(FILE *out, const struct status_snapshot *facts,
			const struct forecast *forecast)
{
	const struct spool_totals *spool = &facts->spool;
	uint64_t waiting = spool->ready + spool->sending;
	char size[TEXT_SIZE_MAX], age[32];

	/* Of none, what is there are the folders, the open segment, and what was refused. */
	if (waiting == 0)
		(void)fputs("Spool     nothing waits", out);
	else
		(void)fprintf(out, "Spool     %" PRIu64 " segment%s (%s)", waiting,
			      waiting == 1 ? " waits" : "s wait",
			      say_bytes((double)spool->bytes, size));
	if (spool->oldest_ns > 0 && facts->real_ns > spool->oldest_ns)
		(void)fprintf(
			out, ", the oldest began %s ago",
			say_seconds((facts->real_ns - spool->oldest_ns) / CLOCK_NS_PER_S, age));
	if (spool->rejected > 0)
		(void)fprintf(out, "; %" PRIu64 " %s refused for good, see rejected/ there",
			      spool->rejected, spool->rejected == 1 ? "was" : "were");
	(void)fprintf(out, "\n          in %s\n", facts->conf->spool_directory);
	if (facts->is_spool_full)
		(void)fputs("          FULL: packets are dropped until there is room\n", out);
	else if (forecast->hours >= 0)
		(void)fprintf(out,
			      "          room for %s at this rate, should no upload go through\n",
			      say_seconds(clamp(forecast->hours * SECONDS_AN_HOUR), age));
	else
		(void)fputs("          how long it lasts is told once there is traffic\n", out);
}

static void write_uploads(FILE *out, const struct status_snapshot *facts)
{
	const struct counters *counters = facts->counters;
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns),
		 segments = counter_read(&counters->segments_uploaded),
		 failures = counter_read(&counters->upload_failures);
	char size[TEXT_SIZE_MAX], age[32];

	(void)fprintf(out, "Uploads   %" PRIu64 " segment%s (%s) to %s", segments,
		      segments == 1 ? "" : "s",
		      say_bytes((double)counter_read(&counters->bytes_uploaded), size),
		      facts->conf->upload_destination);
	if (last_ns > 0 && facts->real_ns >= last_ns)
		(void)fprintf(out, ", the last one %s ago",
			      say_seconds((facts->real_ns - last_ns) / CLOCK_NS_PER_S, age));
	(void)fprintf(out, "\n          %" PRIu64 " attempt%s failed\n", failures,
		      failures == 1 ? "" : "s");
	if (*facts->outage)
		(void)fprintf(out, "          %s\n", facts->outage);
}

static void write_health(FILE *out, const struct status_snapshot *facts)
{
	struct health_finding findings[HEALTH_RULES];
	bool is_well = true;

	(void)health_judge(facts, true, findings);
	(void)fputs("Health    ", out);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		if (!findings[i].is_failing)
			continue;
		(void)fprintf(out, "%s%s: %s\n", is_well ? "" : "          ", health_rules[i].name,
			      findings[i].why);
		is_well = false;
	}
	if (is_well)
		(void)fputs("all is well\n", out);
}

void report_write(FILE *out, const struct status_snapshot *facts)
{
	struct forecast forecast = make_forecast(facts);
	char size[TEXT_SIZE_MAX], age[32];

	(void)fprintf(out, "kube-node-tracer " PACKAGE_VERSION " on %s: %s, running for %s\n\n",
		      facts->conf->node_name, phase_words[facts->phase],
		      say_seconds((facts->now_ms - facts->started_ms) / CLOCK_MS_PER_S, age));
	write_health(out, facts);
	write_capture(out, facts);
	write_loss(out, facts);
	write_spool(out, facts, &forecast);
	write_uploads(out, facts);
	if (forecast.ms >= MONTH_MS_MIN)
		(void)fprintf(out, "A month   %.0f objects, %s at the rate of the last %s\n",
			      forecast.segments * SECONDS_A_MONTH,
			      say_bytes(forecast.packed_bytes * SECONDS_A_MONTH, size),
			      say_seconds(forecast.ms / CLOCK_MS_PER_S, age));
}

/* For machines ----------------------------------------------------------------------------------- */

static void write_text(FILE *out, const char *key, const char *value)
{
	/* At worst \u0000 for each byte: a filter may be long, and a text that is cut ends no string. */
	size_t capacity = 6 * strlen(value) + sizeof "\"\"";
	cleanup_free char *bytes = mem_alloc(capacity);
	struct text text = text_over(bytes, capacity);

	text_append_json(&text, value);
	(void)fprintf(out, "\"%s\":%s,", key, bytes);
}

static void write_drops(FILE *out, const counter drops[DROP_REASON_COUNT])
{
	(void)fputs("\"dropped\":{", out);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		(void)fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", drop_reason_names[i],
			      counter_read(&drops[i]));
	(void)fputc('}', out);
}

static void write_object(void *context, const struct interface_counters *interface)
{
	struct listing *listing = context;
	const struct trend_series *series = trend_of(listing->facts->trend, interface->name);
	struct trend_sample now;

	(void)fputs(listing->is_first ? "{" : ",{", listing->out);
	write_text(listing->out, "name", interface->name);
	(void)fprintf(listing->out,
		      "\"is_up\":%s,\"is_awaited\":%s,\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
		      ",",
		      *say_state(listing->facts, interface) ? "false" : "true",
		      facts_is_awaited(listing->facts, interface->name) ? "true" : "false",
		      counter_read(&interface->packets), counter_read(&interface->bytes));
	if (series && trend_since(series, RATE_WINDOW_MS, &now))
		(void)fprintf(listing->out,
			      "\"packets_per_second\":%.1f,\"bytes_per_second\":%.1f,",
			      per_second(now.packets, now.ms), per_second(now.bytes, now.ms));
	write_drops(listing->out, interface->drops);
	(void)fputc('}', listing->out);
	listing->is_first = false;
}

static void write_health_json(FILE *out, const struct status_snapshot *facts)
{
	struct health_finding findings[HEALTH_RULES];
	bool is_live = health_judge(facts, true, findings),
	     is_ready = health_judge(facts, false, findings), is_first = true;

	(void)fprintf(out, "\"health\":{\"is_live\":%s,\"is_ready\":%s,\"failing\":[",
		      is_live ? "true" : "false", is_ready ? "true" : "false");
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		char bytes[2 * sizeof findings->why];
		struct text why = text_over(bytes, sizeof bytes);

		if (!findings[i].is_failing)
			continue;
		text_append_json(&why, findings[i].why);
		(void)fprintf(out, "%s{\"rule\":\"%s\",\"why\":%s}", is_first ? "" : ",",
			      health_rules[i].name, bytes);
		is_first = false;
	}
	(void)fputs("]}", out);
}

void report_write_json(FILE *out, const struct status_snapshot *facts)
{
	static const char *const phases[] = {
		[STATUS_STARTING] = "starting",
		[STATUS_RECORDING] = "recording",
		[STATUS_STOPPING] = "stopping",
	};
	struct listing listing = { .out = out, .facts = facts, .is_first = true };
	const struct counters *counters = facts->counters;
	const struct spool_totals *spool = &facts->spool;
	struct forecast forecast = make_forecast(facts);
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns), oldest_s = 0;
	char last[TEXT_TIME_MAX] = "";

	if (last_ns > 0)
		text_format_rfc3339(last_ns, last);
	if (spool->oldest_ns > 0 && facts->real_ns > spool->oldest_ns)
		oldest_s = (facts->real_ns - spool->oldest_ns) / CLOCK_NS_PER_S;
	(void)fputc('{', out);
	write_text(out, "version", PACKAGE_VERSION);
	write_text(out, "node", facts->conf->node_name);
	write_text(out, "phase", phases[facts->phase]);
	write_text(out, "filter", facts->conf->capture_filter);
	(void)fprintf(out, "\"uptime_seconds\":%" PRIu64 ",\"interfaces\":[",
		      (facts->now_ms - facts->started_ms) / CLOCK_MS_PER_S);
	facts_each_interface(facts, write_object, &listing);
	(void)fprintf(out, "],\"interfaces_left_out\":%" PRIu64 ",", facts->left_out);
	write_drops(out, counters->drops);
	(void)fprintf(out,
		      ",\"spool\":{\"ready\":%" PRIu64 ",\"sending\":%" PRIu64
		      ",\"rejected\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"oldest_seconds\":%" PRIu64
		      ",\"is_full\":%s,",
		      spool->ready, spool->sending, spool->rejected, spool->bytes, oldest_s,
		      facts->is_spool_full ? "true" : "false");
	if (forecast.hours >= 0)
		(void)fprintf(out, "\"hours_left\":%.2f,", forecast.hours);
	write_text(out, "directory", facts->conf->spool_directory);
	(void)fprintf(out, "\"limit_segments\":%" PRIu64 "},\"uploads\":{",
		      facts->conf->spool_max_segments);
	write_text(out, "destination", facts->conf->upload_destination);
	write_text(out, "last_success", last);
	write_text(out, "trouble", facts->outage);
	(void)fprintf(
		out,
		"\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"failed_attempts\":%" PRIu64 "},",
		counter_read(&counters->segments_uploaded), counter_read(&counters->bytes_uploaded),
		counter_read(&counters->upload_failures));
	if (forecast.ms >= MONTH_MS_MIN)
		(void)fprintf(out,
			      "\"month\":{\"objects\":%.0f,\"bytes\":%.0f,"
			      "\"measured_seconds\":%" PRIu64 "},",
			      forecast.segments * SECONDS_A_MONTH,
			      forecast.packed_bytes * SECONDS_A_MONTH,
			      forecast.ms / CLOCK_MS_PER_S);
	write_health_json(out, facts);
	(void)fputs("}\n", out);
}
