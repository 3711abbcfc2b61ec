/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include <string.h>

#include <jansson.h>

#include "base/mem.h"

/* Names by the kernel may hold bytes that are not UTF-8. */
static json_t *json_text(const char *value)
{
	json_t *text = json_string(value ? value : "");

	if (!text) {
		size_t capacity = 6 * strlen(value) + sizeof "\"\"";
		cleanup_free char *bytes = mem_alloc(capacity);
		struct text escaped = text_over(bytes, capacity);

		text_append_json(&escaped, value);
		text = json_loads(bytes, JSON_DECODE_ANY, NULL);
	}
	return text;
}

/* Rounded, since nobody needs more. */
static json_t *json_rounded(double value, double unit)
{
	return json_real((double)(int64_t)(value / unit + 0.5) * unit);
}

/* Takes the value over, and returns it. */
static json_t *set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
	return value;
}

static json_t *append(json_t *array, json_t *value)
{
	(void)json_array_append_new(array, value);
	return value;
}

static void write_document(FILE *out, json_t *document)
{
	(void)json_dumpf(document, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	(void)fputc('\n', out);
	json_decref(document);
}

static void set_drops(json_t *object, const counter drops[DROP_REASON_COUNT])
{
	json_t *dropped = set(object, "dropped", json_object());

	for (int i = 0; i < DROP_REASON_COUNT; i++)
		set(dropped, drop_reason_names[i], json_integer(counter_read(&drops[i])));
}

struct listing {
	json_t *interfaces;
	const struct status_snapshot *snapshot;
};

static void append_interface(void *context, const struct interface_counters *interface)
{
	const struct listing *listing = context;
	const struct status_snapshot *snapshot = listing->snapshot;
	json_t *object = append(listing->interfaces, json_object());
	struct series_sample now;

	set(object, "name", json_text(interface->name));
	set(object, "is_up", json_boolean(atomic_load(&interface->is_live)));
	set(object, "is_awaited", json_boolean(snapshot_is_missing(snapshot, interface->name)));
	set(object, "packets", json_integer(counter_read(&interface->packets)));
	set(object, "bytes", json_integer(counter_read(&interface->bytes)));
	if (series_now(snapshot->series, interface->name, &now)) {
		set(object, "packets_per_second",
		    json_rounded(series_rate(now.packets, now.ms), 0.1));
		set(object, "bytes_per_second", json_rounded(series_rate(now.bytes, now.ms), 0.1));
	}
	set_drops(object, interface->drops);
}

static void set_loss(json_t *document, const struct status_snapshot *snapshot)
{
	struct series_sample last = series_last_minute(snapshot);
	json_t *object = set(document, "last_minute", json_object());

	set(object, "dropped", json_integer(last.drops));
	set(object, "sent", json_integer(last.sent));
	set(object, "percent", json_rounded(snapshot_loss_percent(&last), 0.001));
}

/* How far back can one look on this node? */
static void set_kept(json_t *spool, const struct status_snapshot *snapshot)
{
	json_t *object = set(spool, "kept", json_object());
	char oldest[TEXT_TIME_MAX] = "";

	if (snapshot->spool.oldest_kept_ns > 0)
		text_format_rfc3339(snapshot->spool.oldest_kept_ns, oldest);
	set(object, "segments", json_integer(snapshot->spool.kept));
	set(object, "bytes", json_integer(snapshot->spool.kept_bytes));
	set(object, "oldest", json_text(oldest));
	set(object, "limit_seconds", json_integer(snapshot->conf->spool_keep));
}

static void set_spool(json_t *document, const struct status_snapshot *snapshot,
		      const struct forecast *forecast, bool is_operator)
{
	json_t *object = set(document, "spool", json_object());
	const struct spool_totals *spool = &snapshot->spool;

	set(object, "ready", json_integer(spool->ready));
	set(object, "sending", json_integer(spool->sending));
	set(object, "rejected", json_integer(spool->rejected));
	set(object, "delayed", json_integer(spool->delayed));
	set(object, "bytes", json_integer(spool->bytes));
	set(object, "oldest_seconds", json_integer(snapshot_waiting_ms(snapshot) / CLOCK_MS_PER_S));
	set(object, "is_full", json_boolean(snapshot->is_spool_full));
	if (*spool->full_interface)
		set(object, "full_interface", json_text(spool->full_interface));
	set(object, "use", json_rounded(spool->use, 0.0001));
	if (spool->room_bytes != UINT64_MAX)
		set(object, "room_bytes", json_integer(spool->room_bytes));
	if (forecast->seconds >= 0)
		set(object, "hours_left", json_rounded(forecast->seconds / 3600, 0.01));
	set(object, "limit_bytes", json_integer(snapshot->conf->spool_max_size));
	set(object, "limit_segments", json_integer(snapshot->conf->spool_max_segments));
	set_kept(object, snapshot);
	if (is_operator)
		set(object, "directory", json_text(snapshot->conf->spool_directory));
}

static void set_uploads(json_t *document, const struct status_snapshot *snapshot, bool is_operator)
{
	json_t *object = set(document, "uploads", json_object());
	const struct counters *counters = snapshot->counters;
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns);
	char last[TEXT_TIME_MAX] = "";

	if (last_ns > 0)
		text_format_rfc3339(last_ns, last);
	set(object, "segments", json_integer(counter_read(&counters->segments_uploaded)));
	set(object, "bytes", json_integer(counter_read(&counters->bytes_uploaded)));
	set(object, "failed_attempts", json_integer(counter_read(&counters->upload_failures)));
	set(object, "is_failing", json_boolean(*snapshot->outage != '\0'));
	set(object, "last_success", json_text(last));
	if (last_ns > 0 && snapshot->real_ns > last_ns)
		set(object, "last_success_age_ms",
		    json_integer((snapshot->real_ns - last_ns) / CLOCK_NS_PER_MS));
	set(object, "is_to_directory",
	    json_boolean(strncmp(snapshot->conf->upload_destination, "file://",
				 strlen("file://")) == 0));
	if (!is_operator) /* what follows may name the bucket */
		return;
	set(object, "destination", json_text(snapshot->conf->upload_destination));
	set(object, "trouble", json_text(snapshot->outage));
}

/* Where are my packets? In the file whose interface and time are theirs. */
static void set_files(json_t *document, const struct status_snapshot *snapshot)
{
	json_t *files = set(document, "files", json_array());

	for (size_t i = 0; i < SPOOL_RECENT_MAX; i++) {
		const struct spool_recent *recent = &snapshot->spool.recent[i];
		char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];
		json_t *file;

		if (!*recent->name)
			break;
		text_format_rfc3339(recent->start_ns, from);
		text_format_rfc3339(recent->end_ns, to);
		file = append(files, json_object());
		set(file, "name", json_text(recent->name));
		set(file, "from", json_text(from));
		set(file, "to", json_text(to));
		set(file, "packets", json_integer(recent->packets));
		set(file, "drops", json_integer(recent->drops));
		set(file, "state", json_text(recent->state));
	}
}

static void append_rule(json_t *rules, const struct health_finding *finding)
{
	append(rules, json_pack("{s:s, s:b, s:o}", "rule", finding->rule->name, "ok",
				!finding->is_failing, "why", json_text(finding->why)));
}

static void set_health(json_t *document, const struct status_snapshot *snapshot)
{
	json_t *object = set(document, "health", json_object());
	json_t *rules = set(document, "rules", json_array()), *failing;
	struct health health = health_judge(snapshot);

	set(object, "is_live", json_boolean(health.is_live));
	set(object, "is_ready", json_boolean(health.is_ready));
	failing = set(object, "failing", json_array());
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		append_rule(rules, &health.findings[i]);
		if (health.findings[i].is_failing)
			append_rule(failing, &health.findings[i]);
	}
}

/* Totals; the last one is now. */
static void append_sample(json_t *history, const struct series_sample *sample, uint64_t now_ms)
{
	const uint64_t values[] = { now_ms - sample->ms, sample->packets,  sample->bytes,
				    sample->drops,       sample->uploaded, sample->lag_ms,
				    sample->sent };
	json_t *row = append(history, json_array());

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		append(row, json_integer(values[i]));
}

static void set_history(json_t *document, const struct status_snapshot *snapshot)
{
	static const char *const columns[] = { "age_ms",   "packets", "bytes", "drops",
					       "uploaded", "lag_ms",  "sent" };
	const struct series *hour = &snapshot->series->hour;
	struct series_sample now = series_look(snapshot);
	json_t *names = set(document, "columns", json_array()),
	       *history = set(document, "history", json_array());

	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		append(names, json_text(columns[i]));
	for (size_t back = hour->count; back > 0; back--)
		append_sample(history, series_back(hour, back - 1), snapshot->now_ms);
	append_sample(history, &now, snapshot->now_ms);
}

void status_json_write(FILE *out, const struct status_snapshot *snapshot, bool is_operator)
{
	const struct counters *counters = snapshot->counters;
	struct forecast forecast = snapshot_forecast(snapshot);
	json_t *document = json_object();
	struct listing listing = { .snapshot = snapshot };
	char time[TEXT_TIME_MAX];

	text_format_rfc3339(snapshot->real_ns, time);
	set(document, "version", json_text(PACKAGE_VERSION));
	set(document, "node", json_text(snapshot->conf->node_name));
	set(document, "phase", json_text(status_phases[snapshot->phase]));
	set(document, "uptime_seconds",
	    json_integer((snapshot->now_ms - snapshot->started_ms) / CLOCK_MS_PER_S));
	set(document, "uptime_ms", json_integer(snapshot->now_ms - snapshot->started_ms));
	set(document, "time", json_text(time));
	set_health(document, snapshot);
	set(document, "is_filtered", json_boolean(*snapshot->conf->capture_filter != '\0'));
	if (is_operator)
		set(document, "filter", json_text(snapshot->conf->capture_filter));
	listing.interfaces = set(document, "interfaces", json_array());
	snapshot_each_interface(snapshot, append_interface, &listing);
	set(document, "interfaces_left_out", json_integer(snapshot->left_out));
	if (snapshot->left_out > 0)
		set(document, "interfaces_limit", json_text(snapshot->left_out_limit));
	if (snapshot->tunnel)
		set(document, "tunnel_cut_short", json_text(snapshot->tunnel));
	set(document, "packets", json_integer(counter_read(&counters->packets)));
	set(document, "discarded", json_integer(counter_read(&counters->packets_discarded)));
	set(document, "bytes", json_integer(counter_read(&counters->bytes)));
	set_drops(document, counters->drops);
	set_loss(document, snapshot);
	set_spool(document, snapshot, &forecast, is_operator);
	set_uploads(document, snapshot, is_operator);
	set_files(document, snapshot);
	if (forecast.ms >= FORECAST_MONTH_MS_MIN) {
		json_t *month = set(document, "month", json_object());

		set(month, "objects",
		    json_integer((json_int_t)(forecast.segments * SECONDS_A_MONTH)));
		set(month, "bytes",
		    json_integer((json_int_t)(forecast.packed_bytes * SECONDS_A_MONTH)));
		set(month, "measured_seconds", json_integer(forecast.ms / CLOCK_MS_PER_S));
	}
	if (!is_operator)
		set_history(document, snapshot);
	write_document(out, document);
}

bool status_json_write_health(FILE *out, const struct status_snapshot *snapshot, bool is_liveness)
{
	json_t *document = json_object();
	struct health health = health_judge(snapshot);
	bool is_well = is_liveness ? health.is_live : health.is_ready;
	json_t *rules;

	set(document, "status", json_text(is_well ? "ok" : "failing"));
	rules = set(document, "rules", json_array());
	for (size_t i = 0; i < HEALTH_RULES; i++)
		if (health.findings[i].rule->is_liveness == is_liveness)
			append_rule(rules, &health.findings[i]);
	write_document(out, document);
	return is_well;
}
