/* SPDX-License-Identifier: Apache-2.0 */
#include "status/views.h"

#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "status/health.h"

/* Names by the kernel may hold bytes that are not UTF-8. */
static json_t *json_text(const char *value)
{
	json_t *text = json_string(value);

	if (!text) {
		size_t capacity = 6 * strlen(value) + sizeof "\"\"";
		cleanup_free char *bytes = mem_alloc(capacity);
		struct text escaped = text_over(bytes, capacity);

		text_append_json(&escaped, value);
		text = json_loads(bytes, JSON_DECODE_ANY, NULL);
	}
	return text;
}

static void set_text(json_t *object, const char *key, const char *value)
{
	(void)json_object_set_new(object, key, json_text(value ? value : ""));
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Rounded, since nobody needs more. */
static void set_real(json_t *object, const char *key, double value, double unit)
{
	(void)json_object_set_new(object, key,
				  json_real((double)(int64_t)(value / unit + 0.5) * unit));
}

static void set_bool(json_t *object, const char *key, bool value)
{
	(void)json_object_set_new(object, key, json_boolean(value));
}

static json_t *set_object(json_t *object, const char *key)
{
	json_t *made = json_object();

	(void)json_object_set_new(object, key, made);
	return made;
}

static json_t *set_array(json_t *object, const char *key)
{
	json_t *made = json_array();

	(void)json_object_set_new(object, key, made);
	return made;
}

static json_t *append_object(json_t *array)
{
	json_t *made = json_object();

	(void)json_array_append_new(array, made);
	return made;
}

static void write_document(FILE *out, json_t *document)
{
	(void)json_dumpf(document, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	(void)fputc('\n', out);
	json_decref(document);
}

static void set_drops(json_t *object, const counter drops[DROP_REASON_COUNT])
{
	json_t *dropped = set_object(object, "dropped");
	struct drops now = counters_drops(drops);

	for (int i = 0; i < DROP_REASON_COUNT; i++)
		set_number(dropped, drop_reason_names[i], now.count[i]);
}

struct listing {
	json_t *interfaces;
	const struct status_snapshot *snapshot;
};

static void append_interface(void *context, const struct interface_counters *interface)
{
	const struct listing *listing = context;
	const struct status_snapshot *snapshot = listing->snapshot;
	json_t *object = append_object(listing->interfaces);
	struct series_sample now;

	set_text(object, "name", interface->name);
	set_bool(object, "is_up", atomic_load(&interface->is_live));
	set_bool(object, "is_awaited", snapshot_is_missing(snapshot, interface->name));
	set_number(object, "packets", counter_read(&interface->packets));
	set_number(object, "bytes", counter_read(&interface->bytes));
	if (series_now(snapshot->series, interface->name, &now)) {
		set_real(object, "packets_per_second", series_rate(now.packets, now.ms), 0.1);
		set_real(object, "bytes_per_second", series_rate(now.bytes, now.ms), 0.1);
	}
	set_drops(object, interface->drops);
}

static void set_spool(json_t *document, const struct status_snapshot *snapshot,
		      const struct forecast *forecast, bool is_operator)
{
	json_t *object = set_object(document, "spool");
	const struct spool_totals *spool = &snapshot->spool;

	set_number(object, "ready", spool->ready);
	set_number(object, "sending", spool->sending);
	set_number(object, "rejected", spool->rejected);
	set_number(object, "bytes", spool->bytes);
	set_number(object, "oldest_seconds", snapshot_waiting_ms(snapshot) / CLOCK_MS_PER_S);
	set_bool(object, "is_full", snapshot->is_spool_full);
	set_real(object, "use", spool->use, 0.0001);
	if (spool->room_bytes != UINT64_MAX)
		set_number(object, "room_bytes", spool->room_bytes);
	if (forecast->hours >= 0)
		set_real(object, "hours_left", forecast->hours, 0.01);
	set_number(object, "limit_bytes", snapshot->conf->spool_max_size);
	set_number(object, "limit_segments", snapshot->conf->spool_max_segments);
	if (is_operator)
		set_text(object, "directory", snapshot->conf->spool_directory);
}

static void set_uploads(json_t *document, const struct status_snapshot *snapshot, bool is_operator)
{
	json_t *object = set_object(document, "uploads");
	const struct counters *counters = snapshot->counters;
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns);
	char last[TEXT_TIME_MAX] = "";

	if (last_ns > 0)
		text_format_rfc3339(last_ns, last);
	set_number(object, "segments", counter_read(&counters->segments_uploaded));
	set_number(object, "bytes", counter_read(&counters->bytes_uploaded));
	set_number(object, "failed_attempts", counter_read(&counters->upload_failures));
	set_bool(object, "is_failing", *snapshot->outage != '\0');
	set_text(object, "last_success", last);
	if (last_ns > 0 && snapshot->real_ns > last_ns)
		set_number(object, "last_success_age_ms",
			   (snapshot->real_ns - last_ns) / CLOCK_NS_PER_MS);
	if (!is_operator) /* what follows may name the bucket */
		return;
	set_text(object, "destination", snapshot->conf->upload_destination);
	set_text(object, "trouble", snapshot->outage);
}

static void append_rule(json_t *rules, const struct health_finding *finding)
{
	json_t *object = append_object(rules);

	set_text(object, "rule", finding->rule->name);
	set_bool(object, "ok", !finding->is_failing);
	set_text(object, "why", finding->why);
}

static void set_health(json_t *document, const struct status_snapshot *snapshot)
{
	json_t *object = set_object(document, "health");
	json_t *rules = set_array(document, "rules"), *failing;
	struct health_finding findings[HEALTH_RULES];

	set_bool(object, "is_live", health_judge(snapshot, true, findings));
	set_bool(object, "is_ready", health_judge(snapshot, false, findings));
	failing = set_array(object, "failing");
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		append_rule(rules, &findings[i]);
		if (findings[i].is_failing)
			append_rule(failing, &findings[i]);
	}
}

/* Totals; the last one is now. */
static void append_sample(json_t *history, const struct series_sample *sample, uint64_t now_ms)
{
	const uint64_t values[] = { now_ms - sample->ms, sample->packets,  sample->bytes,
				    sample->drops,       sample->uploaded, sample->lag_ms,
				    sample->sent };
	json_t *row = json_array();

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		(void)json_array_append_new(row, json_integer((json_int_t)values[i]));
	(void)json_array_append_new(history, row);
}

static void set_history(json_t *document, const struct status_snapshot *snapshot)
{
	static const char *const columns[] = { "age_ms",   "packets", "bytes", "drops",
					       "uploaded", "lag_ms",  "sent" };
	const struct series *hour = &snapshot->series->hour;
	struct series_sample now = series_look(snapshot->counters, snapshot_waiting_ms(snapshot),
					       snapshot->now_ms);
	json_t *names = set_array(document, "columns"), *history = set_array(document, "history");

	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		(void)json_array_append_new(names, json_text(columns[i]));
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

	set_text(document, "version", PACKAGE_VERSION);
	set_text(document, "node", snapshot->conf->node_name);
	set_text(document, "phase", status_phases[snapshot->phase]);
	set_number(document, "uptime_seconds",
		   (snapshot->now_ms - snapshot->started_ms) / CLOCK_MS_PER_S);
	set_number(document, "uptime_ms", snapshot->now_ms - snapshot->started_ms);
	set_health(document, snapshot);
	if (is_operator)
		set_text(document, "filter", snapshot->conf->capture_filter);
	listing.interfaces = set_array(document, "interfaces");
	snapshot_each_interface(snapshot, append_interface, &listing);
	set_number(document, "interfaces_left_out", snapshot->left_out);
	set_number(document, "packets", counter_read(&counters->packets));
	set_number(document, "discarded", counter_read(&counters->packets_discarded));
	set_number(document, "bytes", counter_read(&counters->bytes));
	set_drops(document, counters->drops);
	set_spool(document, snapshot, &forecast, is_operator);
	set_uploads(document, snapshot, is_operator);
	if (forecast.ms >= FORECAST_MONTH_MS_MIN) {
		json_t *month = set_object(document, "month");

		set_number(month, "objects", (uint64_t)(forecast.segments * SECONDS_A_MONTH));
		set_number(month, "bytes", (uint64_t)(forecast.packed_bytes * SECONDS_A_MONTH));
		set_number(month, "measured_seconds", forecast.ms / CLOCK_MS_PER_S);
	}
	if (!is_operator)
		set_history(document, snapshot);
	write_document(out, document);
}

bool status_json_write_health(FILE *out, const struct status_snapshot *snapshot, bool is_liveness)
{
	json_t *document = json_object();
	struct health_finding findings[HEALTH_RULES];
	bool is_well = health_judge(snapshot, is_liveness, findings);
	json_t *rules;

	set_text(document, "status", is_well ? "ok" : "failing");
	rules = set_array(document, "rules");
	for (size_t i = 0; i < HEALTH_RULES; i++)
		if (health_rules[i].is_liveness == is_liveness)
			append_rule(rules, &findings[i]);
	write_document(out, document);
	return is_well;
}
