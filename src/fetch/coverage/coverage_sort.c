/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/coverage/coverage_private.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* What is the same file stands side by side: a name has milliseconds, and says no more than the metadata. */
static int compare_files(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;
	int order = compare_numbers(left->source, right->source);

	if (order == 0)
		order = compare_numbers(left->sequence, right->sequence);
	if (order == 0)
		order = compare_numbers(left->start_ns / CLOCK_NS_PER_MS,
					right->start_ns / CLOCK_NS_PER_MS);
	return order ? order : right->is_known - left->is_known;
}

static int compare_times(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;
	int order = compare_numbers(left->source, right->source);

	if (order == 0)
		order = compare_numbers(left->start_ns, right->start_ns);
	return order ? order : compare_numbers(left->sequence, right->sequence);
}

static int compare_losses(const void *a, const void *b)
{
	const struct stated_loss *left = a, *right = b;
	int order = compare_numbers(left->source, right->source);

	if (order == 0)
		order = compare_numbers(left->from_ns, right->from_ns);
	if (order == 0)
		order = compare_numbers(left->to_ns, right->to_ns);
	if (order == 0)
		order = compare_numbers(left->reason, right->reason);
	return order ? order : compare_numbers(left->packets, right->packets);
}

static void join_pieces(struct coverage *coverage)
{
	struct piece *pieces = coverage->pieces;
	size_t count = 0;

	for (size_t i = 0; i < coverage->piece_count; i++) {
		struct piece *last = count > 0 ? &pieces[count - 1] : NULL;

		if (!last || last->source != pieces[i].source ||
		    last->sequence != pieces[i].sequence ||
		    last->start_ns / CLOCK_NS_PER_MS != pieces[i].start_ns / CLOCK_NS_PER_MS)
			pieces[count++] = pieces[i];
		else if (last->why_lost == 0)
			last->why_lost = pieces[i].why_lost;
	}
	coverage->piece_count = count;
}

/* The same loss, where a file that states it was added twice. */
static void join_losses(struct coverage *coverage)
{
	size_t count = 0;

	for (size_t i = 0; i < coverage->loss_count; i++)
		if (count == 0 ||
		    compare_losses(&coverage->losses[count - 1], &coverage->losses[i]) != 0)
			coverage->losses[count++] = coverage->losses[i];
	coverage->loss_count = count;
}

static int compare_sources(const void *a, const void *b, void *context)
{
	const struct coverage *coverage = context;
	const struct coverage_source *left = &coverage->sources[*(const uint32_t *)a];
	const struct coverage_source *right = &coverage->sources[*(const uint32_t *)b];
	int order = strcmp(coverage->nodes.list[left->node], coverage->nodes.list[right->node]);

	return order ? order
		     : strcmp(coverage->names.list[left->name], coverage->names.list[right->name]);
}

static void sort_list(void *list, size_t count, size_t size,
		      int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(list, count, size, compare);
}

/* A node that was asked for and has no file has no interface either. */
static void note_absent_nodes(struct coverage *coverage)
{
	for (uint32_t i = 0; i < coverage->nodes.count; i++)
		coverage->node_list[i].has_files = false;
	for (size_t i = 0; i < coverage->piece_count; i++)
		coverage->node_list[coverage->sources[coverage->pieces[i].source].node].has_files =
			true;
	for (uint32_t i = 0; i < coverage->nodes.count; i++) {
		struct coverage_node *node = &coverage->node_list[i];

		if (node->several > 0)
			coverage->sources[node->several - 1].is_expected = !node->has_files;
	}
}

void coverage_sort(struct coverage *coverage)
{
	if (coverage->is_sorted)
		return;
	note_absent_nodes(coverage);
	sort_list(coverage->pieces, coverage->piece_count, sizeof *coverage->pieces, compare_files);
	join_pieces(coverage);
	sort_list(coverage->pieces, coverage->piece_count, sizeof *coverage->pieces, compare_times);
	sort_list(coverage->losses, coverage->loss_count, sizeof *coverage->losses, compare_losses);
	join_losses(coverage);
	coverage->order = mem_realloc(coverage->order, coverage->source_count + 1,
				      sizeof *coverage->order);
	for (uint32_t i = 0; i < coverage->source_count; i++) {
		coverage->order[i] = i;
		coverage->sources[i].pieces = coverage->sources[i].losses = 0;
	}
	for (size_t i = coverage->piece_count; i-- > 0;) {
		coverage->sources[coverage->pieces[i].source].first_piece = i;
		coverage->sources[coverage->pieces[i].source].pieces++;
	}
	for (size_t i = coverage->loss_count; i-- > 0;) {
		coverage->sources[coverage->losses[i].source].first_loss = i;
		coverage->sources[coverage->losses[i].source].losses++;
	}
	qsort_r(coverage->order, coverage->source_count, sizeof *coverage->order, compare_sources,
		coverage);
	coverage->is_sorted = true;
}
