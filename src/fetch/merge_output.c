/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/merge_private.h"

#include <string.h>

#include "base/mem.h"

#define STREAMS_MAX 65536

/* Streams ---------------------------------------------------------------------------------------- */

uint32_t merge_find_stream(struct merge *merge, const struct stream *wanted)
{
	size_t i = 0;

	while (i < merge->stream_count && !merge_is_same_stream(&merge->streams[i], wanted))
		i++;
	/* Of a file that makes up so many: the last one stands for all others. */
	if (i == STREAMS_MAX)
		return STREAMS_MAX - 1;
	if (i == merge->stream_count) {
		if (i == merge->stream_capacity) {
			merge->stream_capacity = i > 0 ? 2 * i : 64;
			merge->streams = mem_realloc(merge->streams, merge->stream_capacity,
						     sizeof *merge->streams);
		}
		merge->streams[merge->stream_count++] = *wanted;
	}
	return (uint32_t)i;
}

/* Heap ------------------------------------------------------------------------------------------- */

static bool is_before(const struct head *a, const struct head *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	if (a->object != b->object)
		return a->object < b->object;
	if (a->offset != b->offset)
		return a->offset < b->offset;
	return a->number < b->number;
}

static void sink_head(struct merge *merge, struct head head)
{
	size_t at = 0, below;

	while ((below = 2 * at + 1) < merge->heap_count) {
		if (below + 1 < merge->heap_count &&
		    is_before(&merge->heap[below + 1], &merge->heap[below]))
			below++;
		if (!is_before(&merge->heap[below], &head))
			break;
		merge->heap[at] = merge->heap[below];
		at = below;
	}
	merge->heap[at] = head;
}

void merge_add_run(struct merge *merge, struct head head)
{
	size_t at = merge->heap_count;

	if (at == merge->heap_capacity) {
		merge->heap_capacity = at > 0 ? 2 * at : 256;
		merge->heap = mem_realloc(merge->heap, merge->heap_capacity, sizeof *merge->heap);
	}
	merge->heap_count++;
	for (; at > 0 && is_before(&head, &merge->heap[(at - 1) / 2]); at = (at - 1) / 2)
		merge->heap[at] = merge->heap[(at - 1) / 2];
	merge->heap[at] = head;
}

/* Writing ---------------------------------------------------------------------------------------- */

static void know_stream(struct merge *merge, struct stream *stream)
{
	const struct listing *listing = merge->order->listing;
	const struct source *source = &listing->sources[stream->source];
	const char *name = listing->objects[stream->object].name, *slash = strrchr(name, '/');
	cleanup_free char *folder = mem_strndup(name, slash ? (size_t)(slash - name) : 0);
	cleanup_free char *interface =
		stream->interface > 0 ? mem_printf("%s:%u", source->interface, stream->interface)
				      : mem_strdup(source->interface);
	const struct result_source description = {
		.node = source->node,
		.interface = interface,
		.folder = folder,
		.filter = coverage_filter(merge->coverage),
		.link_type = stream->link_type,
		.is_nano = stream->is_nano,
	};
	struct merge_total *total = merge->total;

	stream->is_known = true;
	stream->result_id = result_add_source(merge->order->result, &description);
	if (stream->result_id < total->interfaces)
		return;
	total->sources = mem_realloc(total->sources, total->interfaces + 1, sizeof *total->sources);
	total->sources[total->interfaces++] = stream->source;
}

static int write_packet(struct merge *merge, const struct run_packet *packet, struct error *err)
{
	struct merge_total *total = merge->total;
	struct stream *stream = &merge->streams[packet->stream];

	int result;

	if (!stream->is_known)
		know_stream(merge, stream);
	result = result_write(merge->order->result, stream->result_id, packet->time_ns,
			      packet->captured, packet->original, packet->packet, err);
	if (result < 0 && err->kind == ERROR_REJECTED) {
		total->unwritable++;
		return 0;
	}
	if (result < 0)
		return -1;
	if (total->packets++ == 0)
		total->earliest_ns = packet->time_ns;
	total->unordered += packet->time_ns < total->latest_ns;
	if (packet->time_ns > total->latest_ns)
		total->latest_ns = packet->time_ns;
	return 0;
}

int merge_drain(struct merge *merge, struct error *err)
{
	const struct plan *plan = merge->order->plan;
	uint64_t until_ns = merge->first_undone < plan->pieces.count
				    ? plan->pieces.list[merge->first_undone].earliest_ns
				    : UINT64_MAX;

	while (merge->heap_count > 0 && merge->heap[0].time_ns < until_ns) {
		struct head head = merge->heap[0];
		size_t bytes = run_bytes(head.run);
		struct run_packet packet;

		if (run_take(head.run, &packet, err) < 0 || write_packet(merge, &packet, err) < 0)
			return -1;
		merge->run_bytes += run_bytes(head.run) - bytes;
		if (!run_next_time(head.run, &head.time_ns)) {
			merge->run_bytes -= run_bytes(head.run);
			run_free(head.run);
			head = merge->heap[--merge->heap_count];
		}
		if (merge->heap_count > 0)
			sink_head(merge, head);
	}
	/* Whoever reads from a pipe is not to wait for more. */
	return result_flush(merge->order->result, err);
}
