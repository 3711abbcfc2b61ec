/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of the spool: names, metadata, losses, budget. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "segment/losses.h"
#include "segment/segment.h"
#include "spool/spool_private.h"

#define WHEN UINT64_C(1763886600123000000) /* 2025-11-23T08:30:00.123Z */

static void test_names_there_and_back(void **state)
{
	char name[SEGMENT_NAME_MAX + 1];
	struct name_parts parts;

	(void)state;
	name_format("node-1.example", "eth0", WHEN, 42, ".pcap.gz", name);
	assert_string_equal(name, "node-1.example_20251123T083000.123Z_eth0_00000042.pcap.gz");
	assert_true(name_parse(name, &parts));
	assert_int_equal(parts.node_length, strlen("node-1.example"));
	assert_int_equal(parts.sequence, 42);
	assert_int_equal(parts.interface_length, 4);
	assert_memory_equal(parts.interface, "eth0", 4);
	/* '_' may be in node and interface; what a file name should not hold becomes '-'. */
	name_format("a_b", "br_lan.1:0 x", WHEN, 123456789012, ".pcap", name);
	assert_string_equal(name, "a_b_20251123T083000.123Z_br_lan.1-0-x_123456789012.pcap");
	assert_true(name_parse(name, &parts));
	assert_int_equal(parts.node_length, 3);
	assert_int_equal(parts.interface_length, strlen("br_lan.1-0-x"));
	assert_true(parts.sequence == UINT64_C(123456789012));
	assert_null(strchr(name, ':'));
}

static void test_what_is_no_name(void **state)
{
	static const char *const bad[] = {
		"",
		"node.pcap00.gz",
		"_20251123T083000.123Z_eth0_00000042.pcap",
		"n_20251123T083000Z_eth0_00000042.pcap",
		"n_20251123T083000.123Z_eth0.pcap",
		"n_20251123T083000.123Z__00000042.pcap",
		"n_20251123T083000.123Z_eth0_.pcap",
		"n_20251123T083000.123Z_eth0_42",
		"n_20251123T083000.123Z_eth0_99999999999999999999999.pcap",
		"n_20251123T083000.123Z_eth0_4x2.pcap",
	};
	struct name_parts parts;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_false(name_parse(bad[i], &parts));
}

static void test_names_sort_by_time_then_sequence(void **state)
{
	/* In order; the node and the interface do not matter. */
	static const char *const names[] = {
		"other-file",
		"z_20251123T083000.123Z_eth9_00000007.pcap",
		"b_20251123T083000.123Z_eth0_00000008.pcap",
		"a_20251123T083000.124Z_eth0_00000001.pcap",
		"a_20251123T083000.124Z_eth0_99999999.pcap",
		"a_20251123T083000.124Z_eth0_100000000.pcap",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		for (size_t j = 0; j < ARRAY_LENGTH(names); j++)
			assert_int_equal((name_compare(names[i], names[j]) > 0) -
						 (name_compare(names[i], names[j]) < 0),
					 (i > j) - (i < j));
}

static void test_object_names(void **state)
{
	char bytes[64];
	struct text out = text_over(bytes, sizeof bytes);

	(void)state;
	name_object("", CONF_LAYOUT_NODE, "n", "file", &out);
	assert_string_equal(bytes, "n/file");
	out = text_over(bytes, sizeof bytes);
	name_object("a/b", CONF_LAYOUT_NODE, "n", "file", &out);
	assert_string_equal(bytes, "a/b/n/file");
}

static void test_object_names_by_time(void **state)
{
	static const struct {
		const char *start, *folder;
	} cases[] = {
		{ "20261123T000000.000Z", "2026/11/23/0000" },
		{ "20261123T083000.123Z", "2026/11/23/0830" },
		{ "20261123T083459.999Z", "2026/11/23/0830" },
		{ "20261123T083500.000Z", "2026/11/23/0835" },
		{ "20261123T083959.999Z", "2026/11/23/0835" },
		{ "20261231T235959.999Z", "2026/12/31/2355" },
	};
	char bytes[128], name[64], expected[128];

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LENGTH(cases); i++) {
		const char *prefix = i % 2 ? "a/b" : "";
		struct text out = text_over(bytes, sizeof bytes);

		/* A node may have a name like a start, and an interface like the rest. */
		(void)snprintf(name, sizeof name, "20250101T000000_%s_a_1_00000007.pcap.gz",
			       cases[i / 2].start);
		(void)snprintf(expected, sizeof expected, "%s%s/%s", i % 2 ? "a/b/" : "",
			       cases[i / 2].folder, name);
		name_object(prefix, CONF_LAYOUT_TIME, "n", name, &out);
		assert_string_equal(bytes, expected);
	}
	/* What says no time has its place by node. */
	for (size_t i = 0; i < 2; i++) {
		struct text out = text_over(bytes, sizeof bytes);

		name_object("a", CONF_LAYOUT_TIME, "n", i ? ".probe-1" : "n_2026_e_1.pcap", &out);
		assert_string_equal(bytes, i ? "a/n/.probe-1" : "a/n/n_2026_e_1.pcap");
	}
}

static struct segment example(void)
{
	struct segment segment = {
		.node = "n",
		.interface = "eth0",
		.link_type = "EN10MB",
		.filter = "tcp port 443",
		.reason = "size",
		.clock = "synchronised, error 1.2 ms",
		.interfaces = "eth0 eth1",
		.sequence = 42,
		.snaplen = 96,
		.start_ns = WHEN,
		.end_ns = WHEN + 5,
		.earliest_ns = WHEN + 1,
		.latest_ns = WHEN + 2,
		.since_ns = WHEN - 1,
		.previous = 41,
		.max_age_s = 300,
		.packets = 1000,
		.packets_own = 3,
		.pcap_bytes = 112024,
		.drops.count = { 7, 8, 9, 10 },
		.bytes = 5000,
		.crc32c = 0x00abcdef,
	};

	return segment;
}

static void test_metadata_there_and_back(void **state)
{
	struct segment segment = example(), back;
	char bytes[SEGMENT_METADATA_MAX];
	struct text text = text_over(bytes, sizeof bytes);
	struct error err;

	(void)state;
	segment_encode(&segment, &text);
	assert_non_null(strstr(bytes, "packets=00000000000000001000\n"));
	assert_non_null(strstr(bytes, "start=2025-11-23T08:30:00.123Z\n"));
	assert_non_null(strstr(bytes, "crc32c=00abcdef\n"));
	assert_non_null(strstr(bytes, "previous=41\n"));
	assert_int_equal(segment_decode(bytes, &back, &err), 0);
	assert_memory_equal(&segment, &back, sizeof segment);
	/* What a newer version adds is kept; what is missing is nothing. */
	assert_int_equal(segment_decode("colour=blue\npackets=5\nend=\n", &back, &err), 0);
	assert_int_equal(back.packets, 5);
	assert_string_equal(back.node, "");
	/* No segment has the number 0. */
	segment.previous = 0;
	text = text_over(bytes, sizeof bytes);
	segment_encode(&segment, &text);
	assert_non_null(strstr(bytes, "previous=\n"));
	assert_int_equal(segment_decode(bytes, &back, &err), 0);
	assert_int_equal(back.previous, 0);
}

static void test_largest_metadata_fit(void **state)
{
	struct segment segment, back;
	char bytes[SEGMENT_METADATA_MAX];
	struct text text = text_over(bytes, sizeof bytes);
	struct error err;

	(void)state;
	memset(&segment, 0xff, sizeof segment);
#define FILL(field)                                       \
	memset(segment.field, 'x', sizeof segment.field); \
	segment.field[sizeof segment.field - 1] = '\0'
	FILL(node);
	FILL(interface);
	FILL(link_type);
	FILL(filter);
	FILL(reason);
	FILL(clock);
	FILL(interfaces);
	FILL(id);
	FILL(index);
	segment.attachments[0] = '\0';
	for (char key[] = "key-a"; segment_attach(&segment, key, segment.filter); key[4]++)
		continue;
	segment.filter[10] = '\n';
	segment_encode(&segment, &text);
	assert_false(text.is_cut);
	assert_int_equal(segment_decode(bytes, &back, &err), 0);
	assert_true(back.packets == UINT64_MAX);
	assert_true(back.end_ns == UINT64_MAX);
	assert_int_equal(back.filter[10], ' ');
}

struct visit {
	char key[64], value[64];
	size_t fields;
};

static void remember_last(void *context, const char *key, const char *value)
{
	struct visit *visit = context;

	visit->fields++;
	(void)snprintf(visit->key, sizeof visit->key, "%s", key);
	(void)snprintf(visit->value, sizeof visit->value, "%.60s", value);
}

/* What nobody here knows goes to the disk and back, and wherever the other fields go. */
static void test_attachments_pass_through(void **state)
{
	struct segment segment = example(), back;
	struct visit visit = { .fields = 0 };
	char bytes[SEGMENT_METADATA_MAX], value[32];
	struct text text = text_over(bytes, sizeof bytes);
	struct error err;

	(void)state;
	assert_true(segment_attach(&segment, "pod", "a"));
	assert_true(segment_attach(&segment, "colour", "blue"));
	assert_true(segment_attach(&segment, "pod", "b=c"));
	segment_encode(&segment, &text);
	assert_int_equal(segment_decode(bytes, &back, &err), 0);
	assert_memory_equal(&segment, &back, sizeof segment);
	segment_attachment(&back, "pod", value, sizeof value);
	assert_string_equal(value, "b=c");
	segment_attachment(&back, "po", value, sizeof value);
	assert_string_equal(value, "");
	segment_attachment(&back, "colour", value, 4); /* does not fit */
	assert_string_equal(value, "");
	segment_each_field(&back, remember_last, &visit);
	assert_int_equal(visit.fields, 28); /* all but the spool's own */
	assert_string_equal(visit.key, "pod");
	assert_string_equal(visit.value, "b=c");
	assert_true(segment_attach(&back, "pod", ""));
	assert_string_equal(back.attachments, "colour=blue\n");
	/* No keys of ours, and none of an older version's own. */
	assert_int_equal(segment_decode("Bad Key=1\n=2\ncarried=3\n", &back, &err), 0);
	assert_string_equal(back.attachments, "");
}

static void take_again(void *context, const char *key, const char *value)
{
	assert_true(segment_take_field(context, key, value));
}

/* As an object's metadata have it: field by field, in whatever order, and written by whoever can. */
static void test_fields_are_taken_one_by_one(void **state)
{
	struct segment segment = example(), back = { 0 }, before;
	char bytes[SEGMENT_METADATA_MAX], huge[2 * SEGMENT_ATTACHMENTS_MAX];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	assert_true(segment_attach(&segment, "pod", "b=c"));
	segment_each_field(&segment, take_again, &back);
	assert_memory_equal(&segment, &back, sizeof segment);
	/* A filter on several lines has one line here; controls are those of terminals. */
	assert_true(segment_take_field(&back, "filter", "a\nid=x\x1b[2J\xc2\x9b"));
	assert_string_equal(back.filter, "a id=x [2J  ");
	assert_true(segment_take_field(&back, "colour", "red\nrejected=1"));
	segment_attachment(&back, "colour", bytes, sizeof bytes);
	assert_string_equal(bytes, "red rejected=1");
	/* What is for the spool alone is nobody else's. */
	before = back;
	assert_true(segment_take_field(&back, "rejected", "1"));
	assert_true(segment_take_field(&back, "data-bytes", "no number"));
	assert_true(segment_take_field(&back, "Bad Key", "1"));
	assert_true(segment_take_field(&back, "a\nb", "1"));
	assert_true(segment_take_field(&back, "", "1"));
	/* What does not fit is cut, or left out where its end matters. */
	memset(huge, 'x', sizeof huge);
	huge[sizeof huge - 1] = '\0';
	assert_true(segment_take_field(&back, "large", huge));
	assert_memory_equal(&before, &back, sizeof back);
	assert_true(segment_take_field(&back, "reason", huge));
	assert_string_equal(back.reason, "xxxxxxxxxxxxxxx");
	before = back;
	assert_false(segment_take_field(&back, "packets", "-1"));
	assert_false(segment_take_field(&back, "start", "now"));
	assert_false(segment_take_field(&back, "crc32c", "123456789"));
	assert_memory_equal(&before, &back, sizeof back);
	segment_encode(&back, &text);
	assert_false(text.is_cut);
}

static void test_losses_are_bounded_and_complete(void **state)
{
	struct losses losses = { .count = 0 }, back;
	struct segment segment = { .packets = 0 };
	char text[SEGMENT_ATTACHMENTS_MAX];

	(void)state;
	losses_add(&losses, &(struct loss){ "eth0", DROP_BUDGET, WHEN, WHEN + 5, 2 });
	losses_add(&losses, &(struct loss){ "eth0", DROP_BUDGET, WHEN + 5, WHEN + 9, 3 });
	losses_add(&losses, &(struct loss){ "eth0", DROP_KERNEL, WHEN, WHEN + 5, 0 });
	losses_add(&losses, &(struct loss){ "", DROP_DISK, 0, 0, 7 });
	assert_int_equal(losses.count, 2);
	assert_true(losses_state(&losses, &segment));
	segment_attachment(&segment, LOSSES_KEY, text, sizeof text);
	assert_string_equal(text, "eth0 2025-11-23T08:30:00.123Z 2025-11-23T08:30:00.123000009Z 5 "
				  "budget, - - - 7 disk");
	losses_of_segment(&segment, &back);
	assert_int_equal(back.count, 2);
	assert_string_equal(back.list[0].interface, "eth0");
	assert_int_equal(back.list[0].reason, DROP_BUDGET);
	assert_int_equal(back.list[0].from_ns, WHEN);
	assert_int_equal(back.list[0].to_ns, WHEN + 9);
	assert_int_equal(back.list[0].packets, 5);
	for (uint64_t i = 0; i < 100; i++) {
		struct loss loss = { .reason = i % DROP_REASON_COUNT,
				     .from_ns = WHEN + 10 * i,
				     .to_ns = WHEN + 10 * i + 1,
				     .packets = 1 };

		(void)snprintf(loss.interface, sizeof loss.interface, "eth%ju", (uintmax_t)i % 30);
		losses_add(&losses, &loss);
	}
	assert_int_equal(losses.count, LOSSES_MAX);
	assert_int_equal(losses_packets(&losses), 112);
	assert_true(losses_state(&losses, &segment));
	losses_of_segment(&segment, &back);
	assert_int_equal(losses_packets(&back), 112);
}

static void test_damaged_metadata_are_refused(void **state)
{
	static const char *const bad[] = { "packets",      "packets=x\n",        "packets=-1\n",
					   "start=now\n",  "crc32c=123456789\n", "crc32c=xyz\n",
					   "packets=1\n\n" };
	struct segment segment;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_int_equal(segment_decode(bad[i], &segment, &err), -1);
}

static void test_budget(void **state)
{
#define PERCENT(n)      \
	{               \
		n, true \
	}
#define AMOUNT(n)        \
	{                \
		n, false \
	}
	static const struct {
		struct budget budget;
		struct budget_state state;
		const char *exceeded; /* NULL: it fits */
		bool has_slack;
	} cases[] = {
		{ { .max_segments = 32 }, { .segments = 30 }, NULL, true },
		{ { .max_segments = 32 }, { .segments = 31 }, NULL, false },
		{ { .max_segments = 32 }, { .segments = 32 }, NULL, false },
		{ { .max_segments = 32 }, { .segments = 33 }, "spool.max_segments", false },
		{ { .max_segments = 1 }, { .segments = 0 }, NULL, true },
		{ { .max_segments = 1 }, { .segments = 1 }, NULL, false },
		{ { 0, 9, 160, AMOUNT(0), AMOUNT(0) }, { .bytes = 150 }, NULL, true },
		{ { 0, 9, 160, AMOUNT(0), AMOUNT(0) }, { .bytes = 151 }, NULL, false },
		{ { 0, 9, 160, AMOUNT(0), AMOUNT(0) }, { .bytes = 161 }, "spool.max_size", false },
		{ { 0, 9, 0, AMOUNT(0), AMOUNT(0) }, { .bytes = UINT64_MAX }, NULL, true },
		/* The floor: of 1610 bytes 10 % are 161; a sixteenth of it more is 171. */
		{ { 0, 9, 0, PERCENT(10), AMOUNT(0) }, { 0, 0, 1610, 171, 0, 0 }, NULL, true },
		{ { 0, 9, 0, PERCENT(10), AMOUNT(0) }, { 0, 0, 1610, 161, 0, 0 }, NULL, false },
		{ { 0, 9, 0, PERCENT(10), AMOUNT(0) },
		  { 0, 0, 1610, 160, 0, 0 },
		  "spool.min_free",
		  false },
		{ { 0, 9, 0, AMOUNT(500), AMOUNT(0) },
		  { 0, 0, 1610, 499, 0, 0 },
		  "spool.min_free",
		  false },
		{ { 0, 9, 0, AMOUNT(500), AMOUNT(0) }, { 0, 0, 1610, 500, 0, 0 }, NULL, false },
		{ { 0, 9, 0, PERCENT(90), AMOUNT(0) }, { 0, 0, 0, 0, 0, 0 }, NULL, true }, /* ? */
		{ { 0, 9, 0, AMOUNT(0), PERCENT(50) }, { 0, 0, 0, 0, 10, 5 }, NULL, true },
		{ { 0, 9, 0, AMOUNT(0), PERCENT(50) },
		  { 0, 0, 0, 0, 10, 4 },
		  "spool.min_free_inodes",
		  false },
		{ { 0, 9, 0, AMOUNT(0), AMOUNT(3) },
		  { 0, 0, 0, 0, 10, 2 },
		  "spool.min_free_inodes",
		  false },
		{ { 0, 9, 0, AMOUNT(0), AMOUNT(3) }, { 0, 0, 0, 0, 0, 0 }, NULL, true }, /* btrfs */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char *exceeded = budget_exceeded(&cases[i].budget, &cases[i].state);

		if (!cases[i].exceeded)
			assert_null(exceeded);
		else
			assert_string_equal(exceeded, cases[i].exceeded);
		assert_int_equal(budget_has_slack(&cases[i].budget, &cases[i].state),
				 cases[i].has_slack);
	}
}

/* Per cent of the nearest limit. */
static void test_budget_use(void **state)
{
	static const struct {
		struct budget budget;
		struct budget_state state;
		unsigned percent;
	} cases[] = {
		{ { .max_segments = 32 }, { .segments = 0 }, 0 },
		{ { .max_segments = 32 }, { .segments = 8 }, 25 },
		{ { .max_segments = 32 }, { .segments = 40 }, 100 },
		{ { .max_segments = 100, .max_bytes = 200 }, { .segments = 10, .bytes = 50 }, 25 },
		{ { .max_segments = 100 }, { .segments = 10, .bytes = 50 }, 10 }, /* no max_size */
		/* Of 1000 bytes, 300 are free and 200 for others: there is room for 100 more. */
		{ { .max_segments = 100, .min_free = { 20, true } },
		  { .bytes = 100, .disk_total = 1000, .disk_free = 300 },
		  50 },
		{ { .max_segments = 100, .min_free = { 20, true } },
		  { .bytes = 100, .disk_total = 1000, .disk_free = 150 },
		  100 },
		{ { .max_segments = 100, .min_free = { 20, true } },
		  { .disk_total = 1000, .disk_free = 200 },
		  100 },
		/* 20 files of ours, and 5 may be made. */
		{ { .max_segments = 100, .min_free_inodes = { 50, false } },
		  { .segments = 5, .all_segments = 10, .inodes_total = 100, .inodes_free = 55 },
		  80 },
		{ { .max_segments = 100, .min_free_inodes = { 50, true } },
		  { .segments = 10 },
		  10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_int_equal(100 * budget_use(&cases[i].budget, &cases[i].state) + 0.5,
				 cases[i].percent);
	assert_int_equal(budget_room_bytes(&cases[5].budget, &cases[5].state), 100);
	assert_int_equal(budget_room_bytes(&cases[6].budget, &cases[6].state), 0);
	assert_int_equal(budget_room_inodes(&cases[8].budget, &cases[8].state), 5);
	assert_true(budget_room_inodes(&cases[9].budget, &cases[9].state) == UINT64_MAX);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_there_and_back),
		cmocka_unit_test(test_what_is_no_name),
		cmocka_unit_test(test_names_sort_by_time_then_sequence),
		cmocka_unit_test(test_object_names),
		cmocka_unit_test(test_object_names_by_time),
		cmocka_unit_test(test_metadata_there_and_back),
		cmocka_unit_test(test_largest_metadata_fit),
		cmocka_unit_test(test_damaged_metadata_are_refused),
		cmocka_unit_test(test_attachments_pass_through),
		cmocka_unit_test(test_fields_are_taken_one_by_one),
		cmocka_unit_test(test_losses_are_bounded_and_complete),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_budget_use),
	};

	unit_add(tests, NULL, NULL);
}
