/* SPDX-License-Identifier: Apache-2.0 */
/* The status pages without HTTP: metrics, health rules, and what a request gets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "status/server.h"
#include "netif/netif.h"

#define NOW_MS UINT64_C(1000000)

struct fixture {
	struct conf conf;
	struct counters counters;
	struct series_set *series;
	struct status_snapshot snapshot;
	struct route_actions actions;
};

static void gather(void *context, struct status_snapshot *ret_facts)
{
	struct fixture *fixture = context;

	*ret_facts = fixture->snapshot;
}

static int set_up(void **state)
{
	static const struct status_stage well = { true, "eth0", NOW_MS, 30000 };
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	counters_init(&fixture->counters);
	fixture->series = series_new();
	fixture->conf.capture_filter = fixture->conf.upload_destination = (char *)"";
	fixture->conf.capture_flush_interval = 1;
	fixture->conf.status_max_loss = 1;
	fixture->conf.status_max_wait = 3600;
	fixture->snapshot = (struct status_snapshot){
		.conf = &fixture->conf,
		.counters = &fixture->counters,
		.series = fixture->series,
		.phase = STATUS_RECORDING,
		.now_ms = NOW_MS,
		.real_ns = 100000 * CLOCK_NS_PER_S,
		.chunks = 48,
		.chunks_free = 48,
		.pipelines = 1,
		.pipelines_live = 1,
		.stages = { well, well, well },
		.interfaces = "eth0",
		.outage = "",
		.outage_reason = "",
	};
	fixture->actions = (struct route_actions){ .context = fixture, .gather = gather };
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	free(fixture->series);
	counters_done(&fixture->counters);
	free(fixture);
	return 0;
}

/* The only rule that fails, by name; "" if none does, "several" if more do. */
static const char *failing(struct fixture *fixture)
{
	struct health health = health_judge(&fixture->snapshot);
	const char *name = "";

	for (size_t i = 0; i < HEALTH_RULES; i++) {
		const struct health_finding *finding = &health.findings[i];

		assert_true(strlen(finding->why) > 0);
		if (!finding->is_failing)
			continue;
		assert_false(finding->rule->is_liveness ? health.is_live : health.is_ready);
		name = *name ? "several" : finding->rule->name;
	}
	assert_true(*name || (health.is_live && health.is_ready));
	return name;
}

static void test_each_rule_fails_by_its_cause(void **state)
{
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot, before = *snapshot;

	assert_string_equal(failing(fixture), "");
	for (size_t i = 0; i < STATUS_STAGES; i++) {
		static const char *const names[] = { "capture", "record", "upload" };

		snapshot->stages[i].beat_ms = NOW_MS - 30000;
		assert_string_equal(failing(fixture), "");
		snapshot->stages[i].beat_ms = NOW_MS - 30001;
		assert_string_equal(failing(fixture), names[i]);
		snapshot->stages[i].is_running = false;
		assert_string_equal(failing(fixture), "");
		*snapshot = before;
	}
	snapshot->phase = STATUS_STARTING;
	assert_string_equal(failing(fixture), "started");
	snapshot->phase = STATUS_STOPPING;
	assert_string_equal(failing(fixture), "started");
	*snapshot = before;
	snapshot->pipelines_live = 0;
	assert_string_equal(failing(fixture), "interfaces");
	*snapshot = before;
	snapshot->is_spool_full = true;
	assert_string_equal(failing(fixture), "spool");
	*snapshot = before;
	snapshot->spool.ready = 1;
	snapshot->spool.oldest_ns = snapshot->real_ns - 3600 * CLOCK_NS_PER_S;
	assert_string_equal(failing(fixture), "");
	snapshot->spool.oldest_ns -= CLOCK_NS_PER_S;
	assert_string_equal(failing(fixture), "waiting");
	fixture->conf.status_max_wait = 0;
	assert_string_equal(failing(fixture), "");
	snapshot->spool.oldest_ns = snapshot->real_ns + CLOCK_NS_PER_S; /* the clock was set back */
	assert_string_equal(failing(fixture), "");
}

static void sample(struct fixture *fixture, unsigned step, unsigned system)
{
	struct status_snapshot snapshot = fixture->snapshot;
	char table[256];

	(void)snprintf(table, sizeof table,
		       "Inter-| Receive | Transmit\n face |bytes packets errs\n"
		       "  eth0: 1 %u 0 0 0 0 0 0 1 %u 0 0 0 0 0 0\n",
		       system, system);
	fixture->snapshot.now_ms = snapshot.now_ms = step * SERIES_MINUTES_STEP_MS;
	for (size_t i = 0; i < STATUS_STAGES; i++)
		fixture->snapshot.stages[i].beat_ms = snapshot.now_ms;
	series_take(fixture->series, &snapshot, table);
}

static void test_loss_is_that_of_the_last_minute(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");

	sample(fixture, 0, 0);
	interface_add(eth0, packets, 990);
	interface_add(eth0, drops[DROP_KERNEL], 10);
	sample(fixture, 1, 1000);
	assert_string_equal(failing(fixture), "");
	interface_add(eth0, drops[DROP_DISK], 1);
	sample(fixture, 2, 1000);
	assert_string_equal(failing(fixture), "loss");
	fixture->conf.status_max_loss = 100;
	assert_string_equal(failing(fixture), "");
	fixture->conf.status_max_loss = 1;
	for (unsigned step = 3; step < 14; step++) {
		assert_string_equal(failing(fixture), "loss");
		sample(fixture, step, 1000);
	}
	sample(fixture, 14, 1000);
	assert_string_equal(failing(fixture), "");
	/* What is refused by the sink was captured. */
	counters_discard(&fixture->counters, "eth0", DROP_REJECTED, 1000);
	sample(fixture, 15, 1000);
	assert_string_equal(failing(fixture), "");
	fixture->conf.status_max_loss = 0;
	interface_add(eth0, drops[DROP_KERNEL], 1);
	sample(fixture, 16, 1000);
	assert_string_equal(failing(fixture), "loss");
	counters_return(eth0);
}

static const char *why(struct fixture *fixture, const char *rule, struct health_finding *finding)
{
	struct health health = health_judge(&fixture->snapshot);

	for (size_t i = 0; i < HEALTH_RULES; i++)
		if (strcmp(health.findings[i].rule->name, rule) == 0)
			*finding = health.findings[i];
	return finding->why;
}

/* What was recorded and deleted for want of room was sent once, and is lost whole. */
static void test_deleted_packets_were_sent_once(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	struct health_finding finding;

	sample(fixture, 0, 0);
	interface_add(eth0, packets, 1000);
	counters_discard(&fixture->counters, "eth0", DROP_BUDGET, 1000);
	sample(fixture, 1, 1000);
	assert_string_equal(
		why(fixture, "loss", &finding),
		"1000 of 1000 packets of the last minute were dropped (100 %; limit 1 %)");
	/* Of an earlier run, or of longer ago than the window: more than was sent since. */
	counters_discard(&fixture->counters, "eth0", DROP_BUDGET, 5000);
	sample(fixture, 2, 1000);
	assert_string_equal(
		why(fixture, "loss", &finding),
		"6000 of 6000 packets of the last minute were dropped (100 %; limit 1 %)");
	/* To delete is not to capture. */
	for (unsigned step = 3; step < 8; step++) {
		counters_discard(&fixture->counters, "eth0", DROP_BUDGET, 1000);
		sample(fixture, step, step * 1000);
	}
	(void)why(fixture, "traffic", &finding);
	assert_true(finding.is_failing);
	counters_return(eth0);
}

/* What a rule says when it is well must not hide what another one finds. */
static void test_no_rule_is_well_beside_its_fault(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	struct status_snapshot *snapshot = &fixture->snapshot;
	struct health_finding finding;

	snapshot->now_ms = 1000;
	snapshot->spool.use = 0.256;
	assert_string_equal(why(fixture, "upload", &finding), "no upload hangs");
	assert_string_equal(why(fixture, "spool", &finding), "25 % full");
	snapshot->outage = "uploads failing since 5 min: no such bucket";
	snapshot->is_outage_lasting = true;
	assert_string_equal(why(fixture, "destination", &finding), snapshot->outage);
	assert_true(finding.is_failing);
	assert_ptr_equal(finding.rule, health_judge(snapshot).findings[0].rule);
	assert_string_equal(why(fixture, "upload", &finding),
			    "no upload hangs, but uploads are failing: see destination");
	assert_string_equal(why(fixture, "spool", &finding),
			    "25 % full, and filling while uploads are failing");
	assert_false(finding.is_failing);
	fixture->conf.status_max_loss = 100;
	counters_discard(&fixture->counters, "eth0", DROP_BUDGET, 8600000);
	assert_string_equal(why(fixture, "spool", &finding),
			    "full: 8600000 packets were deleted or dropped in the last minute, "
			    "before they were uploaded");
	assert_true(finding.is_failing);
	/* It is well again a minute after the last. */
	for (unsigned step = 1; step <= 13; step++)
		sample(fixture, step, 0);
	(void)why(fixture, "spool", &finding);
	assert_false(finding.is_failing);
	counters_return(eth0);
}

static void test_silence_beside_traffic(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	struct health_finding finding;

	for (unsigned step = 0; step < 3; step++)
		sample(fixture, step, step * 20);
	assert_string_equal(failing(fixture), ""); /* not for long enough yet */
	sample(fixture, 3, 60);
	assert_string_equal(failing(fixture), "traffic");
	assert_string_equal(
		why(fixture, "traffic", &finding),
		"eth0 counted 80 packets in 10 s, but none was captured then or in the following "
		"5 s");
	fixture->conf.capture_flush_interval = 30; /* what is in memory is not counted yet */
	assert_string_equal(failing(fixture), "");
	fixture->conf.capture_flush_interval = 1;
	fixture->conf.capture_filter = (char *)"udp";
	assert_string_equal(failing(fixture), "");
	fixture->conf.capture_filter = (char *)"";
	interface_add(eth0, packets_own, 1);
	sample(fixture, 4, 80);
	assert_string_equal(failing(fixture), "");
	for (unsigned step = 5; step < 9; step++)
		sample(fixture, step, 80 + step * 8);
	assert_string_equal(failing(fixture), ""); /* a few packets may be anything */
	sample(fixture, 9, 1000);
	sample(fixture, 10, 1000);
	assert_string_equal(failing(fixture), "traffic");
	counters_return(eth0);
	sample(fixture, 11, 2000);
	assert_string_equal(failing(fixture), ""); /* it is not recorded any more */
}

/* After a long silence, a burst: the system counts it at once, and we when its chunk is written. */
static void test_a_burst_after_silence(void **state)
{
	static const struct {
		uint64_t flush_interval;
		unsigned seen_after; /* steps; 0: never */
		bool is_lost;        /* within the steps that are looked at */
	} cases[] = {
		{ 1, 1, false },   { 1, 0, true },  { 5, 2, false },  { 5, 0, true },
		{ 8, 2, false },   { 8, 0, true },  { 20, 5, false }, { 20, 0, true },
		{ 60, 13, false }, { 60, 0, true },
	};
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	unsigned step = 0, count = 0;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool has_failed = false;

		fixture->conf.capture_flush_interval = cases[i].flush_interval;
		for (unsigned quiet = 0; quiet < SERIES_MINUTES_SAMPLES; quiet++)
			sample(fixture, step++, count);
		count += 200;
		for (unsigned after = 0; after < SERIES_MINUTES_SAMPLES; after++) {
			if (after > 0 && after == cases[i].seen_after)
				interface_add(eth0, packets, 400);
			sample(fixture, step++, count);
			has_failed |= *failing(fixture) != '\0';
		}
		assert_int_equal(has_failed, cases[i].is_lost);
	}
	counters_return(eth0);
}

static void test_system_table(void **state)
{
	static const char table[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
		"    lo: 100  7 0 0 0 0 0 0 100  7 0 0 0 0 0 0\n"
		"eth0:1: 5 1 0 0 0 0 0 0 5 2 0 0 0 0 0 0\n"
		"  eth0:9 20 0 0 0 0 0 0 9 30 0 0 0 0 0 0\n"
		"  bad0: 1 2 3\n";
	uint64_t in, out;

	(void)state;
	assert_true(netdev_packets(table, "lo", &in, &out));
	assert_int_equal(in, 7);
	assert_true(netdev_packets(table, "eth0", &in, &out));
	assert_int_equal(in, 20);
	assert_int_equal(out, 30);
	assert_true(netdev_packets(table, "eth0:1", &in, &out));
	assert_int_equal(out, 2);
	assert_true(netdev_packets(table, "any", &in, &out));
	assert_int_equal(in, 28);
	assert_false(netdev_packets(table, "eth", &in, &out));
	assert_false(netdev_packets(table, "bad0", &in, &out));
	assert_false(netdev_packets("", "any", &in, &out));
}

static struct route_reply ask(struct fixture *fixture, const char *method, const char *path,
			      const char *accept)
{
	const struct route_request request = { .method = method, .path = path, .accept = accept };
	struct route_reply reply;

	routes_answer(&fixture->actions, &request, &reply);
	assert_int_equal(strlen(reply.body), reply.length);
	return reply;
}

static void test_metrics_tell_what_was_counted(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	struct interface_counters *odd = counters_take(&fixture->counters, "a\"b\\c\xff");
	struct route_reply reply;

	interface_add(eth0, packets, 12345);
	interface_add(odd, drops[DROP_KERNEL], 7);
	counters_add_upload(&fixture->counters, 5000, 75);
	counter_add(&fixture->counters.upload_retries, 3);
	counter_add(&fixture->counters.segments_rejected,
		    2); /* their attempts are not counted yet */
	counter_add(&fixture->counters.upload_responses[0], 1);
	counter_add(&fixture->counters.upload_responses[503], 4);
	counter_add(&counters_level(&fixture->counters, "gzip", "2")->ns, 1500000000);
	fixture->snapshot.spool.oldest_ns = fixture->snapshot.real_ns - 2500 * CLOCK_NS_PER_MS;
	reply = ask(fixture, "GET", "/metrics", NULL);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.content_type, "0.0.4"));
	static const char *const lines[] = {
		"\nkube_node_tracer_recorded_packets_total 12345\n",
		"\nkube_node_tracer_interface_recorded_packets_total{interface=\"eth0\"} 12345\n",
		"\nkube_node_tracer_dropped_packets_total{reason=\"kernel\"} 7\n",
		("\nkube_node_tracer_interface_dropped_packets_total"
		 "{interface=\"a\\\"b\\\\x5cc\\\\xff\",reason=\"kernel\"} 7\n"),
		"\nkube_node_tracer_uploads_total{result=\"success\"} 1\n",
		"\nkube_node_tracer_uploads_total{result=\"retry\"} 3\n",
		"\nkube_node_tracer_uploads_total{result=\"rejected\"} 2\n",
		"\nkube_node_tracer_upload_responses_total{code=\"none\"} 1\n",
		"\nkube_node_tracer_upload_responses_total{code=\"503\"} 4\n",
		"\nkube_node_tracer_upload_duration_seconds_bucket{le=\"0.05\"} 0\n",
		"\nkube_node_tracer_upload_duration_seconds_bucket{le=\"0.1\"} 1\n",
		"\nkube_node_tracer_upload_duration_seconds_bucket{le=\"1.0\"} 1\n",
		"\nkube_node_tracer_upload_duration_seconds_bucket{le=\"+Inf\"} 1\n",
		"\nkube_node_tracer_upload_duration_seconds_sum 0.075\n",
		"\nkube_node_tracer_upload_size_bytes_bucket{le=\"1000\"} 0\n",
		"\nkube_node_tracer_upload_size_bytes_bucket{le=\"10000\"} 1\n",
		"\nkube_node_tracer_compression_seconds_total{codec=\"gzip\",level=\"2\"} 1.500000000\n",
		"\nkube_node_tracer_spool_oldest_segment_age_seconds 2.500\n",
		"# TYPE kube_node_tracer_recorded_packets_total counter\n",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
		if (!strstr(reply.body, lines[i]))
			fail_msg("missing: %s in\n%s", lines[i], reply.body);
	free(reply.body);
	reply = ask(fixture, "GET", "/metrics",
		    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
	assert_non_null(strstr(reply.content_type, "openmetrics"));
	assert_non_null(strstr(reply.body, "# TYPE kube_node_tracer_recorded_packets counter\n"));
	assert_non_null(strstr(reply.body, "# TYPE kube_node_tracer_build info\n"));
	assert_string_equal(reply.body + reply.length - 6, "# EOF\n");
	free(reply.body);
	counters_return(eth0);
	counters_return(odd);
}

/* A dashboard and an alert count restarts by its changes: two clocks in milliseconds differ by 0 or 1. */
static void test_start_time_never_changes(void **state)
{
	static const char line[] = "\nkube_node_tracer_start_time_seconds 99990.123\n";
	struct fixture *fixture = *state;

	fixture->snapshot.started_real_ns = UINT64_C(99990123) * CLOCK_NS_PER_MS + 456;
	for (size_t i = 0; i < 10; i++) {
		struct route_reply reply = ask(fixture, "GET", "/metrics", NULL);

		if (!strstr(reply.body, line))
			fail_msg("missing: %s in\n%s", line, reply.body);
		free(reply.body);
		fixture->snapshot.now_ms += i % 3;
		fixture->snapshot.real_ns += CLOCK_NS_PER_MS;
	}
}

static void test_the_hour_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot;
	const struct series *hour = &fixture->series->hour;

	assert_true(series_are_due(fixture->series, 0));
	for (size_t i = 0; i < SERIES_HOUR_SAMPLES + 5; i++) {
		uint64_t now_ms = i * SERIES_HOUR_STEP_MS;

		snapshot->spool.oldest_ns = snapshot->real_ns - i * CLOCK_NS_PER_MS;
		snapshot->now_ms = now_ms;
		series_take(fixture->series, snapshot, "");
		assert_false(series_are_due(fixture->series, now_ms + 1));
		assert_int_equal(hour->count,
				 i < SERIES_HOUR_SAMPLES ? i + 1 : SERIES_HOUR_SAMPLES);
		/* Minutes are kept at a finer step, of which the hour takes no sample. */
		snapshot->now_ms += SERIES_MINUTES_STEP_MS;
		series_take(fixture->series, snapshot, "");
		assert_false(series_are_due(fixture->series, now_ms + SERIES_HOUR_STEP_MS - 1));
	}
	for (size_t back = 0; back < SERIES_HOUR_SAMPLES; back++) {
		size_t step = SERIES_HOUR_SAMPLES + 4 - back;

		assert_int_equal(series_back(hour, back)->ms, step * SERIES_HOUR_STEP_MS);
		assert_int_equal(series_back(hour, back)->lag_ms, step);
	}
	assert_null(series_back(hour, SERIES_HOUR_SAMPLES));
}

static void test_page_and_its_document(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *odd = counters_take(&fixture->counters, "<b>\"\\\xff");
	struct route_reply reply;

	interface_add(odd, packets, 3);
	interface_add(odd, drops[DROP_KERNEL], 1);
	fixture->snapshot.now_ms = NOW_MS - 10000;
	series_take(fixture->series, &fixture->snapshot, "");
	fixture->snapshot.now_ms = NOW_MS;
	fixture->snapshot.spool.ready = 2;
	fixture->snapshot.spool.oldest_ns = fixture->snapshot.real_ns - 2500 * CLOCK_NS_PER_MS;
	fixture->snapshot.outage = "uploads failing: bucket secret";
	interface_add(odd, packets, 12342);
	interface_add(odd, drops[DROP_KERNEL], 6);
	reply = ask(fixture, "GET", "/overview.json", NULL);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "application/json");
	assert_string_equal(reply.policy, "");
	static const char *const parts[] = {
		"\"packets\":12345,",
		"\"dropped\":{\"kernel\":7,\"interface\":0,",
		"\"is_failing\":true,",
		"\"interfaces\":[{\"name\":\"<b>\\\"\\\\\xef\xbf\xbd\",",
		"\"spool\":{\"ready\":2,",
		"\"history\":[[10000,3,0,1,0,0,4],[0,12345,0,7,0,2500,12352]]}",
		"{\"rule\":\"waiting\",\"ok\":true,\"why\":\"the oldest ",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		if (!strstr(reply.body, parts[i]))
			fail_msg("missing: %s in\n%s", parts[i], reply.body);
	assert_null(strstr(reply.body, "secret"));
	free(reply.body);
	reply = ask(fixture, "GET", "/", NULL);
	assert_non_null(strstr(reply.policy, "default-src 'none'; script-src 'nonce-"));
	assert_null(strstr(reply.body, "@NONCE@"));
	free(reply.body);
	counters_return(odd);
}

/* What `status` and `status --json` (is_json) say. */
static char *ask_control(struct fixture *fixture, bool is_json)
{
	struct route_request request = { .method = "GET",
					 .path = is_json ? "/status.json" : "/status",
					 .is_control = true };
	struct route_reply reply;

	routes_answer(&fixture->actions, &request, &reply);
	assert_int_equal(reply.status, 200);
	return reply.body;
}

static void expect_said(struct fixture *fixture, bool is_json, const char *said, bool is_expected)
{
	cleanup_free char *body = ask_control(fixture, is_json);

	if (!!strstr(body, said) != is_expected)
		fail_msg("%s: %s in\n%s", is_expected ? "missing" : "unexpected", said, body);
}

/* The line for people: up to this moment, so that the two halves of it never contradict each other. */
static void test_loss_that_is_told_is_that_until_now(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	uint64_t *now_ms = &fixture->snapshot.now_ms;

	fixture->conf.node_name = fixture->conf.spool_directory = fixture->conf.upload_destination =
		(char *)"";
	fixture->conf.segment_size = 1;
	*now_ms = 3000;
	expect_said(fixture, false, "Loss      0 packets in the last minute (0 %)\n", true);
	interface_add(eth0, drops[DROP_BUDGET], 602);
	expect_said(
		fixture, false,
		"Loss      602 packets in the last minute (100 %); since the start: budget 602\n"
		"          budget: the spool was full: see Uploads below, or raise spool.max_size and "
		"spool.max_segments\n",
		true);
	expect_said(fixture, true,
		    "\"last_minute\":{\"dropped\":602,\"sent\":602,\"percent\":100.0}", true);
	expect_said(fixture, true, "602 of 602 packets of the last minute were dropped (100 %; ",
		    true);
	sample(fixture, 1, 0);
	for (unsigned step = 2; step <= 13; step++) {
		*now_ms = step * SERIES_MINUTES_STEP_MS - 1;
		expect_said(fixture, false, "Loss      602 packets in the last minute", true);
		sample(fixture, step, 0);
	}
	*now_ms += 1;
	expect_said(fixture, false,
		    "Loss      0 packets in the last minute (0 %); since the start: budget 602\n"
		    "Spool",
		    true);
	interface_add(eth0, packets, 30);
	interface_add(eth0, drops[DROP_KERNEL], 10);
	expect_said(
		fixture, false,
		"Loss      10 packets in the last minute (25 %); since the start: kernel 10 budget 602\n"
		"          kernel: the ring was full: raise capture.buffer, ",
		true);
	counters_return(eth0);
}

/* What is not known yet is not told as a zero or a guess. */
static void test_status_tells_what_was_measured(void **state)
{
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot;
	struct interface_counters *eth0 = counters_take(&fixture->counters, "eth0");
	struct level_counters *level = counters_level(&fixture->counters, "gzip", "1");

	fixture->conf.node_name = fixture->conf.spool_directory = fixture->conf.upload_destination =
		(char *)"";
	fixture->conf.segment_size = 1000000;
	fixture->conf.segment_age = 60;
	fixture->conf.spool_max_segments = 1000;
	fixture->conf.spool_max_size = 360000;
	snapshot->spool.room_bytes = UINT64_C(1) << 40;
	snapshot->spool.room_inodes = UINT64_MAX;
	atomic_store(&eth0->is_live, true);
	snapshot->spool.bytes = 0;
	sample(fixture, 0, 0);
	expect_said(fixture, false, "Spool     nothing waits\n", true);
	expect_said(fixture, false, "A month", false);
	expect_said(fixture, true, "\"month\"", false);
	expect_said(fixture, true, "packets_per_second", false);
	expect_said(fixture, false, "          -             -                0 ", true);
	snapshot->spool.ready = 1;
	expect_said(fixture, false, "1 segment waits (", true);
	snapshot->spool.ready = 2;
	expect_said(fixture, false, "2 segments wait (", true);
	for (unsigned step = 1; step <= 12; step++) {
		expect_said(fixture, false, "A month", false);
		interface_add(eth0, packets, 50);
		interface_add(eth0, bytes, 10000);
		counter_add(&level->bytes_after, 5000); /* 1000 a second */
		sample(fixture, step, 0);
	}
	expect_said(fixture, false, " 10      2.0 kB/s              600 ", true);
	expect_said(fixture, true, "\"packets_per_second\":10.0,\"bytes_per_second\":2000.0,",
		    true);
	expect_said(fixture, false, "room for 6 min at this rate", true);
	expect_said(fixture, false,
		    "A month   43,200 objects, 2.6 GB at the rate of the last 60 s\n", true);
	expect_said(fixture, true,
		    "\"month\":{\"objects\":43200,\"bytes\":2592000000,\"measured_seconds\":60}",
		    true);
	counters_return(eth0);
}

/* What a name or a server's text holds must not control the terminal. */
static void test_no_control_characters(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *odd = counters_take(&fixture->counters, "e\x1b[31m\xc2\x9b\x7f");

	fixture->conf.node_name = fixture->conf.spool_directory = fixture->conf.upload_destination =
		(char *)"";
	fixture->conf.capture_filter = (char *)"udp\n\tor tcp";
	fixture->conf.segment_size = 1;
	fixture->snapshot.outage = "uploads failing: \x1b]0;title\a";
	fixture->snapshot.is_outage_lasting = true;
	for (int i = 0; i < 2; i++) {
		cleanup_free char *body = ask_control(fixture, i);

		assert_non_null(strstr(body, "[31m"));
		assert_null(strpbrk(body, "\x1b\x7f\a\t"));
		assert_null(strstr(body, "\xc2\x9b"));
	}
	counters_return(odd);
}

/* A filter may be as long as the file that it comes from. */
static void test_long_texts_stay_whole(void **state)
{
	struct route_request request = { .method = "GET",
					 .path = "/status.json",
					 .is_control = true };
	struct fixture *fixture = *state;
	cleanup_free char *filter = mem_printf("%08000d\x01", 0);
	cleanup_free char *expected = mem_printf("\"filter\":\"%08000d\\u0001\",", 0);
	struct route_reply reply;

	fixture->conf.capture_filter = filter;
	fixture->conf.node_name = fixture->conf.spool_directory = fixture->conf.upload_destination =
		(char *)"";
	routes_answer(&fixture->actions, &request, &reply);
	assert_non_null(strstr(reply.body, expected));
	free(reply.body);
}

static void test_requests(void **state)
{
	static const struct {
		const char *method, *path;
		unsigned status;
	} cases[] = {
		{ "GET", "/healthz", 200 },    { "HEAD", "/readyz", 200 },
		{ "POST", "/metrics", 405 },   { "PUT", "/healthz", 405 },
		{ "GET", "/metrics/", 404 },   { "GET", "", 404 },
		{ "GET", "//metrics", 404 },   { "DELETE", "/none", 404 },
		{ "get", "/metrics", 405 },    { "GET", "/../etc", 404 },
		{ "OPTIONS", "/readyz", 405 },
	};
	struct fixture *fixture = *state;
	struct route_reply reply;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		reply = ask(fixture, cases[i].method, cases[i].path, NULL);
		if (reply.status != cases[i].status)
			fail_msg("%s %s: %u", cases[i].method, cases[i].path, reply.status);
		assert_int_equal(!!reply.allow, reply.status == 405);
		free(reply.body);
	}
	fixture->snapshot.pipelines_live = 0;
	reply = ask(fixture, "GET", "/readyz", NULL);
	assert_int_equal(reply.status, 503);
	assert_non_null(
		strstr(reply.body,
		       "{\"status\":\"failing\",\"rules\":[{\"rule\":\"destination\",\"ok\":true"));
	assert_non_null(strstr(reply.body,
			       "{\"rule\":\"interfaces\",\"ok\":false,\"why\":\"cannot capture: "));
	free(reply.body);
	reply = ask(fixture, "GET", "/healthz", NULL);
	assert_int_equal(reply.status, 200);
	assert_null(strstr(reply.body, "interfaces"));
	free(reply.body);
}

/* DNS rebinding: a page of elsewhere, whose name is 127.0.0.1 by now. */
static void test_names_of_others_are_not_served(void **state)
{
	static const struct {
		const char *host;
		bool is_served;
	} cases[] = {
		{ NULL, true },
		{ "localhost", true },
		{ "LocalHost:9469", true },
		{ "127.0.0.1:9469", true },
		{ "127.1.2.3", true },
		{ "192.0.2.7:8443",
		  true }, /* a proxy on this machine passes on what it was asked for */
		{ "[::1]:9469", true },
		{ "evil.example", false },
		{ "evil.example:9469", false },
		{ "localhost.evil.example", false },
		{ "127.0.0.1.evil.example:9469", false },
		{ "localhosts", false },
		{ ":9469", false },
		{ "", false },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 2 * ARRAY_LENGTH(cases); i++) {
		struct route_request request = {
			.method = "GET",
			.path = "/metrics",
			.host = cases[i / 2].host,
			.needs_host = cases[i / 2].host,
			.is_loopback = i % 2,
		};
		unsigned expected = !request.is_loopback || cases[i / 2].is_served ? 200 : 421;
		struct route_reply reply;

		routes_answer(&fixture->actions, &request, &reply);
		if (reply.status != expected)
			fail_msg("%s: %u", request.host, reply.status);
		free(reply.body);
		request.host = NULL;
		routes_answer(&fixture->actions, &request, &reply);
		assert_int_equal(reply.status, request.needs_host ? 400 : 200); /* RFC 9112 3.2 */
		free(reply.body);
	}
}

static void test_loopback_addresses(void **state)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} cases[] = {
		{ "127.0.0.1:9469", true },
		{ "127.9.8.7:1", true },
		{ "[::1]:9469", true },
		{ "[::ffff:127.0.0.1]:9469", true },
		{ "0.0.0.0:9469", false },
		{ "192.0.2.7:9469", false },
		{ "[::]:9469", false },
		{ "[2001:db8::1]:9469", false },
		{ "[::ffff:10.0.0.1]:1", false },
		{ "unix:/run/x", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct server_address address;
		struct error err;

		assert_return_code(server_parse_address(cases[i].text, &address, &err), 0);
		if (server_is_loopback(&address) != cases[i].is_loopback)
			fail_msg("%s", cases[i].text);
	}
}

static void note_flush(void *context)
{
	struct fixture *fixture = context;

	counter_add(&fixture->counters.reloads, 1); /* anything that shows it */
}

static void note_ended(void *context, uint64_t real_ns, FILE *out)
{
	(void)context;
	(void)fprintf(out, "ended after %ju\n", (uintmax_t)real_ns);
}

static void expect_page(struct fixture *fixture, const char *page, const char *since,
			unsigned status, const char *said)
{
	struct route_request request = {
		.method = since ? "GET" : "POST",
		.path = page,
		.since = since,
		.is_control = true,
	};
	struct route_reply reply;

	routes_answer(&fixture->actions, &request, &reply);
	if (reply.status != status || !strstr(reply.body, said))
		fail_msg("%s %s: %u %s", page, since ? since : "POST", reply.status, reply.body);
	free(reply.body);
}

static void expect_flush(struct fixture *fixture, const char *since, unsigned status,
			 const char *said)
{
	expect_page(fixture, "/flush", since, status, said);
}

/* Which segments ended is said when they have. */
static void test_rotate_is_truthful(void **state)
{
	static const char since[] = "100000000000000.4.7";
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot;
	struct interface_counters *interface = counters_take(&fixture->counters, "eth9");

	fixture->actions.end_segments = note_flush;
	fixture->actions.write_ended = note_ended;
	snapshot->spool.refused = 4;
	snapshot->spool.lost = 7;
	snapshot->is_spool_stale = true;
	expect_page(fixture, "/rotate", NULL, 200, since);
	assert_int_equal(counter_read(&fixture->counters.reloads), 1);
	expect_page(fixture, "/rotate", "1.2", 400, "since=");
	expect_page(fixture, "/rotate", since, 202, "ending");
	snapshot->real_ns += CLOCK_NS_PER_S;
	counter_add(&interface->segments_ended, 1); /* the recorder has it still */
	expect_page(fixture, "/rotate", since, 202, "ending");
	counter_add(&interface->segments_closed, 1);
	expect_page(fixture, "/rotate", since, 202, "the spool is busy");
	snapshot->is_spool_stale = false;
	expect_page(fixture, "/rotate", since, 200, "ended after 100000000000000\n");
	snapshot->spool.oldest_capturing_ns = 1;
	expect_page(fixture, "/rotate", since, 409, "could not be finished");
	expect_page(fixture, "/flush/ended", since, 200, "ended after 100000000000000\n");
	snapshot->spool.oldest_capturing_ns = 0;
	snapshot->started_real_ns = snapshot->real_ns - 1;
	expect_page(fixture, "/rotate", since, 409, "restarted meanwhile; see the log\n");
	counters_return(interface);
}

/* What waits for its moment does not wait for an upload, however long ago it began. */
static void test_a_delay_by_spread_is_no_lag(void **state)
{
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot;
	struct health health;

	fixture->conf.node_name = fixture->conf.spool_directory = fixture->conf.upload_destination =
		(char *)"";

	snapshot->spool.ready = snapshot->spool.delayed = 2;
	snapshot->spool.oldest_unsent_ns = snapshot->real_ns - 36000 * CLOCK_NS_PER_S;
	assert_string_equal(failing(fixture), "");
	assert_int_equal(snapshot_waiting_ms(snapshot), 0);
	health = health_judge(snapshot);
	assert_string_equal(health.findings[HEALTH_RULES - 1].why,
			    "no segment is waiting; 2 delayed by upload.spread");
	expect_said(fixture, false, "2 segments wait (0 B), 2 of them delayed by upload.spread\n",
		    true);
	snapshot->spool.ready = 3;
	snapshot->spool.oldest_ns = snapshot->real_ns - 3601 * CLOCK_NS_PER_S;
	assert_string_equal(failing(fixture), "waiting");
	health = health_judge(snapshot);
	assert_string_equal(health.findings[HEALTH_RULES - 1].why,
			    "the oldest of 1 waiting segments began 3601 s ago (limit 3600 s); 2 "
			    "delayed by upload.spread");
	expect_said(fixture, false,
		    "2 of them delayed by upload.spread; of the others, the oldest began 60 min "
		    "ago\n",
		    true);
	expect_said(fixture, true, "\"delayed\":2,", true);
}

/* That all is uploaded is said when it is known and true. */
static void test_flush_is_truthful(void **state)
{
	static const char *const bad[] = {
		"",       "1",      "1.2",    "1.2.3.4",
		"1.2.3.", "1..3",   "x.2.3",  "1.2.-3",
		".1.2.3", "1.2. 3", "1.2.3x", "1.2.99999999999999999999999999999999999999"
	};
	struct fixture *fixture = *state;
	struct status_snapshot *snapshot = &fixture->snapshot;

	fixture->actions.flush = note_flush;
	snapshot->spool.refused = 4;
	snapshot->spool.lost = 7;
	snapshot->is_spool_stale = true;
	expect_flush(fixture, NULL, 202, "busy");
	assert_int_equal(counter_read(&fixture->counters.reloads), 0);
	snapshot->is_spool_stale = false;
	expect_flush(fixture, NULL, 200, "100000000000000.4.7\n");
	assert_int_equal(counter_read(&fixture->counters.reloads), 1);
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		expect_flush(fixture, bad[i], 400, "since=");
	expect_flush(fixture, "100000000000000.4.7", 202, "ending");
	snapshot->real_ns += CLOCK_NS_PER_S;
	expect_flush(fixture, "100000000000000.4.7", 200, "all is uploaded\n");
	snapshot->is_spool_stale = true;
	expect_flush(fixture, "100000000000000.4.7", 202, "busy");
	snapshot->is_spool_stale = false;
	snapshot->spool.oldest_capturing_ns = snapshot->real_ns; /* of afterwards */
	expect_flush(fixture, "100000000000000.4.7", 200, "all is uploaded\n");
	snapshot->spool.oldest_capturing_ns = snapshot->real_ns - 2 * CLOCK_NS_PER_S;
	expect_flush(fixture, "100000000000000.4.7", 202, "recovered");
	snapshot->spool.oldest_capturing_ns = 0;
	snapshot->spool.ready = 1;
	snapshot->spool.oldest_unsent_ns = snapshot->real_ns - 2 * CLOCK_NS_PER_S;
	expect_flush(fixture, "100000000000000.4.7", 202, "1 segment waits\n");
	snapshot->spool.oldest_unsent_ns = 0;
	snapshot->spool.refused = 5;
	expect_flush(fixture, "100000000000000.4.7", 409, "permanently rejected: 1, deleted: 0");
	snapshot->spool.lost = 9;
	expect_flush(fixture, "100000000000000.5.7", 409, "permanently rejected: 0, deleted: 2");
	snapshot->is_spool_full = true;
	expect_flush(fixture, "100000000000000.5.9", 409, "the spool is full: packets are dropped");
	(void)strcpy(snapshot->spool.full_interface, "eth1");
	expect_flush(fixture, "100000000000000.5.9", 409, "the spool is full for eth1: packets");
	/* Another run counts from nothing, and knows nothing of what the one before refused. */
	snapshot->spool.refused = 0;
	expect_flush(fixture, "100000000000000.5.7", 409, "restarted meanwhile; see the log\n");
	snapshot->spool.lost = 0;
	snapshot->started_real_ns = snapshot->real_ns - 1;
	expect_flush(fixture, "100000000000000.0.0", 409, "restarted meanwhile; see the log\n");
}

UNIT_TESTS()
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_each_rule_fails_by_its_cause),
		TEST(test_loss_is_that_of_the_last_minute),
		TEST(test_loss_that_is_told_is_that_until_now),
		TEST(test_deleted_packets_were_sent_once),
		TEST(test_no_rule_is_well_beside_its_fault),
		TEST(test_silence_beside_traffic),
		TEST(test_a_burst_after_silence),
		TEST(test_system_table),
		TEST(test_metrics_tell_what_was_counted),
		TEST(test_start_time_never_changes),
		TEST(test_the_hour_is_kept),
		TEST(test_page_and_its_document),
		TEST(test_status_tells_what_was_measured),
		TEST(test_no_control_characters),
		TEST(test_long_texts_stay_whole),
		TEST(test_requests),
		TEST(test_names_of_others_are_not_served),
		TEST(test_loopback_addresses),
		TEST(test_rotate_is_truthful),
		TEST(test_a_delay_by_spread_is_no_lag),
		TEST(test_flush_is_truthful),
	};

	unit_add(tests, NULL, NULL);
}
