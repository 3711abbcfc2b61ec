/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/coverage/coverage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/coverage/coverage_private.h"
#include "segment/losses.h"

/* 10,000 nodes with 400 files each; some 300 MB. */
#define PIECES_MAX     ((size_t)4 << 20)
#define LOSSES_OF_ALL  ((size_t)1 << 18)
#define RECORDINGS_MAX 64
#define KEY_MAX        (SEGMENT_INTERFACE_MAX + 16)

struct coverage *coverage_new(const struct window *window, uint64_t now_ns)
{
	struct coverage *coverage = mem_calloc(1, sizeof *coverage);

	coverage->window = *window;
	coverage->now_ns = now_ns;
	return coverage;
}

void coverage_free(struct coverage *coverage)
{
	if (!coverage)
		return;
	interned_done(&coverage->nodes);
	interned_done(&coverage->names);
	interned_done(&coverage->keys);
	interned_done(&coverage->whys);
	interned_done(&coverage->recordings);
	free(coverage->node_list);
	free(coverage->sources);
	free(coverage->order);
	free(coverage->pieces);
	free(coverage->drops);
	free(coverage->losses);
	free(coverage->intervals);
	free(coverage);
}

void coverage_set_here(struct coverage *coverage)
{
	coverage->is_here = true;
}

static uint32_t find_node(struct coverage *coverage, const char *name)
{
	uint32_t count = coverage->nodes.count, node;
	char text[sizeof((struct segment *)NULL)->node];

	(void)snprintf(text, sizeof text, "%s", name);
	text_blank_controls(text, "");
	node = interned_add(&coverage->nodes, text);
	if (node == count) {
		coverage->node_list = coverage_make_room(coverage->node_list, count,
							 &coverage->node_capacity,
							 sizeof *coverage->node_list);
		coverage->node_list[node] = (struct coverage_node){ .clock_error_us = 0 };
	}
	return node;
}

/* Files that are known by their names alone say the interface as names have it. */
static void format_key(uint32_t node, const char *interface, char key[KEY_MAX])
{
	char name[SEGMENT_INTERFACE_MAX + 1];

	name_format_interface(interface, name);
	(void)snprintf(key, KEY_MAX, "%" PRIu32 " %s", node,
		       strcmp(interface, LOSSES_SEVERAL) == 0 ? LOSSES_SEVERAL : name);
}

static uint32_t find_source(struct coverage *coverage, const char *node_name, const char *interface)
{
	uint32_t node = find_node(coverage, node_name), source;
	char key[KEY_MAX], text[SEGMENT_INTERFACE_MAX + 1];

	format_key(node, interface, key);
	source = interned_add(&coverage->keys, key);
	if (source == coverage->source_count) {
		coverage->sources = coverage_make_room(coverage->sources, source,
						       &coverage->source_capacity,
						       sizeof *coverage->sources);
		(void)snprintf(text, sizeof text, "%s", interface);
		text_blank_controls(text, "");
		coverage->sources[coverage->source_count++] = (struct coverage_source){
			.node = node,
			.name = interned_add(&coverage->names, text),
		};
	}
	coverage->is_sorted = false;
	return source;
}

const struct coverage_source *coverage_find(const struct coverage *coverage, const char *node,
					    const char *interface)
{
	char key[KEY_MAX], text[sizeof((struct segment *)NULL)->node];
	uint32_t number, source;

	(void)snprintf(text, sizeof text, "%s", node);
	text_blank_controls(text, "");
	number = interned_find(&coverage->nodes, text);
	if (number == INTERNED_NONE)
		return NULL;
	format_key(number, interface, key);
	source = interned_find(&coverage->keys, key);
	return source == INTERNED_NONE ? NULL : &coverage->sources[source];
}

static enum piece_reason read_reason(const char *reason)
{
	static const char *const words[] = { [REASON_STOP] = "stop",
					     [REASON_INTERFACE] = "interface",
					     [REASON_RECOVERED] = "recovered" };

	for (size_t i = REASON_STOP; i < sizeof words / sizeof *words; i++)
		if (strcmp(reason, words[i]) == 0)
			return (enum piece_reason)i;
	return REASON_OTHER;
}

/* "unsynchronised, error 16000.0 ms", see clock_sync.h */
static void note_clock(struct coverage_node *node, const char *clock)
{
	const char *error = strstr(clock, ", error ");
	double error_ms;

	if (strncmp(clock, "unsynchronised", strlen("unsynchronised")) == 0)
		node->is_unsynchronised = true;
	if (!error)
		return;
	error_ms = strtod(error + strlen(", error "), NULL);
	if (error_ms > 0 && error_ms < 1e12 && (uint64_t)(error_ms * 1000) > node->clock_error_us)
		node->clock_error_us = (uint64_t)(error_ms * 1000);
}

/* "SNAPLEN FILTER", of which there are few. */
static void note_recording(struct coverage *coverage, const struct segment *segment)
{
	char text[sizeof segment->filter + 24];

	if (coverage->recordings.count == RECORDINGS_MAX)
		return;
	(void)snprintf(text, sizeof text, "%" PRIu64 " %s", segment->snaplen, segment->filter);
	text_blank_controls(text, "");
	(void)interned_add(&coverage->recordings, text);
}

static bool does_touch_window(const struct coverage *coverage, uint64_t from_ns, uint64_t to_ns)
{
	return (from_ns == 0 || from_ns < coverage->window.to_ns) &&
	       (to_ns == 0 || to_ns > coverage->window.from_ns);
}

static void note_losses(struct coverage *coverage, const struct segment *segment)
{
	struct losses losses;

	losses_of_segment(segment, &losses);
	for (size_t i = 0; i < losses.count; i++) {
		const struct loss *loss = &losses.list[i];

		if (!does_touch_window(coverage, loss->from_ns, loss->to_ns))
			continue;
		if (coverage->loss_count == LOSSES_OF_ALL) {
			coverage->more_losses += loss->packets;
			continue;
		}
		coverage->losses = coverage_make_room(coverage->losses, coverage->loss_count,
						      &coverage->loss_capacity,
						      sizeof *coverage->losses);
		coverage->losses[coverage->loss_count++] = (struct stated_loss){
			.source =
				find_source(coverage, segment->node,
					    loss->interface[0] ? loss->interface : LOSSES_SEVERAL),
			.reason = loss->reason,
			.from_ns = loss->from_ns,
			.to_ns = loss->to_ns,
			.packets = loss->packets,
		};
	}
}

/* The interface's own name, where only that of files was known. */
static void note_name(struct coverage *coverage, uint32_t source, const char *interface)
{
	char text[SEGMENT_INTERFACE_MAX + 1];

	(void)snprintf(text, sizeof text, "%s", interface);
	text_blank_controls(text, "");
	coverage->sources[source].name = interned_add(&coverage->names, text);
}

/* What its metadata say. */
static void note_facts(struct coverage *coverage, const struct segment *segment,
		       struct piece *piece)
{
	note_name(coverage, piece->source, segment->interface);
	piece->is_known = true;
	piece->end_ns = segment->end_ns == 0                  ? 0
			: segment->end_ns < segment->start_ns ? segment->start_ns
							      : segment->end_ns;
	piece->since_ns = segment->since_ns;
	piece->previous = segment->previous;
	piece->packets = segment->packets;
	piece->max_age_s = segment->max_age_s < UINT32_MAX ? (uint32_t)segment->max_age_s : 0;
	piece->reason = (uint8_t)read_reason(segment->reason);
	note_losses(coverage, segment);
	if (!does_touch_window(coverage, segment->start_ns, segment->end_ns))
		return;
	note_recording(coverage, segment);
	note_clock(&coverage->node_list[find_node(coverage, segment->node)], segment->clock);
	if (drops_sum(&segment->drops) == 0)
		return;
	coverage->drops = coverage_make_room(coverage->drops, coverage->drop_count,
					     &coverage->drop_capacity, sizeof *coverage->drops);
	coverage->drops[coverage->drop_count++] = segment->drops;
	piece->drops = (uint32_t)coverage->drop_count;
}

static struct piece *add_piece(struct coverage *coverage, const struct segment *segment,
			       bool is_known)
{
	struct piece piece = { .start_ns = segment->start_ns, .sequence = segment->sequence };

	if (coverage->earliest_ns == 0 || segment->start_ns < coverage->earliest_ns)
		coverage->earliest_ns = segment->start_ns;
	piece.source = find_source(coverage, segment->node, segment->interface);
	if (coverage->piece_count == PIECES_MAX) {
		coverage->more_pieces++;
		return NULL;
	}
	if (is_known)
		note_facts(coverage, segment, &piece);
	coverage->pieces = coverage_make_room(coverage->pieces, coverage->piece_count,
					      &coverage->piece_capacity, sizeof *coverage->pieces);
	coverage->pieces[coverage->piece_count] = piece;
	return &coverage->pieces[coverage->piece_count++];
}

void coverage_add(struct coverage *coverage, const struct segment *segment, bool is_known)
{
	(void)add_piece(coverage, segment, is_known);
}

void coverage_lose(struct coverage *coverage, const struct segment *segment, const char *why)
{
	struct piece *piece = add_piece(coverage, segment, segment->end_ns > 0);
	char text[128];

	if (!piece)
		return;
	(void)snprintf(text, sizeof text, "%s", why);
	text_blank_controls(text, "");
	piece->why_lost = interned_add(&coverage->whys, text) + 1;
}

void coverage_expect(struct coverage *coverage, const char *node, const char *interface)
{
	uint32_t source = find_source(coverage, node, interface ? interface : LOSSES_SEVERAL);

	if (interface)
		coverage->sources[source].is_expected = true;
	else
		coverage->node_list[coverage->sources[source].node].several = source + 1;
	coverage->is_sorted = false;
}

void coverage_each(struct coverage *coverage,
		   void (*visit)(void *context, const struct coverage_interval *interval),
		   void *context)
{
	coverage_sort(coverage);
	for (size_t i = 0; i < coverage->source_count; i++) {
		coverage_derive(coverage, &coverage->sources[coverage->order[i]]);
		for (size_t j = 0; j < coverage->interval_count; j++)
			visit(context, &coverage->intervals[j]);
	}
}

uint64_t coverage_earliest_ns(const struct coverage *coverage)
{
	return coverage->earliest_ns;
}

const char *coverage_filter(const struct coverage *coverage)
{
	const struct interned *recordings = &coverage->recordings;

	return recordings->count == 1 ? strchr(recordings->list[0], ' ') + 1 : "";
}
