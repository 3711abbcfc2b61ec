/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/coverage/coverage.h"
#include "segment/losses.h"

#define MIDNIGHT_NS (UINT64_C(1795392000) * CLOCK_NS_PER_S) /* 2026-11-23 */
#define FROM        7200
#define TO          7500
#define STILL_THERE "still on the node: run kube-node-tracer flush there, then fetch again"
#define ABSENT      "not in the bucket: not uploaded yet, or deleted"

/* Seconds of that day. */
static uint64_t at(unsigned seconds)
{
	return MIDNIGHT_NS + seconds * CLOCK_NS_PER_S;
}

static const struct window *the_window(void)
{
	static struct window window;

	window = (struct window){ .from_ns = at(FROM), .to_ns = at(TO) };
	return &window;
}

struct file {
	unsigned start, end, since;
	uint64_t sequence, previous;
	const char *reason;
	bool is_unknown; /* its name only */
	bool is_ageless;
	const char *lost;
	uint64_t packets;
	struct drops drops;
	const char *stated; /* losses before */
	const char *interface;
};

static void make_segment(const struct file *file, struct segment *segment)
{
	*segment = (struct segment){
		.start_ns = at(file->start),
		.end_ns = file->is_unknown || file->end == 0 ? 0 : at(file->end),
		.since_ns = file->since ? at(file->since) : 0,
		.sequence = file->sequence,
		.previous = file->previous,
		.packets = file->packets,
		.drops = file->drops,
		.max_age_s = file->is_ageless ? 0 : 300,
	};
	(void)snprintf(segment->node, sizeof segment->node, "n");
	(void)snprintf(segment->interface, sizeof segment->interface, "%s",
		       file->interface ? file->interface : "eth0");
	(void)snprintf(segment->reason, sizeof segment->reason, "%s",
		       file->reason ? file->reason : "age");
	if (file->stated)
		assert_true(segment_attach(segment, LOSSES_KEY, file->stated));
}

static void add_file(struct coverage *coverage, const struct file *file)
{
	struct segment segment;

	make_segment(file, &segment);
	if (file->lost)
		coverage_lose(coverage, &segment, file->lost);
	else
		coverage_add(coverage, &segment, !file->is_unknown);
}

/* "covered 7200-7300 5", a line each; with a reason in brackets. */
static void print_interval(void *context, const struct coverage_interval *interval)
{
	struct text *text = context;

	if (strcmp(interval->interface, "eth0") != 0)
		text_append(text, "%s ", interval->interface);
	text_append(text, "%s %d-%d", coverage_state_names[interval->state],
		    interval->from_ns ? (int)((interval->from_ns - MIDNIGHT_NS) / CLOCK_NS_PER_S)
				      : 0,
		    interval->to_ns ? (int)((interval->to_ns - MIDNIGHT_NS) / CLOCK_NS_PER_S) : 0);
	if (interval->packets)
		text_append(text, " %" PRIu64, interval->packets);
	if (interval->detail[0])
		text_append(text, " (%s)", interval->detail);
	text_append(text, "\n");
}

static const struct coverage_case {
	const char *name;
	struct file files[8];
	const char *expected;
	unsigned now;
	bool is_complete;
} cases[] = {
	{ "one file",
	  { { 7000, 7600, 7000, 1, .packets = 5 } },
	  "covered 7200-7500 5\n",
	  .is_complete = true },
	{ "files without a gap",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 }, { 7300, 7600, 6000, 3, 2, .packets = 7 } },
	  "covered 7200-7500 12\n",
	  .is_complete = true },
	{ "the boundary of a file is that of the window",
	  { { 6900, 7200, 6000, 2, 1, .packets = 5 },
	    { 7200, 7500, 6000, 3, 2, .packets = 7 },
	    { 7500, 7800, 6000, 4, 3, .packets = 9 } },
	  "covered 7200-7500 7\n",
	  .is_complete = true },
	{ "idle between two files",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 }, { 7400, 7600, 6000, 9, 2, .packets = 7 } },
	  "covered 7200-7300 5\nsilent 7300-7400\ncovered 7400-7500 7\n",
	  .is_complete = true },
	{ "idle in all of the window",
	  { { 6000, 7000, 6000, 2, 1, .packets = 5 }, { 7600, 7900, 6000, 9, 2, .packets = 7 } },
	  "silent 7200-7500\n",
	  .is_complete = true },
	{ "idle from the beginning of the recording on",
	  { { 7300, 7600, 6000, 1, 0, .packets = 5 } },
	  "silent 7200-7300\ncovered 7300-7500 5\n",
	  .is_complete = true },
	/* Amendment L2: recorded without a break, and yet not silent. */
	{ "a file between two is not in the bucket",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 }, { 7400, 7600, 6000, 9, 4711, .packets = 7 } },
	  "covered 7200-7300 5\nmissing 7300-7400 (segment 4711 of eth0 is " ABSENT
	  ")\ncovered 7400-7500 7\n" },
	{ "the file before is not in the bucket",
	  { { 7400, 7600, 6000, 9, 4711, .packets = 7 } },
	  "missing 7200-7400 (segment 4711 of eth0 is " ABSENT ")\ncovered 7400-7500 7\n" },
	{ "a file of no time is not in the bucket",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 }, { 7300, 7600, 6000, 4, 3, .packets = 7 } },
	  "covered 7200-7300 5\nmissing 7300-7300 (segment 3 of eth0 is " ABSENT
	  ")\ncovered 7300-7500 7\n" },
	{ "restart",
	  { { 7000, 7300, 6000, 2, 1, "stop", .packets = 5 },
	    { 7350, 7600, 7350, 3, 0, .packets = 7 } },
	  "covered 7200-7300 5\nnot-running 7300-7350 (recorder was not running)\ncovered 7350-7500 7\n" },
	{ "restart, idle at first",
	  { { 7000, 7300, 6000, 2, 1, "stop", .packets = 5 },
	    { 7400, 7600, 7350, 3, 0, .packets = 7 } },
	  "covered 7200-7300 5\nnot-running 7300-7350 (recorder was not running)\nsilent 7350-7400\n"
	  "covered 7400-7500 7\n" },
	{ "restart, and what it recorded first is not in the bucket",
	  { { 7000, 7300, 6000, 2, 1, "stop", .packets = 5 },
	    { 7400, 7600, 7350, 4, 3, .packets = 7 } },
	  "covered 7200-7300 5\nnot-running 7300-7350 (recorder was not running, or a file is not in the bucket)\n"
	  "missing 7350-7400 (segment 3 of eth0 is " ABSENT ")\ncovered 7400-7500 7\n" },
	{ "crash",
	  { { 7000, 7300, 6000, 2, 1, "recovered", .packets = 5 },
	    { 7350, 7600, 7350, 1001, 0, .packets = 7 } },
	  "covered 7200-7300 5\nnot-running 7300-7350 (recorder was not running, after a crash, or a file is not in "
	  "the bucket)\ncovered 7350-7500 7\n" },
	{ "interface away",
	  { { 7000, 7300, 6000, 2, 1, "interface", .packets = 5 },
	    { 7350, 7600, 7350, 3, 0, .packets = 7 } },
	  "covered 7200-7300 5\nnot-running 7300-7350 (interface was away)\ncovered 7350-7500 7\n" },
	{ "recorded for the first time",
	  { { 7300, 7600, 7250, 1, 0, .packets = 5 } },
	  "not-running 7200-7250 (recorded since 02:00:50; nothing earlier is in the bucket)\nsilent 7250-7300\n"
	  "covered 7300-7500 5\n" },
	{ "still on the node",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 } },
	  "covered 7200-7300 5\nnewer 7300-7500 (" STILL_THERE ")\n",
	  .now = 7500 },
	{ "nothing for a long time",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 } },
	  "covered 7200-7300 5\nnewer 7300-7500 (no newer file is in the bucket: no packets, or not uploaded)\n" },
	{ "stopped",
	  { { 7000, 7300, 6000, 2, 1, "stop", .packets = 5 } },
	  "covered 7200-7300 5\nnewer 7300-7500 (recorder was stopped; no newer file is in the bucket)\n",
	  .now = 7500 },
	{ "interface gone",
	  { { 7000, 7300, 6000, 2, 1, "interface", .packets = 5 } },
	  "covered 7200-7300 5\nnewer 7300-7500 (interface was away; no newer file is in the bucket)\n",
	  .now = 7500 },
	{ "all is after the window",
	  { { 7600, 7900, 7550, 1, 0, .packets = 5 } },
	  "not-running 7200-7500 (recorded since 02:05:50; nothing earlier is in the bucket)\n" },
	{ "a file that cannot be read",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 },
	    { 7300, 7400, 6000, 3, 2, .packets = 7, .lost = "deleted meanwhile" },
	    { 7400, 7600, 6000, 4, 3, .packets = 9 } },
	  "covered 7200-7300 5\nlost 7300-7400 7 (deleted meanwhile)\ncovered 7400-7500 9\n" },
	{ "a file that cannot be read, known by its name",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 },
	    { 7350, 0, 0, 3, 0, .lost = "deleted\nmeanwhile" },
	    { 7400, 7600, 6000, 4, 3, .packets = 9 } },
	  "covered 7200-7300 5\nunknown 7300-7350 (no file says what was then)\n"
	  "lost 7350-7400 (deleted meanwhile)\ncovered 7400-7500 9\n" },
	{ "a file that cannot be read, and was added before",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5, .lost = "no right to" },
	    { 7000, 7300, 6000, 2, 1, .packets = 5 },
	    { 7300, 7600, 6000, 3, 2, .packets = 9 } },
	  "lost 7200-7300 5 (no right to)\ncovered 7300-7500 9\n" },
	{ "a file that cannot be read, within one that can",
	  { { 7000, 7450, 6000, 2, 1, .packets = 5 },
	    { 7300, 7400, 7300, 3, 0, .packets = 7, .lost = "bad" },
	    { 7450, 7600, 7300, 4, 3, .packets = 9 } },
	  "covered 7200-7450 5\nlost 7300-7400 7 (bad)\ncovered 7450-7500 9\n" },
	{ "the last one cannot be read and has no end",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 }, { 7300, 0, 0, 3, 0, .lost = "bad" } },
	  "covered 7200-7300 5\nlost 7300-7500 (bad)\n" },
	{ "without metadata",
	  { { 7000, .sequence = 2, .is_unknown = true },
	    { 7300, .sequence = 3, .is_unknown = true } },
	  "unknown 7200-7500 (a file without metadata: its end is not known)\n" },
	{ "without metadata, but the next one has them",
	  { { 7000, 7250, 6000, 2, 1, .is_unknown = true },
	    { 7300, 7600, 6000, 3, 2, .packets = 7 } },
	  "covered 7200-7500 7\n",
	  .is_complete = true },
	{ "without metadata, and the next one began later",
	  { { 7000, 7250, 6000, 2, 1, .is_unknown = true },
	    { 7300, 7600, 7280, 3, 0, .packets = 7 } },
	  "unknown 7200-7280 (a file without metadata: its end is not known)\nsilent 7280-7300\n"
	  "covered 7300-7500 7\n" },
	{ "of a recorder that says nothing of the time before",
	  { { 7000, 7300, 0, 2, 0, .packets = 5 }, { 7350, 7600, 0, 3, 0, .packets = 7 } },
	  "covered 7200-7300 5\nunknown 7300-7350 (no file says what was then)\ncovered 7350-7500 7\n" },
	{ "of a recorder that says nothing of the time before, and left none out",
	  { { 7000, 7300, 0, 2, 0, .packets = 5 }, { 7300, 7600, 0, 3, 0, .packets = 7 } },
	  "covered 7200-7500 12\n",
	  .is_complete = true },
	{ "the clock was set back",
	  { { 7000, 7400, 6000, 2, 1, .packets = 5 }, { 7300, 7600, 7300, 3, 0, .packets = 7 } },
	  "covered 7200-7500 12\n",
	  .is_complete = true },
	{ "a file without a packet",
	  { { 7000, 7300, 6000, 2, 1 }, { 7300, 7600, 6000, 3, 2, .packets = 7 } },
	  "silent 7200-7300\ncovered 7300-7500 7\n",
	  .is_complete = true },
	{ "twice, in another order",
	  { { 7300, 7600, 6000, 3, 2, .packets = 7 },
	    { 7000, 7300, 6000, 2, 1, .packets = 5 },
	    { 7300, 7600, 6000, 3, 2, .packets = 7 },
	    { 7000, 7300, 6000, 2, 1, .is_unknown = true } },
	  "covered 7200-7500 12\n",
	  .is_complete = true },
	{ "dropped in the window",
	  { { 7200, 7300, 6000, 2, 1, .packets = 5, .drops.count[DROP_KERNEL] = 1204 },
	    { 7300, 7600, 6000, 3, 2, .packets = 7 } },
	  "covered 7200-7500 12\ndrops 7200-7300 1204 (1,204 packets dropped by the kernel)\n" },
	{ "dropped, perhaps before the window",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5, .drops.count[DROP_INTERFACE] = 1 },
	    { 7300, 7600, 6000, 3, 2, .packets = 7, .drops.count[DROP_INTERFACE] = 1234567 } },
	  "drops 7000-7600 1234568 (up to 1,234,568 packets dropped by the interface)\ncovered 7200-7500 12\n" },
	{ "dropped outside of the window",
	  { { 7000, 7200, 6000, 2, 1, .packets = 5, .drops.count[DROP_KERNEL] = 9 },
	    { 7200, 7500, 6000, 3, 2, .packets = 7 },
	    { 7500, 7600, 6000, 4, 3, .packets = 7, .drops.count[DROP_KERNEL] = 9 } },
	  "covered 7200-7500 7\n",
	  .is_complete = true },
	{ "lost with the disk and the budget",
	  { { 7200, 7500, 6000, 2, 1, .packets = 5,
	      .drops.count = { [DROP_BUDGET] = 1, [DROP_DISK] = 2 } } },
	  "covered 7200-7500 5\nlost 7200-7500 1 (1 packet lost (budget))\nlost 7200-7500 2 (2 packets lost (disk))\n" },
	{ "a file that was deleted to make room",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5 },
	    { 7400, 7600, 6000, 4, 3, .packets = 7,
	      .stated = "eth0 2026-11-23T02:01:40Z 2026-11-23T02:03:20Z 99 budget" } },
	  "covered 7200-7300 5\nmissing 7300-7400 (segment 3 of eth0 is " ABSENT ")\n"
	  "lost 7300-7400 99 (99 packets lost (budget))\ncovered 7400-7500 7\n" },
	{ "losses of others, of several, of any time",
	  { { 7000, 7600, 6000, 4, 3, .packets = 7,
	      .stated = "eth1 2026-11-23T02:01:40Z 2026-11-23T02:03:20Z 9 disk, * - - 8 rejected, "
			"eth0 2026-11-23T01:01:40Z 2026-11-23T01:03:20Z 7 disk" } },
	  "* lost 0-0 8 (up to 8 packets lost (rejected))\ncovered 7200-7500 7\neth1 lost 7300-7400 9 (9 packets lost (disk))\n" },
	{ "the losses of a file that is there twice",
	  { { 7000, 7600, 6000, 4, 3, .packets = 7,
	      .stated = "eth0 2026-11-23T02:01:40Z 2026-11-23T02:03:20Z 9 disk" },
	    { 7000, 7600, 6000, 4, 3, .packets = 7,
	      .stated = "eth0 2026-11-23T02:01:40Z 2026-11-23T02:03:20Z 9 disk" } },
	  "covered 7200-7500 7\nlost 7300-7400 9 (9 packets lost (disk))\n" },
	{ "an interface whose name is not that of its files",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5, .interface = "eth0:1" },
	    { 7300, .sequence = 3, .is_unknown = true, .interface = "eth0-1" },
	    { 7400, 7600, 6000, 4, 3, .packets = 5, .interface = "eth0:1" } },
	  "eth0:1 covered 7200-7500 10\n",
	  .is_complete = true },
	{ "ends before it begins",
	  { { 7300, 7100, 6000, 1, 0, .packets = 5 }, { 7350, 7600, 6000, 2, 1, .packets = 5 } },
	  "silent 7200-7350\ncovered 7350-7500 5\n",
	  .is_complete = true },
	{ "without metadata, and with a break in it",
	  { { 7000, 7250, 6000, 2, 1, .is_unknown = true },
	    { 7300, 7600, 7280, 3, 2, .packets = 7 } },
	  "unknown 7200-7280 (a file without metadata: its end is not known)\nsilent 7280-7300\n"
	  "covered 7300-7500 7\n" },
	{ "missing where the window ends",
	  { { 7000, 7500, 6000, 2, 1, .packets = 5 }, { 7500, 7600, 6000, 4, 3, .packets = 7 } },
	  "covered 7200-7500 5\n",
	  .is_complete = true },
	{ "files that end when they are full",
	  { { 7000, 7300, 6000, 2, 1, .packets = 5, .is_ageless = true } },
	  "covered 7200-7300 5\nnewer 7300-7500 (" STILL_THERE ")\n" },
	{ "nothing", { { 0 } }, "" },
};

static size_t count_files(const struct coverage_case *c)
{
	size_t count = 0;

	while (count < ARRAY_LENGTH(c->files) && c->files[count].start > 0)
		count++;
	return count;
}

static void test_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const struct coverage_case *c = &cases[i];
		size_t count = count_files(c);
		uint64_t now = at(c->now ? c->now : 20000);

		/* In any order. */
		for (size_t turn = 0; turn < (count ? count : 1); turn++) {
			struct coverage *coverage = coverage_new(the_window(), now);
			char found[2048];
			struct text text = text_over(found, sizeof found);

			for (size_t j = 0; j < count; j++)
				add_file(coverage, &c->files[(j + turn) % count]);
			coverage_each(coverage, print_interval, &text);
			if (strcmp(found, c->expected) != 0)
				fail_msg("%s (%zu):\n%s--- not ---\n%s", c->name, turn, found,
					 c->expected);
			if (coverage_is_complete(coverage) != c->is_complete)
				fail_msg("%s: %scomplete", c->name, c->is_complete ? "not " : "");
			coverage_free(coverage);
		}
	}
	coverage_free(NULL);
}

static void test_asked_again_after_more_was_added(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(20000));
	static const struct file files[] = { { 7000, 7300, 6000, 2, 1, .packets = 5 },
					     { 7400, 7600, 6000, 4, 3, .packets = 7 },
					     { 7300, 7400, 6000, 3, 2, .packets = 6 } };
	char found[512];
	struct text text = text_over(found, sizeof found);

	(void)state;
	assert_int_equal(coverage_earliest_ns(coverage), 0);
	add_file(coverage, &files[0]);
	add_file(coverage, &files[1]);
	assert_false(coverage_is_complete(coverage));
	add_file(coverage, &files[2]);
	assert_true(coverage_is_complete(coverage));
	coverage_each(coverage, print_interval, &text);
	assert_string_equal(found, "covered 7200-7500 18\n");
	assert_int_equal(coverage_earliest_ns(coverage), at(7000));
	coverage_free(coverage);
}

/* Without a file, what was asked for is not silent. */
static void test_nodes_and_interfaces_that_are_expected(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(20000));
	static const struct file file = { 7000, 7600, 6000, 2, 1, .packets = 5 };
	static const char unknown[] =
		"unknown 7200-7500 (no file is in the bucket: no packets, not recorded, or not uploaded)\n";
	char found[1024], expected[1024];
	struct text text = text_over(found, sizeof found);

	(void)state;
	coverage_expect(coverage, "n", NULL);
	coverage_expect(coverage, "n", "eth0");
	coverage_expect(coverage, "n", "eth1");
	coverage_expect(coverage, "p", NULL);
	coverage_each(coverage, print_interval, &text);
	(void)snprintf(expected, sizeof expected, "* %s%seth1 %s* %s", unknown, unknown, unknown,
		       unknown);
	assert_string_equal(found, expected);
	add_file(coverage, &file);
	text = text_over(found, sizeof found);
	coverage_each(coverage, print_interval, &text);
	(void)snprintf(expected, sizeof expected, "covered 7200-7500 5\neth1 %s* %s", unknown,
		       unknown);
	assert_string_equal(found, expected);
	coverage_free(coverage);
}

static void add_node(struct coverage *coverage, const char *node, const char *interface,
		     const struct file *file)
{
	struct segment segment;

	make_segment(file, &segment);
	(void)snprintf(segment.node, sizeof segment.node, "%s", node);
	(void)snprintf(segment.interface, sizeof segment.interface, "%s", interface);
	coverage_add(coverage, &segment, true);
}

static char *write_text(struct coverage *coverage, bool is_verbose)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	coverage_write_text(coverage, out, is_verbose);
	assert_int_equal(fclose(out), 0);
	return text;
}

static const struct file whole = { 7200, 7500, 6000, 2, 1, .packets = 5 };
static const struct file dropped = {
	7200, 7500, 6000, 2, 1, .packets = 5, .drops.count[DROP_KERNEL] = 1204
};
static const struct file before_stop = { 7200, 7390, 6000, 2, 1, "stop", .packets = 5 };
static const struct file after_stop = { 7392, 7500, 7392, 3, 0, .packets = 5 };

static void test_text(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(7500));
	cleanup_free char *brief = NULL, *all = NULL;

	(void)state;
	add_node(coverage, "node-1", "eth0", &whole);
	add_node(coverage, "node-3", "eth0", &dropped);
	add_node(coverage, "node-3", "eth1", &whole);
	add_node(coverage, "node-2\x1b[2J\n", "e\x07th", &before_stop);
	add_node(coverage, "node-2\x1b[2J\n", "e\x07th", &after_stop);
	brief = write_text(coverage, false);
	assert_string_equal(
		brief,
		"coverage: 1 of 3 nodes complete\n"
		"  node-2 [2J  e th  02:03:10 to 02:03:12 not recorded (recorder was not running)\n"
		"  node-3 eth0  02:00:00 to 02:05:00 dropped (1,204 packets dropped by the kernel)\n");
	all = write_text(coverage, true);
	assert_string_equal(
		all,
		"coverage: 1 of 3 nodes complete\n"
		"  node-1 eth0  02:00:00 to 02:05:00 covered\n"
		"  node-2 [2J  e th  02:00:00 to 02:03:10 covered\n"
		"  node-2 [2J  e th  02:03:10 to 02:03:12 not recorded (recorder was not running)\n"
		"  node-2 [2J  e th  02:03:12 to 02:05:00 covered\n"
		"  node-3 eth0  02:00:00 to 02:05:00 covered\n"
		"  node-3 eth0  02:00:00 to 02:05:00 dropped (1,204 packets dropped by the kernel)\n"
		"  node-3 eth1  02:00:00 to 02:05:00 covered\n");
	coverage_free(coverage);
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* What concerns all nodes hides nothing that concerns one. */
static void test_text_is_short(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(7500));
	cleanup_free char *brief = NULL, *all = NULL;
	static const struct file newer = { 7200, 7400, 6000, 2, 1, .packets = 5 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		char node[32];

		(void)snprintf(node, sizeof node, "node-%03d", i);
		add_node(coverage, node, "eth0", i < 4 ? &newer : &dropped);
	}
	brief = write_text(coverage, false);
	assert_int_equal(count_lines(brief), 1 + 50 + 1);
	assert_non_null(strstr(brief, "coverage: 0 of 100 nodes complete\n"));
	assert_non_null(strstr(
		brief,
		"node-000 eth0  02:03:20 to 02:05:00 newer than the bucket (" STILL_THERE ")\n"));
	assert_non_null(strstr(brief, "\n  ... and 50 more (--json has all)\n"));
	add_node(coverage, "node-100", "eth0", &newer);
	free(take_ptr(brief));
	brief = write_text(coverage, false);
	assert_int_equal(count_lines(brief), 1 + 50 + 1);
	assert_non_null(strstr(
		brief,
		"101 nodes complete\n  5 interfaces: the newest packets are not in the bucket, of "
		"the first from 02:03:20 on; if they are still on the nodes: run kube-node-tracer "
		"flush there, then fetch again\n  node-004 eth0 "));
	assert_null(strstr(brief, "newer than"));
	assert_non_null(strstr(brief, "\n  ... and 47 more (--json has all)\n"));
	all = write_text(coverage, true);
	assert_int_equal(count_lines(all), 1 + 2 * 101);
	coverage_free(coverage);
}

/* On the node itself nothing newer is anywhere: no bucket is spoken of, and no flush would help. */
static void test_the_end_on_the_node(void **state)
{
	static const struct file ends[] = { { 7000, 7300, 6000, 2, 1, .packets = 5 },
					    { 7000, 7300, 6000, 2, 1, "stop", .packets = 5 } };
	static const char *const details[] = {
		"no newer file is on this node: no packets, or not recorded",
		"recorder was stopped; no newer file is on this node"
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct coverage *coverage = coverage_new(the_window(), at(7500));
		cleanup_free char *few = NULL, *many = NULL;
		char node[32];

		coverage_set_here(coverage);
		add_node(coverage, "node", "eth0", &ends[i]);
		few = write_text(coverage, false);
		assert_non_null(strstr(few, "02:05:00 newer than what is on this node ("));
		assert_non_null(strstr(few, details[i]));
		for (unsigned j = 0; j < 6; j++) {
			(void)snprintf(node, sizeof node, "eth%u", j + 1);
			add_node(coverage, "node", node, &ends[i]);
		}
		many = write_text(coverage, false);
		assert_non_null(strstr(many, "7 interfaces: nothing newer is on this node, of the "
					     "first from 02:01:40 on\n"));
		assert_null(strstr(many, "bucket"));
		assert_null(strstr(many, "flush"));
		coverage_free(coverage);
	}
}

static void test_clocks_and_recordings(void **state)
{
	static const struct {
		const char *node, *clock, *filter;
		uint64_t snaplen;
	} nodes[] = { { "a", "synchronised, error 100.0 ms", "port 53", 96 },
		      { "b", "synchronised, error 100.1 ms", "port 53", 96 },
		      { "c", "unsynchronised, error 16000.0 ms", "", 96 },
		      { "d", "unknown", "", 262144 },
		      { "e", "", "tcp", 0 } };
	struct coverage *coverage = coverage_new(the_window(), at(7500));
	cleanup_free char *brief = NULL;
	char bytes[256];
	struct text text = text_over(bytes, sizeof bytes);
	struct segment segment;

	(void)state;
	coverage_describe_recording(coverage, &text);
	assert_string_equal(bytes, "");
	for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++) {
		make_segment(&whole, &segment);
		(void)snprintf(segment.node, sizeof segment.node, "%s", nodes[i].node);
		(void)snprintf(segment.clock, sizeof segment.clock, "%s", nodes[i].clock);
		(void)snprintf(segment.filter, sizeof segment.filter, "%s", nodes[i].filter);
		segment.snaplen = nodes[i].snaplen;
		coverage_add(coverage, &segment, true);
		if (i == 1) {
			coverage_describe_recording(coverage, &text);
			assert_string_equal(bytes,
					    "recorded only 'port 53', 96 bytes of each packet");
		}
	}
	text = text_over(bytes, sizeof bytes);
	coverage_describe_recording(coverage, &text);
	assert_string_equal(
		bytes, "recorded only 'port 53', 96 bytes of each packet; 96 bytes of each packet; "
		       "everything; and 1 more");
	brief = write_text(coverage, false);
	assert_string_equal(
		brief,
		"coverage: 5 of 5 nodes complete\n"
		"  b  clock wrong by up to 0.1 s: order against other nodes is not reliable\n"
		"  c  clock not synchronised, wrong by up to 16.0 s: order against other nodes is not reliable\n");
	coverage_free(coverage);

	/* What does not touch the window says nothing of it; and all is all. */
	coverage = coverage_new(the_window(), at(7500));
	add_file(coverage, &whole);
	make_segment(&(struct file){ 7500, 7600, 6000, 3, 2 }, &segment);
	(void)snprintf(segment.filter, sizeof segment.filter, "icmp");
	(void)snprintf(segment.clock, sizeof segment.clock, "unsynchronised, error 1.0 ms");
	coverage_add(coverage, &segment, true);
	text = text_over(bytes, sizeof bytes);
	coverage_describe_recording(coverage, &text);
	assert_string_equal(bytes, "");
	assert_true(coverage_is_complete(coverage));
	coverage_free(coverage);
}

static void test_totals_of_an_interface(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(7500));
	struct coverage_totals totals;

	(void)state;
	add_node(coverage, "a", "eth0", &before_stop);
	add_node(coverage, "a", "eth0", &after_stop);
	add_node(coverage, "b", "eth0", &dropped);
	coverage_of(coverage, "a", "eth0", &totals);
	assert_int_equal(totals.start_ns, at(7200));
	assert_int_equal(totals.end_ns, at(7500));
	assert_int_equal(totals.drops, 0);
	assert_string_equal(totals.comment,
			    "02:03:10 to 02:03:12 not recorded (recorder was not running)");
	coverage_of(coverage, "b", "eth0", &totals);
	assert_int_equal(totals.drops, 1204);
	assert_string_equal(totals.comment,
			    "02:00:00 to 02:05:00 dropped (1,204 packets dropped by the kernel)");
	add_node(coverage, "d", "eth0",
		 &(struct file){ 7200, 7500, 6000, 2, 1, .drops.count[DROP_BUDGET] = 7 });
	coverage_of(coverage, "d", "eth0", &totals);
	assert_int_equal(totals.drops, 7);
	coverage_of(coverage, "a", "eth1", &totals);
	assert_int_equal(totals.end_ns, 0);
	coverage_of(coverage, "z", "eth0", &totals);
	assert_string_equal(totals.comment, "");
	for (unsigned i = 0; i < 40; i++) /* more than there is room for */
		add_node(coverage, "c", "eth0",
			 &(struct file){ 7200 + 4 * i, 7201 + 4 * i, 7200 + 4 * i, 10 + i, 0,
					 .packets = 1 });
	coverage_of(coverage, "c", "eth0", &totals);
	assert_int_equal(strlen(totals.comment), sizeof totals.comment - 1);
	assert_string_equal(totals.comment + sizeof totals.comment - 5,
			    totals.comment + strlen(totals.comment) - 4);
	assert_string_equal(totals.comment + strlen(totals.comment) - 3, "...");
	coverage_free(coverage);
}

static void test_json(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(7500));
	json_t *object, *sources, *interval;

	(void)state;
	add_node(coverage, "a\xff", "eth0", &before_stop);
	add_node(coverage, "a\xff", "eth0", &after_stop);
	add_node(coverage, "b", "eth0", &whole);
	object = coverage_write_json(coverage);
	assert_string_equal(json_string_value(json_object_get(object, "from")),
			    "2026-11-23T02:00:00Z");
	assert_string_equal(json_string_value(json_object_get(object, "to")),
			    "2026-11-23T02:05:00Z");
	assert_int_equal(json_integer_value(json_object_get(object, "nodes")), 2);
	assert_int_equal(json_integer_value(json_object_get(object, "nodes_complete")), 1);
	assert_true(json_is_false(json_object_get(object, "complete")));
	sources = json_object_get(object, "sources");
	assert_int_equal(json_array_size(sources), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(sources, 0), "node")),
			    "a?");
	interval = json_array_get(json_object_get(json_array_get(sources, 0), "intervals"), 1);
	assert_string_equal(json_string_value(json_object_get(interval, "state")), "not-running");
	assert_string_equal(json_string_value(json_object_get(interval, "from")),
			    "2026-11-23T02:03:10Z");
	assert_string_equal(json_string_value(json_object_get(interval, "detail")),
			    "recorder was not running");
	assert_int_equal(json_array_size(json_object_get(object, "clocks")), 0);
	assert_int_equal(json_array_size(json_object_get(object, "recorded")), 1);
	json_decref(object);
	coverage_free(coverage);
}

/* Evidence 9.8: a model of a recording with faults ------------------------------------------------ */

enum truth {
	DOWN,
	IDLE,
	IN_FILE
};
enum fate {
	KEPT,
	DELETED,
	UNREADABLE,
	WITHOUT_METADATA
};

#define MODEL_FILES 200

struct model {
	struct file files[MODEL_FILES];
	enum fate fate[MODEL_FILES];
	int run[MODEL_FILES]; /* without a break */
	size_t count;
	enum truth truth[TO]; /* of each second */
	int owner[TO], run_of[TO];
};

static unsigned choose(unsigned limit)
{
	uint64_t random;

	unit_random(&random, sizeof random);
	return (unsigned)(random % limit);
}

/* Runs with breaks between, each of files with idle time between. */
static void make_model(struct model *model)
{
	unsigned now = FROM - 300 + choose(300);
	uint64_t sequence = choose(1000) + 1;

	*model = (struct model){ .count = 0 };
	for (int run = 1; now < TO; run++) {
		unsigned since = now, end = now + 1 + choose(200);
		uint64_t previous = 0;

		for (; now < end && now < TO && model->count < MODEL_FILES; now++) {
			struct file *file = &model->files[model->count];
			unsigned length = 1 + choose(30);

			if (choose(3) == 0) { /* idle for a while */
				for (unsigned i = choose(20); i > 0 && now < TO; i--, now++) {
					model->truth[now] = IDLE;
					model->run_of[now] = run;
				}
			}
			if (now + length >= TO)
				length = now < TO ? TO - now : 1;
			*file = (struct file){ now,      now + length, since,
					       sequence, previous,     .packets = 1 };
			model->fate[model->count] = (enum fate)(choose(3) == 0 ? choose(4) : KEPT);
			file->is_unknown = model->fate[model->count] == WITHOUT_METADATA;
			file->lost = model->fate[model->count] == UNREADABLE ? "bad" : NULL;
			model->run[model->count] = run;
			for (unsigned i = now; i < now + length && i < TO; i++) {
				model->truth[i] = IN_FILE;
				model->owner[i] = (int)model->count;
				model->run_of[i] = run;
			}
			previous = sequence++;
			now += length - 1;
			model->count++;
		}
		if (choose(2) == 0)
			sequence += choose(2) * 1000; /* a crash */
		now += 1 + choose(20);
	}
}

/* A file of the bucket that lies behind this second, of this run (0: of any), and says what was before it. */
static bool is_file_behind(const struct model *model, unsigned second, int run, bool has_metadata)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->files[i].start >= second && model->fate[i] != DELETED &&
		    (run == 0 || model->run[i] == run))
			return !has_metadata || model->fate[i] != WITHOUT_METADATA;
	return false;
}

struct verdict {
	enum coverage_state state[TO];
	bool is_hedged[TO], is_set[TO];
};

static void note_verdict(void *context, const struct coverage_interval *interval)
{
	struct verdict *verdict = context;

	for (uint64_t ns = interval->from_ns; ns < interval->to_ns; ns += CLOCK_NS_PER_S) {
		size_t second = (ns - MIDNIGHT_NS) / CLOCK_NS_PER_S;

		assert_false(verdict->is_set[second]); /* each second has one state */
		verdict->is_set[second] = true;
		verdict->state[second] = interval->state;
		verdict->is_hedged[second] = strstr(interval->detail,
						    "or a file is not in the bucket") ||
					     strstr(interval->detail, "nothing earlier");
	}
}

/* What may be said of a second in a file. */
static bool is_right_in_file(const struct model *model, unsigned second,
			     const struct verdict *verdict)
{
	size_t i = (size_t)model->owner[second];
	enum coverage_state found = verdict->state[second];
	bool is_last = !is_file_behind(model, model->files[i].end, 0, false);

	switch (model->fate[i]) {
	case KEPT:
		return found == COVERAGE_COVERED;
	case UNREADABLE:
		return found == COVERAGE_LOST;
	case WITHOUT_METADATA:
		return found == COVERAGE_COVERED || found == COVERAGE_UNKNOWN;
	case DELETED:
		if (is_last && found == COVERAGE_NEWER)
			return true;
		if (!is_last && is_file_behind(model, second, model->run[i], true) &&
		    found == COVERAGE_MISSING)
			return true;
		if (found == COVERAGE_NOT_RUNNING)
			return verdict->is_hedged[second] &&
			       !is_file_behind(model, second, model->run[i], false);
		return found == COVERAGE_UNKNOWN;
	}
	return false;
}

/* Whether the files around an idle second are in the bucket: then it must be known to be silent. */
static bool is_provable(const struct model *model, unsigned second)
{
	size_t after = 0;
	int run = model->run_of[second];

	while (after < model->count && model->files[after].start < second)
		after++;
	if (after == model->count || model->run[after] != run || model->fate[after] == DELETED ||
	    model->fate[after] == WITHOUT_METADATA)
		return false;
	return after == 0 || model->run[after - 1] != run || model->fate[after - 1] == KEPT ||
	       model->fate[after - 1] == UNREADABLE;
}

static bool is_right(const struct model *model, unsigned second, const struct verdict *verdict)
{
	enum coverage_state found = verdict->state[second];

	switch (model->truth[second]) {
	case IN_FILE:
		return is_right_in_file(model, second, verdict);
	case IDLE:
		if (is_provable(model, second))
			return found == COVERAGE_SILENT;
		/* It had no packet; with a file that knows only its beginning, it counts as that file's. */
		return true;
	case DOWN:
		/* What nobody recorded is never called recorded. */
		return found != COVERAGE_COVERED && found != COVERAGE_SILENT &&
		       found != COVERAGE_MISSING;
	}
	return false;
}

static void test_a_recording_with_faults(void **state)
{
	struct model *model = mem_calloc(1, sizeof *model);

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct coverage *coverage = coverage_new(the_window(), at(20000));
		struct verdict verdict = { .is_set = { false } };
		size_t shift, added = 0;

		make_model(model);
		shift = choose((unsigned)model->count);
		for (size_t i = 0; i < model->count; i++) {
			size_t j = (i + shift) % model->count;

			if (model->fate[j] == DELETED)
				continue;
			add_file(coverage, &model->files[j]);
			added++;
		}
		coverage_each(coverage, note_verdict, &verdict);
		for (unsigned second = FROM; added > 0 && second < TO; second++) {
			assert_true(verdict.is_set[second]);
			if (!is_right(model, second, &verdict))
				fail_msg("round %d, second %u: truth %d, fate %d, found %s", round,
					 second, (int)model->truth[second],
					 (int)model->fate[model->owner[second]],
					 coverage_state_names[verdict.state[second]]);
		}
		coverage_free(coverage);
	}
	free(model);
}

/* 10,000 nodes with 128 files: in a time and in a memory that nobody notices. */
static void test_a_large_fleet(void **state)
{
	struct coverage *coverage = coverage_new(the_window(), at(20000));
	uint64_t begin_ms = clock_monotonic_ms();
	struct segment segment;

	(void)state;
	make_segment(&whole, &segment);
	for (unsigned i = 0; i < 128; i++)
		for (unsigned j = 0; j < 1000; j++) {
			(void)snprintf(segment.node, sizeof segment.node, "node-%u", j);
			segment.sequence = i + 1;
			segment.previous = i;
			segment.start_ns = at(7200) + i * 300 * CLOCK_NS_PER_S / 128;
			segment.end_ns = at(7200) + (i + 1) * 300 * CLOCK_NS_PER_S / 128;
			coverage_add(coverage, &segment, true);
		}
	assert_true(coverage_is_complete(coverage));
	assert_true(clock_monotonic_ms() - begin_ms < 30000);
	coverage_free(coverage);
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_asked_again_after_more_was_added),
		cmocka_unit_test(test_nodes_and_interfaces_that_are_expected),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_is_short),
		cmocka_unit_test(test_the_end_on_the_node),
		cmocka_unit_test(test_clocks_and_recordings),
		cmocka_unit_test(test_totals_of_an_interface),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_a_recording_with_faults),
		cmocka_unit_test(test_a_large_fleet),
	};

	unit_add(tests, NULL, NULL);
}
