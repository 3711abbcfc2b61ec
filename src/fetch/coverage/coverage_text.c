/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/coverage/coverage_private.h"
#include "fetch/json_text.h"
#include "packet/packet.h"

#define LINES_MAX 50
#define LINE_MAX  640
/* So many interfaces whose newest packets are still on the node have lines of their own. */
#define NEWER_LINES_MAX 4
/* A clock that is wrong by more than this says little of the order of packets of two nodes. */
#define CLOCK_ERROR_US UINT64_C(100000)

static bool is_gap(const struct coverage_interval *interval)
{
	return interval->state != COVERAGE_COVERED && interval->state != COVERAGE_SILENT;
}

static void append_time(const struct coverage *coverage, uint64_t ns, struct text *text)
{
	char time[TEXT_TIME_MAX] = "?";

	if (ns > 0)
		when_format(ns, coverage->window.from_ns, time);
	text_append(text, "%s", time);
}

void coverage_append_interval(const struct coverage *coverage,
			      const struct coverage_interval *interval, struct text *text)
{
	static const char *const words[COVERAGE_STATES] = {
		[COVERAGE_COVERED] = "covered", [COVERAGE_SILENT] = "covered, no packet",
		[COVERAGE_MISSING] = "missing", [COVERAGE_NOT_RUNNING] = "not recorded",
		[COVERAGE_UNKNOWN] = "unknown", [COVERAGE_NEWER] = "newer than the bucket",
		[COVERAGE_LOST] = "lost",       [COVERAGE_DROPS] = "dropped",
	};

	append_time(coverage, interval->from_ns, text);
	text_append(text, " to ");
	append_time(coverage, interval->to_ns, text);
	text_append(text, " %s",
		    interval->state == COVERAGE_NEWER && coverage->is_here
			    ? "newer than what is on this node"
			    : words[interval->state]);
	if (interval->detail[0])
		text_append(text, " (%s)", interval->detail);
}

/* Totals --------------------------------------------------------------------------------------- */

struct summary {
	struct coverage *coverage;
	bool *is_incomplete;    /* by node */
	uint64_t gaps, newer;   /* intervals; the latter are of both */
	uint64_t newer_from_ns; /* the earliest */
	const char *node;       /* of the last interval, */
	uint32_t node_number;   /* and its number */
};

static void count_interval(void *context, const struct coverage_interval *interval)
{
	struct summary *summary = context;

	if (!is_gap(interval))
		return;
	summary->gaps++;
	if (interval->state == COVERAGE_NEWER) {
		if (summary->newer++ == 0 || interval->from_ns < summary->newer_from_ns)
			summary->newer_from_ns = interval->from_ns;
	}
	if (summary->node != interval->node) {
		summary->node = interval->node;
		summary->node_number = interned_find(&summary->coverage->nodes, interval->node);
	}
	summary->is_incomplete[summary->node_number] = true;
}

/* Returns the number of complete nodes. The caller frees is_incomplete. */
static uint32_t sum_up(struct coverage *coverage, struct summary *ret_summary)
{
	uint32_t complete = 0;

	coverage_sort(coverage);
	*ret_summary = (struct summary){
		.coverage = coverage,
		.is_incomplete = mem_calloc(coverage->nodes.count + 1, sizeof(bool)),
	};
	coverage_each(coverage, count_interval, ret_summary);
	for (uint32_t i = 0; i < coverage->nodes.count; i++)
		complete += !ret_summary->is_incomplete[i];
	return complete;
}

bool coverage_is_complete(struct coverage *coverage)
{
	struct summary summary;
	bool is_complete = sum_up(coverage, &summary) == coverage->nodes.count &&
			   coverage->nodes.count > 0 && coverage->more_pieces == 0 &&
			   coverage->more_losses == 0;

	free(summary.is_incomplete);
	return is_complete;
}

void coverage_of(struct coverage *coverage, const char *node, const char *interface,
		 struct coverage_totals *ret_totals)
{
	struct coverage_totals totals = { .start_ns = 0 };
	struct text comment = text_over(totals.comment, sizeof totals.comment);
	const struct coverage_source *source = coverage_find(coverage, node, interface);

	if (source) {
		coverage_sort(coverage);
		coverage_derive(coverage, source);
	}
	for (size_t i = 0; source && i < coverage->interval_count; i++) {
		const struct coverage_interval *interval = &coverage->intervals[i];

		if (is_gap(interval)) {
			text_append(&comment, "%s", comment.length > 0 ? "; " : "");
			coverage_append_interval(coverage, interval, &comment);
		} else {
			if (totals.start_ns == 0)
				totals.start_ns = interval->from_ns;
			totals.end_ns = interval->to_ns;
		}
		if (interval->state == COVERAGE_DROPS || interval->state == COVERAGE_LOST)
			totals.drops += interval->packets;
	}
	if (comment.is_cut)
		memcpy(totals.comment + sizeof totals.comment - sizeof "...", "...", sizeof "...");
	*ret_totals = totals;
}

void coverage_describe_recording(const struct coverage *coverage, struct text *out)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < coverage->recordings.count; i++) {
		const char *filter = strchr(coverage->recordings.list[i], ' ') + 1;
		uint64_t snaplen = strtoull(coverage->recordings.list[i], NULL, 10);
		bool is_cut = snaplen > 0 && snaplen < FORMAT_CAPTURED_MAX;

		if (!*filter && !is_cut && coverage->recordings.count == 1)
			return;
		if (count++ == 3) {
			text_append(out, "; and %u more", coverage->recordings.count - 3);
			return;
		}
		text_append(out, "%s", count > 1 ? "; " : "recorded only ");
		if (*filter)
			text_append(out, "'%s'", filter);
		if (is_cut)
			text_append(out, "%s%" PRIu64 " bytes of each packet", *filter ? ", " : "",
				    snaplen);
		if (!*filter && !is_cut)
			text_append(out, "everything");
	}
}

/* Text ----------------------------------------------------------------------------------------- */

struct lines {
	struct coverage *coverage;
	FILE *out;
	bool is_verbose;
	bool does_join_newer; /* in one line */
	uint64_t count;
};

static void write_line(struct lines *lines, const char *line)
{
	if (lines->count++ < LINES_MAX || lines->is_verbose)
		(void)fprintf(lines->out, "  %s\n", line);
}

static void write_interval(void *context, const struct coverage_interval *interval)
{
	struct lines *lines = context;
	char line[LINE_MAX];
	struct text text = text_over(line, sizeof line);

	if ((!is_gap(interval) && !lines->is_verbose) ||
	    (interval->state == COVERAGE_NEWER && lines->does_join_newer))
		return;
	text_append(&text, "%s %s  ", interval->node, interval->interface);
	coverage_append_interval(lines->coverage, interval, &text);
	write_line(lines, line);
}

static void write_newer(struct lines *lines, const struct summary *summary)
{
	char line[LINE_MAX];
	struct text text = text_over(line, sizeof line);

	coverage_append_count(&text, summary->newer);
	text_append(&text, " interfaces: %s, of the first from ",
		    lines->coverage->is_here ? "nothing newer is on this node"
					     : "the newest packets are not in the bucket");
	append_time(lines->coverage, summary->newer_from_ns, &text);
	text_append(&text, " on%s",
		    lines->coverage->is_here
			    ? ""
			    : "; if they are still on the nodes: run kube-node-tracer flush "
			      "there, then fetch again");
	write_line(lines, line);
}

static bool is_clock_wrong(const struct coverage_node *node)
{
	return node->is_unsynchronised || node->clock_error_us > CLOCK_ERROR_US;
}

static void write_clocks(struct lines *lines)
{
	for (uint32_t i = 0; i < lines->coverage->nodes.count; i++) {
		const struct coverage_node *node = &lines->coverage->node_list[i];
		char line[LINE_MAX];

		if (!is_clock_wrong(node))
			continue;
		(void)snprintf(
			line, sizeof line,
			"%s  clock%s wrong by up to %.1f s: order against other nodes is not reliable",
			lines->coverage->nodes.list[i],
			node->is_unsynchronised ? " not synchronised," : "",
			(double)node->clock_error_us / 1e6);
		write_line(lines, line);
	}
}

static void write_more(struct lines *lines)
{
	char line[LINE_MAX];
	struct text text = text_over(line, sizeof line);

	if (lines->coverage->more_pieces > 0) {
		coverage_append_count(&text, lines->coverage->more_pieces);
		text_append(&text, " more files, of which nothing is said here");
		write_line(lines, line);
	}
	text = text_over(line, sizeof line);
	if (lines->coverage->more_losses > 0) {
		coverage_append_count(&text, lines->coverage->more_losses);
		text_append(&text, " more packets lost");
		write_line(lines, line);
	}
}

void coverage_write_text(struct coverage *coverage, FILE *out, bool is_verbose)
{
	struct summary summary;
	uint32_t complete = sum_up(coverage, &summary);
	struct lines lines = { .coverage = coverage, .out = out, .is_verbose = is_verbose };

	free(summary.is_incomplete);
	lines.does_join_newer = !is_verbose && summary.newer > NEWER_LINES_MAX;
	(void)fprintf(out, "coverage: %" PRIu32 " of %" PRIu32 " node%s complete\n", complete,
		      coverage->nodes.count, coverage->nodes.count == 1 ? "" : "s");
	/* First what concerns many, so that it is not among those that are left out. */
	write_more(&lines);
	if (lines.does_join_newer)
		write_newer(&lines, &summary);
	coverage_each(coverage, write_interval, &lines);
	write_clocks(&lines);
	if (lines.count > LINES_MAX && !is_verbose)
		(void)fprintf(out, "  ... and %" PRIu64 " more (--json has all)\n",
			      lines.count - LINES_MAX);
}

/* JSON ----------------------------------------------------------------------------------------- */

static void add_time(json_t *object, const char *key, uint64_t ns)
{
	char time[TEXT_TIME_MAX];

	if (ns == 0)
		return;
	text_format_time(ns, time);
	(void)json_object_set_new(object, key, json_string(time));
}

static json_t *make_integer(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

struct interval_list {
	json_t *sources, *intervals; /* the latter of the last source */
	const char *node, *interface;
};

static void add_interval(void *context, const struct coverage_interval *interval)
{
	struct interval_list *list = context;
	json_t *object = json_object();

	if (list->node != interval->node || list->interface != interval->interface) {
		json_t *source = json_object();

		list->node = interval->node;
		list->interface = interval->interface;
		list->intervals = json_array();
		(void)json_object_set_new(source, "node", json_text(interval->node));
		(void)json_object_set_new(source, "interface", json_text(interval->interface));
		(void)json_object_set_new(source, "intervals", list->intervals);
		(void)json_array_append_new(list->sources, source);
	}
	(void)json_object_set_new(object, "state",
				  json_string(coverage_state_names[interval->state]));
	add_time(object, "from", interval->from_ns);
	add_time(object, "to", interval->to_ns);
	(void)json_object_set_new(object, "packets", make_integer(interval->packets));
	if (interval->detail[0])
		(void)json_object_set_new(object, "detail", json_text(interval->detail));
	(void)json_array_append_new(list->intervals, object);
}

static json_t *list_clocks(const struct coverage *coverage)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < coverage->nodes.count; i++) {
		const struct coverage_node *node = &coverage->node_list[i];
		json_t *object;

		if (!is_clock_wrong(node))
			continue;
		object = json_object();
		(void)json_object_set_new(object, "node", json_text(coverage->nodes.list[i]));
		(void)json_object_set_new(object, "synchronised",
					  json_boolean(!node->is_unsynchronised));
		(void)json_object_set_new(object, "error_us", make_integer(node->clock_error_us));
		(void)json_array_append_new(list, object);
	}
	return list;
}

static json_t *list_recordings(const struct coverage *coverage)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < coverage->recordings.count; i++) {
		const char *recording = coverage->recordings.list[i];
		json_t *object = json_object();

		(void)json_object_set_new(object, "filter", json_text(strchr(recording, ' ') + 1));
		(void)json_object_set_new(object, "snaplen",
					  make_integer(strtoull(recording, NULL, 10)));
		(void)json_array_append_new(list, object);
	}
	return list;
}

json_t *coverage_write_json(struct coverage *coverage)
{
	struct summary summary;
	uint32_t complete = sum_up(coverage, &summary);
	struct interval_list list = { .sources = json_array() };
	json_t *object = json_object();

	free(summary.is_incomplete);
	coverage_each(coverage, add_interval, &list);
	add_time(object, "from", coverage->window.from_ns);
	add_time(object, "to", coverage->window.to_ns);
	(void)json_object_set_new(object, "nodes", make_integer(coverage->nodes.count));
	(void)json_object_set_new(object, "nodes_complete", make_integer(complete));
	(void)json_object_set_new(object, "complete", json_boolean(coverage_is_complete(coverage)));
	(void)json_object_set_new(object, "sources", list.sources);
	(void)json_object_set_new(object, "clocks", list_clocks(coverage));
	(void)json_object_set_new(object, "recorded", list_recordings(coverage));
	(void)json_object_set_new(object, "files_left_out", make_integer(coverage->more_pieces));
	(void)json_object_set_new(object, "losses_left_out", make_integer(coverage->more_losses));
	return object;
}
