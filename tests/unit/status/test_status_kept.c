/* SPDX-License-Identifier: Apache-2.0 */
/* How far back one can look on a node, as the status shows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/mem.h"
#include "status/status.h"

#define DAY_NS (86400 * CLOCK_NS_PER_S)

struct fixture {
	struct counters counters;
	struct series_set *series;
	struct conf conf;
	struct status_snapshot snapshot;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	counters_init(&fixture->counters);
	fixture->series = series_new();
	fixture->conf.capture_filter = fixture->conf.upload_destination = fixture->conf.node_name =
		fixture->conf.spool_directory = (char *)"";
	fixture->conf.spool_keep = 21600;
	fixture->snapshot = (struct status_snapshot){
		.conf = &fixture->conf,
		.counters = &fixture->counters,
		.series = fixture->series,
		.phase = STATUS_RECORDING,
		.now_ms = 1000000,
		.real_ns = DAY_NS + 3 * 3600 * CLOCK_NS_PER_S,
		.spool = { .kept = 12, .kept_bytes = 34000000, .oldest_kept_ns = DAY_NS },
		.interfaces = "eth0",
		.outage = "",
		.outage_reason = "",
	};
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

/* What one of the formats says. The caller frees. */
static char *write_text(const struct fixture *fixture, char format)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	if (format == 't')
		status_text_write(out, &fixture->snapshot);
	else if (format == 'j')
		status_json_write(out, &fixture->snapshot, false);
	else
		(void)metrics_write(out, NULL, &fixture->snapshot);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect(const struct fixture *fixture, char format, const char *part)
{
	cleanup_free char *text = write_text(fixture, format);

	if (!strstr(text, part))
		fail_msg("%s\nis not in\n%s", part, text);
}

static void test_what_is_kept(void **state)
{
	struct fixture *fixture = *state;

	expect(fixture, 't',
	       "\nKept      12 uploaded segments (34.0 MB) since 1970-01-02T00:00:00.000Z, 3 h ago "
	       "(spool.keep: 6 h); search with kube-node-tracer find --here\n");
	expect(fixture, 'j',
	       "\"kept\":{\"segments\":12,\"bytes\":34000000,\"oldest\":\"1970-01-02T00:00:00.000Z\","
	       "\"limit_seconds\":21600}");
	expect(fixture, 'm', "\nkube_node_tracer_spool_kept_segments 12\n");
	expect(fixture, 'm', "\nkube_node_tracer_spool_kept_bytes 34000000\n");
	expect(fixture, 'm', "\nkube_node_tracer_spool_kept_oldest_timestamp_seconds 86400.000\n");
}

static void test_nothing_is_kept(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;

	fixture->snapshot.spool = (struct spool_totals){ .kept = 0 };
	expect(fixture, 't', "\nKept      no uploaded segment yet (spool.keep: 6 h); search ");
	expect(fixture, 'j', "\"kept\":{\"segments\":0,\"bytes\":0,\"oldest\":\"\",");
	expect(fixture, 'm', "\nkube_node_tracer_spool_kept_oldest_timestamp_seconds 0.000\n");
	fixture->conf.spool_keep = 0;
	text = write_text(fixture, 't');
	assert_null(strstr(text, "Kept "));
}

/* A minute of one megabyte a second. */
static void fill(struct series *series)
{
	series->samples[0] = (struct series_sample){ .ms = 0 };
	series->samples[1] =
		(struct series_sample){ .ms = 60000, .bytes = 60000000, .packed = 60000000 };
	series->count = 2;
	series->newest = 1;
}

static double seconds_left(struct fixture *fixture)
{
	return snapshot_forecast(&fixture->snapshot).seconds;
}

/* The spool lasts as long as without them, since they make room. */
static void test_it_is_room_in_the_forecast(void **state)
{
	struct fixture *fixture = *state;
	double kept, none;

	fixture->conf.spool_max_segments = 1000000;
	fixture->conf.spool_max_size = 200000000;
	fixture->conf.segment_age = 300;
	fixture->conf.segment_size = 1000000;
	fixture->snapshot.spool.bytes = 134000000;
	fixture->snapshot.spool.room_bytes = 10000000;
	fixture->snapshot.spool.room_inodes = 100000;
	fill(&fixture->series->all);
	strcpy(fixture->series->interfaces[0].name, "eth0");
	fixture->series->interfaces[0].samples = fixture->series->minutes[1];
	fixture->series->interfaces[0].capacity = SERIES_MINUTES_SAMPLES;
	fill(&fixture->series->interfaces[0]);
	kept = seconds_left(fixture);
	fixture->snapshot.spool.bytes -= 34000000;
	fixture->snapshot.spool.room_bytes += 34000000;
	fixture->snapshot.spool.kept_bytes = fixture->snapshot.spool.kept = 0;
	none = seconds_left(fixture);
	assert_int_equal((uint64_t)kept, 44); /* the file system is the nearest limit */
	assert_int_equal((uint64_t)none, 44);
	fixture->conf.spool_max_size = 120000000;
	assert_int_equal((uint64_t)seconds_left(fixture), 20);
	fixture->snapshot.spool.bytes += 34000000;
	fixture->snapshot.spool.kept_bytes = 34000000;
	assert_int_equal((uint64_t)seconds_left(fixture), 20);
}

#define KEPT_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		KEPT_TEST(test_what_is_kept),
		KEPT_TEST(test_nothing_is_kept),
		KEPT_TEST(test_it_is_room_in_the_forecast),
	};

	unit_add(tests, NULL, NULL);
}
