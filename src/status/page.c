/* SPDX-License-Identifier: Apache-2.0 */
#include "status/page.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "status/health.h"
#include "status/history.h"

#define NONCE "@NONCE@" /* in page.html */
/* The names of interfaces and the sentences of rules are shorter, escaped. */
#define STRING_MAX 1024

void overview_write_page(FILE *out, const char *nonce)
{
	const unsigned char *rest = overview_html, *end = rest + overview_html_bytes;

	while (rest < end) {
		const unsigned char *mark = memmem(rest, (size_t)(end - rest), NONCE,
						   strlen(NONCE));
		size_t length = (size_t)((mark ? mark : end) - rest);

		(void)fwrite(rest, 1, length, out);
		if (mark)
			(void)fputs(nonce, out);
		rest += length + (mark ? strlen(NONCE) : 0);
	}
}

void overview_make_policy(const char *nonce, char out[OVERVIEW_POLICY_MAX])
{
	(void)snprintf(out, OVERVIEW_POLICY_MAX,
		       "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		       "frame-ancestors 'none'",
		       nonce, nonce);
}

/* One "name": value of an object, with the comma before it. */
static void write_string(FILE *out, const char *name, const char *value)
{
	char bytes[STRING_MAX];
	struct text escaped = text_over(bytes, sizeof bytes);

	text_append_json(&escaped, value);
	(void)fprintf(out, "\"%s\":%s", name, bytes);
}

static void write_number(FILE *out, const char *name, uint64_t value)
{
	(void)fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

static void write_bool(FILE *out, const char *name, bool value)
{
	(void)fprintf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

struct listing {
	FILE *out;
	const struct status_snapshot *facts;
	bool is_first;
};

static void write_interface(void *context, const struct interface_counters *interface)
{
	struct listing *listing = context;
	struct drops drops = counters_drops(interface->drops);

	(void)fputs(listing->is_first ? "{" : ",{", listing->out);
	listing->is_first = false;
	write_string(listing->out, "name", interface->name);
	write_bool(listing->out, "up", atomic_load(&interface->is_live));
	write_bool(listing->out, "awaited", facts_is_awaited(listing->facts, interface->name));
	write_number(listing->out, "packets", counter_read(&interface->packets));
	write_number(listing->out, "bytes", counter_read(&interface->bytes));
	write_number(listing->out, "drops", drops_sum(&drops));
	(void)fputc('}', listing->out);
}

static void write_drops(FILE *out, const struct counters *counters)
{
	(void)fputs(",\"drops\":{", out);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		(void)fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", drop_reason_names[i],
			      counter_read(&counters->drops[i]));
	(void)fputc('}', out);
}

static void write_spool(FILE *out, const struct status_snapshot *facts)
{
	const struct spool_totals *spool = &facts->spool;

	(void)fprintf(out, ",\"spool\":{\"ready\":%" PRIu64, spool->ready);
	write_number(out, "sending", spool->sending);
	write_number(out, "rejected", spool->rejected);
	write_number(out, "bytes", spool->bytes);
	(void)fprintf(out, ",\"use\":%.4f", spool->use);
	if (spool->room_bytes != UINT64_MAX)
		write_number(out, "room_bytes", spool->room_bytes);
	write_number(out, "limit_bytes", facts->conf->spool_max_size);
	write_number(out, "limit_segments", facts->conf->spool_max_segments);
	(void)fputc('}', out);
}

static void write_rules(FILE *out, const struct status_snapshot *facts)
{
	struct health_finding findings[HEALTH_RULES];

	(void)health_judge(facts, true, findings);
	(void)fputs(",\"rules\":[", out);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		(void)fputs(i ? ",{" : "{", out);
		write_string(out, "rule", health_rules[i].name);
		write_bool(out, "ok", !findings[i].is_failing);
		write_bool(out, "live", health_rules[i].is_liveness);
		(void)fputc(',', out);
		write_string(out, "why", findings[i].why);
		(void)fputc('}', out);
	}
	(void)fputc(']', out);
}

/* Totals; the last one is now. */
static void write_sample(FILE *out, const struct history_sample *sample, uint64_t now_ms)
{
	(void)fprintf(out,
		      "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		      ",%" PRIu64 "]",
		      now_ms - sample->ms, sample->packets, sample->bytes, sample->drops,
		      sample->uploaded_bytes, sample->lag_ms, sample->sent);
}

static void write_history(FILE *out, const struct status_snapshot *facts)
{
	struct history_sample now = history_look(facts);
	size_t count = facts->history ? history_count(facts->history) : 0;

	(void)fputs(",\"columns\":[\"age_ms\",\"packets\",\"bytes\",\"drops\",\"uploaded\","
		    "\"lag_ms\",\"sent\"],\"history\":[",
		    out);
	for (size_t i = 0; i < count; i++) {
		write_sample(out, history_at(facts->history, i), facts->now_ms);
		(void)fputc(',', out);
	}
	write_sample(out, &now, facts->now_ms);
	(void)fputc(']', out);
}

void overview_write_json(FILE *out, const struct status_snapshot *facts)
{
	static const char *const phases[] = {
		[STATUS_STARTING] = "starting",
		[STATUS_RECORDING] = "recording",
		[STATUS_STOPPING] = "stopping",
	};
	const struct counters *counters = facts->counters;
	struct listing listing = { .out = out, .facts = facts, .is_first = true };
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns);

	(void)fputc('{', out);
	write_string(out, "node", facts->conf->node_name ? facts->conf->node_name : "");
	(void)fputs(",\"version\":\"" PACKAGE_VERSION "\",", out);
	write_string(out, "phase", phases[facts->phase]);
	write_number(out, "uptime_ms", facts->now_ms - facts->started_ms);
	write_number(out, "packets", counter_read(&counters->packets));
	write_number(out, "discarded", counter_read(&counters->packets_discarded));
	write_number(out, "bytes", counter_read(&counters->bytes));
	write_drops(out, counters);
	write_number(out, "uploaded_segments", counter_read(&counters->segments_uploaded));
	write_number(out, "uploaded_bytes", counter_read(&counters->bytes_uploaded));
	write_bool(out, "failing", *facts->outage != '\0');
	if (last_ns > 0 && facts->real_ns > last_ns)
		write_number(out, "last_upload_age_ms",
			     (facts->real_ns - last_ns) / CLOCK_NS_PER_MS);
	write_spool(out, facts);
	(void)fputs(",\"interfaces\":[", out);
	facts_each_interface(facts, write_interface, &listing);
	(void)fputc(']', out);
	write_number(out, "left_out", facts->left_out);
	write_rules(out, facts);
	write_history(out, facts);
	(void)fputs("}\n", out);
}
