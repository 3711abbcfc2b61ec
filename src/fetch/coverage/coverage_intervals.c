/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of one interface say of the window. A file covers the time from its start to its end. Of the time
 * between two files the later one knows: since when its interface had been recorded without a break, and which file
 * ended last since then. Only if that one is in the bucket, nothing was in between.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fetch/coverage/coverage_private.h"

/* A file is uploaded this long after its end, at the latest, if all is well. */
#define UPLOAD_NS   (UINT64_C(600) * CLOCK_NS_PER_S)
#define STILL_THERE "still on the node: run kube-node-tracer flush there, then fetch again"
/* The file that ended last is one of those right before. */
#define LOOK_BACK 64

const char *const coverage_state_names[COVERAGE_STATES] = {
	[COVERAGE_COVERED] = "covered", [COVERAGE_SILENT] = "silent",
	[COVERAGE_MISSING] = "missing", [COVERAGE_NOT_RUNNING] = "not-running",
	[COVERAGE_UNKNOWN] = "unknown", [COVERAGE_NEWER] = "newer",
	[COVERAGE_LOST] = "lost",       [COVERAGE_DROPS] = "drops",
};

struct walk {
	struct coverage *coverage;
	const struct coverage_source *source;
	const struct piece *list;
	size_t count;
	uint64_t cursor_ns;                 /* everything before is explained */
	size_t last[2 * DROP_REASON_COUNT]; /* number + 1 of the last interval of a kind of drops */
};

void coverage_append_count(struct text *text, uint64_t count)
{
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);

	for (size_t i = 0; i < length; i++)
		text_append(text, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

static struct coverage_interval *append_interval(struct walk *walk, enum coverage_state state,
						 uint64_t from_ns, uint64_t to_ns)
{
	struct coverage *coverage = walk->coverage;
	struct coverage_interval *interval;

	coverage->intervals = coverage_make_room(coverage->intervals, coverage->interval_count,
						 &coverage->interval_capacity,
						 sizeof *coverage->intervals);
	interval = &coverage->intervals[coverage->interval_count++];
	*interval = (struct coverage_interval){
		.node = coverage->nodes.list[walk->source->node],
		.interface = coverage->names.list[walk->source->name],
		.from_ns = from_ns,
		.to_ns = to_ns,
		.state = state,
	};
	return interval;
}

/* The part of it that is in the window; one with the one before, if they say the same. */
static void add_interval(struct walk *walk, enum coverage_state state, uint64_t from_ns,
			 uint64_t to_ns, uint64_t packets, const char *detail)
{
	const struct window *window = &walk->coverage->window;
	size_t count = walk->coverage->interval_count;
	struct coverage_interval *last = count > 0 ? &walk->coverage->intervals[count - 1] : NULL;
	uint64_t from = from_ns > window->from_ns ? from_ns : window->from_ns;
	uint64_t to = to_ns < window->to_ns ? to_ns : window->to_ns;

	/* A file of no known time that is missing is missing. */
	if (from > to || from >= window->to_ns ||
	    (from == to && (state != COVERAGE_MISSING || from_ns != to_ns)))
		return;
	if (!last || last->state != state || last->to_ns != from ||
	    strcmp(last->detail, detail) != 0) {
		last = append_interval(walk, state, from, to);
		(void)snprintf(last->detail, sizeof last->detail, "%s", detail);
	}
	last->to_ns = to;
	last->packets += packets;
}

static bool has_sequence(const struct walk *walk, size_t i, uint64_t sequence)
{
	for (size_t j = i; j-- > 0 && i - j <= LOOK_BACK;)
		if (walk->list[j].sequence == sequence)
			return true;
	return false;
}

static void add_break(struct walk *walk, size_t i, uint64_t from_ns, uint64_t to_ns)
{
	const struct piece *before = i > 0 ? &walk->list[i - 1] : NULL, *piece = &walk->list[i];
	char detail[sizeof((struct coverage_interval *)NULL)->detail], since[TEXT_TIME_MAX];

	if (!before) {
		when_format(piece->since_ns, walk->coverage->window.from_ns, since);
		(void)snprintf(detail, sizeof detail, "recorded since %s; nothing earlier is %s",
			       since, walk->coverage->is_here ? "on this node" : "in the bucket");
	} else {
		(void)snprintf(detail, sizeof detail, "%s%s",
			       before->reason == REASON_INTERFACE ? "interface was away"
			       : before->reason == REASON_RECOVERED
				       ? "recorder was not running, after a crash"
				       : "recorder was not running",
			       piece->sequence == before->sequence + 1
				       ? ""
				       : ", or a file is not in the bucket");
	}
	add_interval(walk, COVERAGE_NOT_RUNNING, from_ns, to_ns, 0, detail);
}

/* The time between the files before and this one. */
static void explain_gap(struct walk *walk, size_t i)
{
	const struct piece *piece = &walk->list[i];
	uint64_t from = walk->cursor_ns, to = piece->start_ns;
	char detail[sizeof((struct coverage_interval *)NULL)->detail];

	if (from > to)
		from = to;
	if (piece->since_ns == 0) { /* nor without metadata */
		add_interval(walk, COVERAGE_UNKNOWN, from, to, 0, "no file says what was then");
		return;
	}
	if (piece->since_ns > from && from < to) {
		uint64_t since = piece->since_ns < to ? piece->since_ns : to;

		add_break(walk, i, from, since);
		from = since;
	}
	if (piece->previous == 0 || has_sequence(walk, i, piece->previous)) {
		add_interval(walk, COVERAGE_SILENT, from, to, 0, "");
		return;
	}
	(void)snprintf(detail, sizeof detail, "segment %" PRIu64 " of %s is %s", piece->previous,
		       walk->coverage->names.list[walk->source->name],
		       walk->coverage->is_here
			       ? "no longer on this node: uploaded, and deleted here (spool.keep)"
			       : "not in the bucket: not uploaded yet, or deleted");
	add_interval(walk, COVERAGE_MISSING, from, to, 0, detail);
}

/* Where a file ends that does not say so: at the latest where the next one, or all that it knows of, begins. */
static uint64_t find_end(const struct walk *walk, size_t i)
{
	const struct piece *piece = &walk->list[i], *next = piece + 1;

	if (piece->end_ns > 0)
		return piece->end_ns;
	if (i + 1 == walk->count)
		return UINT64_MAX;
	return next->since_ns > piece->start_ns && next->since_ns < next->start_ns ? next->since_ns
										   : next->start_ns;
}

/* The next file says that all until its start was recorded, and that no other file has any of it. */
static bool is_proven_by_next(const struct walk *walk, size_t i)
{
	const struct piece *next = i + 1 < walk->count ? &walk->list[i + 1] : NULL;

	return next && next->is_known && next->since_ns > 0 &&
	       next->since_ns <= walk->list[i].start_ns && next->previous == walk->list[i].sequence;
}

static void place_piece(struct walk *walk, size_t i)
{
	const struct piece *piece = &walk->list[i];
	uint64_t end = find_end(walk, i);
	uint64_t from = piece->start_ns > walk->cursor_ns ? piece->start_ns : walk->cursor_ns;

	if (piece->why_lost > 0)
		add_interval(walk, COVERAGE_LOST, piece->start_ns, end, piece->packets,
			     walk->coverage->whys.list[piece->why_lost - 1]);
	else if (piece->end_ns > 0 || is_proven_by_next(walk, i))
		add_interval(walk,
			     piece->is_known && piece->packets == 0 ? COVERAGE_SILENT
								    : COVERAGE_COVERED,
			     from, end, piece->packets, "");
	else
		add_interval(walk, COVERAGE_UNKNOWN, from, end, piece->packets,
			     "a file without metadata: its end is not known");
	if (end > walk->cursor_ns)
		walk->cursor_ns = end;
}

/* Kernel and interface: drops; else lost with the disk, the spool's budget, the destination. */
static void add_drops(struct walk *walk, enum drop_reason reason, bool is_stated, uint64_t from_ns,
		      uint64_t to_ns, uint64_t packets)
{
	bool is_dropped = reason == DROP_KERNEL || reason == DROP_INTERFACE;
	size_t *last = &walk->last[(size_t)reason + (is_stated ? DROP_REASON_COUNT : 0)];
	struct coverage_interval *interval;
	const struct window *window = &walk->coverage->window;
	struct text text;

	if (packets == 0)
		return;
	if (*last > 0 && walk->coverage->intervals[*last - 1].to_ns == from_ns) {
		interval = &walk->coverage->intervals[*last - 1];
	} else {
		interval = append_interval(walk, is_dropped ? COVERAGE_DROPS : COVERAGE_LOST,
					   from_ns, to_ns);
		*last = walk->coverage->interval_count;
	}
	interval->to_ns = to_ns;
	interval->packets += packets;
	text = text_over(interval->detail, sizeof interval->detail);
	text_append(&text, "%s",
		    interval->from_ns < window->from_ns || to_ns == 0 || to_ns > window->to_ns
			    ? "up to "
			    : "");
	coverage_append_count(&text, interval->packets);
	text_append(&text, interval->packets == 1 ? " packet " : " packets ");
	if (is_dropped)
		text_append(&text, "dropped by the %s", drop_reason_names[reason]);
	else
		text_append(&text, "lost (%s)", drop_reason_names[reason]);
}

static void add_all_drops(struct walk *walk)
{
	const struct coverage *coverage = walk->coverage;

	for (size_t i = 0; i < walk->count; i++) {
		const struct piece *piece = &walk->list[i];

		for (int reason = 0; piece->drops > 0 && reason < DROP_REASON_COUNT; reason++)
			add_drops(walk, (enum drop_reason)reason, false, piece->start_ns,
				  piece->end_ns, coverage->drops[piece->drops - 1].count[reason]);
	}
	for (size_t i = 0; i < walk->source->losses; i++) {
		const struct stated_loss *loss = &coverage->losses[walk->source->first_loss + i];

		add_drops(walk, (enum drop_reason)loss->reason, true, loss->from_ns, loss->to_ns,
			  loss->packets);
	}
}

/* The time behind the last file. */
static void explain_end(struct walk *walk)
{
	const struct piece *last = &walk->list[walk->count - 1];
	uint64_t patience_ns = last->max_age_s * CLOCK_NS_PER_S + UPLOAD_NS;
	bool is_here = walk->coverage->is_here;
	const char *detail =
		is_here ? "no newer file is on this node: no packets, or not recorded"
			: "no newer file is in the bucket: no packets, or not uploaded";

	if (last->reason == REASON_STOP)
		detail = is_here ? "recorder was stopped; no newer file is on this node"
				 : "recorder was stopped; no newer file is in the bucket";
	else if (last->reason == REASON_INTERFACE)
		detail = is_here ? "interface was away; no newer file is on this node"
				 : "interface was away; no newer file is in the bucket";
	else if (!is_here &&
		 (last->max_age_s == 0 || walk->coverage->now_ns < walk->cursor_ns + patience_ns))
		detail = STILL_THERE;
	add_interval(walk, COVERAGE_NEWER, walk->cursor_ns, walk->coverage->window.to_ns, 0,
		     detail);
}

static int compare_intervals(const void *a, const void *b)
{
	const struct coverage_interval *left = a, *right = b;

	if (left->from_ns != right->from_ns)
		return left->from_ns < right->from_ns ? -1 : 1;
	/* That of no length is between two others. */
	if ((left->to_ns == left->from_ns) != (right->to_ns == right->from_ns))
		return left->to_ns == left->from_ns ? -1 : 1;
	if (left->state != right->state)
		return left->state < right->state ? -1 : 1;
	return strcmp(left->detail, right->detail);
}

void coverage_derive(struct coverage *coverage, const struct coverage_source *source)
{
	struct walk walk = {
		.coverage = coverage,
		.source = source,
		.list = source->pieces > 0 ? &coverage->pieces[source->first_piece] : NULL,
		.count = source->pieces,
	};

	coverage->interval_count = 0;
	for (size_t i = 0; i < walk.count; i++) {
		explain_gap(&walk, i);
		place_piece(&walk, i);
	}
	if (walk.count > 0)
		explain_end(&walk);
	else if (source->is_expected)
		add_interval(&walk, COVERAGE_UNKNOWN, 0, UINT64_MAX, 0,
			     "no file is in the bucket: no packets, not recorded, or not uploaded");
	add_all_drops(&walk);
	if (coverage->interval_count > 1)
		qsort(coverage->intervals, coverage->interval_count, sizeof *coverage->intervals,
		      compare_intervals);
}
