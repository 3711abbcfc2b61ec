/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/merge_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "fetch/decode.h"
#include "segment/codec.h"

#define RUN_BYTES   ((size_t)1 << 20)
#define LEAD        8 /* pieces that are read ahead of the first one that is not done, for each thread */
#define WAIT_MS     UINT64_C(100)
#define STREAMS_MAX 65536

static bool is_ending(const struct merge *merge)
{
	return merge->end != MERGE_DONE || atomic_load(merge->order->bucket->cancel);
}

static void fail(struct merge *merge, enum merge_end end, const struct error *err)
{
	if (merge->end == MERGE_DONE) {
		merge->end = end;
		merge->failure = *err;
	}
	(void)pthread_cond_broadcast(&merge->changed);
}

/* Runs ------------------------------------------------------------------------------------------- */

/* What a thread makes of one piece. */
struct gathering {
	struct merge *merge;
	const struct piece *piece;
	struct run *run;
	uint32_t runs;
	struct stream last; /* of the packet before */
	uint32_t last_stream;
	bool has_last;
	uint16_t link_type; /* of the packet before, where has_link_type; can it be searched? */
	bool has_link_type, is_searchable;
	struct error failure;
	bool is_failed;
};

static int open_unnamed(const char *folder)
{
	cleanup_free char *path = mem_printf("%s/.kube-node-tracer.XXXXXX", folder);
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static int open_spill(struct merge *merge, struct error *err)
{
	const char *folder = merge->order->temporary_folder;

	if (merge->spill_fd < 0)
		merge->spill_fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* NFS and others have no files without a name. */
	if (merge->spill_fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		merge->spill_fd = open_unnamed(folder);
	if (merge->spill_fd >= 0)
		return 0;
	return error_errno(err,
			   "more packets at a time than --memory has room for, and no temporary "
			   "file in %s (name a folder with room by -w FILE or $TMPDIR, or use a "
			   "narrower filter)",
			   folder);
}

/* Hand a finished run over. */
static int put_run(struct gathering *gathering, struct error *err)
{
	struct merge *merge = gathering->merge;
	struct head head = { .offset = gathering->piece->offset,
			     .object = gathering->piece->object,
			     .number = gathering->runs++,
			     .run = take_ptr(gathering->run) };
	cleanup_unlock pthread_mutex_t *lock = NULL;

	run_sort(head.run);
	lock = thread_lock(&merge->lock);
	if (!run_next_time(head.run, &head.time_ns)) {
		run_free(head.run);
		return 0;
	}
	merge_add_run(merge, head);
	if (merge->run_bytes + run_bytes(head.run) > merge->order->memory_bytes / 2) {
		uint64_t before = merge->spill_offset;

		if (open_spill(merge, err) < 0)
			return -1;
		if (run_spill(head.run, merge->spill_fd, &merge->spill_offset, err) < 0)
			return error_wrap(err, "temporary file in %s",
					  merge->order->temporary_folder);
		merge->total->spilled_bytes += merge->spill_offset - before;
	}
	merge->run_bytes += run_bytes(head.run);
	return 0;
}

/* Can the filter be used for packets of this type? Where a file has no index, this is not known before. */
static bool is_searchable(struct gathering *gathering, uint16_t link_type)
{
	struct merge *merge = gathering->merge;
	struct plan *plan = merge->order->plan;
	const char *problem;

	if (gathering->has_link_type && gathering->link_type == link_type)
		return gathering->is_searchable;
	problem = match_problem(merge->order->match, link_type);
	gathering->has_link_type = true;
	gathering->link_type = link_type;
	gathering->is_searchable = !problem;
	if (problem) {
		thread_lock(&merge->lock);
		plan_note_problem(plan, &plan->objects[gathering->piece->object], problem);
		(void)pthread_mutex_unlock(&merge->lock);
	}
	return !problem;
}

static void take_record(void *context, const struct format_record *record, bool is_nano)
{
	struct gathering *gathering = context;
	const struct merge_order *order = gathering->merge->order;
	uint32_t object = gathering->piece->object;
	const struct stream stream = {
		.source = order->listing->objects[object].source,
		.interface = record->interface,
		.object = object,
		.link_type = record->link_type,
		.is_nano = is_nano,
	};

	if (record->time_ns < order->window->from_ns || record->time_ns >= order->window->to_ns ||
	    gathering->is_failed || !is_searchable(gathering, record->link_type) ||
	    !match_packet(order->match, record->link_type, record->packet, record->captured,
			  record->original))
		return;
	if (!gathering->has_last || !merge_is_same_stream(&gathering->last, &stream)) {
		thread_lock(&gathering->merge->lock);
		gathering->last_stream = merge_find_stream(gathering->merge, &stream);
		(void)pthread_mutex_unlock(&gathering->merge->lock);
		gathering->last = stream;
		gathering->has_last = true;
	}
	if (!gathering->run)
		gathering->run = run_new();
	run_add(gathering->run, &(struct run_packet){ .time_ns = record->time_ns,
						      .captured = record->captured,
						      .original = record->original,
						      .stream = gathering->last_stream,
						      .packet = record->packet });
	if (run_bytes(gathering->run) >= RUN_BYTES && put_run(gathering, &gathering->failure) < 0)
		gathering->is_failed = true;
}

/* Pieces ----------------------------------------------------------------------------------------- */

static int read_members(struct gathering *gathering, struct bucket_reader *reader,
			struct error *err)
{
	const struct merge_order *order = gathering->merge->order;
	const struct piece *piece = gathering->piece;
	const struct object *object = &order->listing->objects[piece->object];
	cleanup_free uint8_t *bytes = mem_alloc(piece->length);
	struct decode *decode;
	int result;

	if (bucket_read(reader, object->name, object->version, piece->offset, piece->length, bytes,
			err) < 0)
		return -1;
	decode = decode_members(&gathering->merge->order->plan->objects[piece->object].file,
				take_record, gathering);
	result = decode_push(decode, bytes, piece->length, err);
	if (result == 0)
		result = decode_end(decode, err);
	decode_free(decode);
	return result;
}

static int read_whole(struct gathering *gathering, struct bucket_reader *reader, struct error *err)
{
	const struct merge_order *order = gathering->merge->order;
	const struct object *object = &order->listing->objects[gathering->piece->object];
	size_t part = object->bytes < PIECES_PART_BYTES ? object->bytes : PIECES_PART_BYTES;
	cleanup_free uint8_t *bytes = mem_alloc(part + 1);
	struct decode *decode = decode_file(codec_of_name(object->name) == &codec_zstd,
					    &gathering->merge->large, take_record, gathering);
	bool is_decoding = false;
	int result = 0;

	for (uint64_t at = 0; at < object->bytes && result == 0; at += part) {
		size_t length = object->bytes - at < part ? object->bytes - at : part;

		if (atomic_load(reader->bucket->cancel) || gathering->is_failed)
			break;
		result = bucket_read(reader, object->name, object->version, at, length, bytes, err);
		is_decoding = result == 0;
		if (result == 0)
			result = decode_push(decode, bytes, length, err);
	}
	if (result == 0 && !atomic_load(reader->bucket->cancel))
		result = decode_end(decode, err);
	decode_free(decode);
	/* Where a file that is being written cannot be read, it ends. */
	if (result < 0 && object->is_growing && is_decoding)
		return 0;
	return result;
}

/* The memory that it takes to read it. */
static uint64_t piece_bytes(const struct merge *merge, const struct piece *piece)
{
	const struct object *object = &merge->order->listing->objects[piece->object];
	uint64_t part = object->bytes < PIECES_PART_BYTES ? object->bytes : PIECES_PART_BYTES;

	if (piece->length > 0)
		return piece->length + DECODE_BYTES;
	return part + DECODE_BYTES +
	       (codec_of_name(object->name) == &codec_zstd ? DECODE_ZSTD_BYTES : 0);
}

/* The next piece to read, as soon as there is memory for it; NULL: there is none. */
static const struct piece *claim_piece(struct merge *merge)
{
	const struct plan *plan = merge->order->plan;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&merge->lock);

	while (!is_ending(merge) && merge->next < plan->pieces.count) {
		const struct piece *piece = &plan->pieces.list[merge->next];
		uint64_t bytes = piece_bytes(merge, piece);
		bool is_near = merge->next - merge->first_undone <
			       (size_t)LEAD * merge->order->threads;

		if (merge->next == merge->first_undone ||
		    (is_near && merge->reading_bytes + bytes <= merge->order->memory_bytes / 2)) {
			merge->reading_bytes += bytes;
			merge->next++;
			return piece;
		}
		(void)thread_cond_wait_until(&merge->changed, &merge->lock,
					     clock_monotonic_ns() + WAIT_MS * CLOCK_NS_PER_MS);
	}
	return NULL;
}

/* A file, or the rest of it, that cannot be read. */
static void lose_piece(struct merge *merge, const struct piece *piece, const char *why)
{
	const struct listing *listing = merge->order->listing;
	struct planned *planned = &merge->order->plan->objects[piece->object];
	cleanup_free struct segment *segment = mem_alloc(sizeof *segment);

	if (planned->state == PLANNED_LOST)
		return;
	planned->state = PLANNED_LOST;
	listing_describe(listing, &listing->objects[piece->object], segment);
	coverage_lose(merge->coverage, segment, why);
}

static void finish_piece(struct merge *merge, const struct piece *piece, int result,
			 const struct error *reason)
{
	const struct merge_order *order = merge->order;
	const struct plan *plan = order->plan;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&merge->lock);
	uint64_t bytes = piece->length > 0 ? piece->length
					   : order->listing->objects[piece->object].bytes;
	struct error err;

	merge->reading_bytes -= piece_bytes(merge, piece);
	merge->read_bytes += bytes;
	merge->is_done[piece - plan->pieces.list] = true;
	while (merge->first_undone < plan->pieces.count && merge->is_done[merge->first_undone])
		merge->first_undone++;
	if (result < 0 && reason->kind == ERROR_REJECTED)
		lose_piece(merge, piece, reason->message);
	else if (result < 0)
		fail(merge, MERGE_NO_BUCKET, reason);
	if (merge->end == MERGE_DONE && !atomic_load(order->bucket->cancel) &&
	    merge_drain(merge, &err) < 0)
		fail(merge, MERGE_NO_OUTPUT, &err);
	if (order->progress)
		order->progress(order->progress_context, merge->read_bytes, piece->earliest_ns);
	(void)pthread_cond_broadcast(&merge->changed);
}

static int work(void *context, struct bucket_reader *reader, struct error *err)
{
	struct merge *merge = context;
	const struct piece *piece;

	while ((piece = claim_piece(merge))) {
		struct gathering gathering = { .merge = merge, .piece = piece };
		int result = piece->length > 0 ? read_members(&gathering, reader, err)
					       : read_whole(&gathering, reader, err);

		if (gathering.run && !gathering.is_failed &&
		    put_run(&gathering, &gathering.failure) < 0)
			gathering.is_failed = true;
		run_free(gathering.run);
		if (gathering.is_failed) {
			thread_lock(&merge->lock);
			fail(merge, MERGE_NO_OUTPUT, &gathering.failure);
			(void)pthread_mutex_unlock(&merge->lock);
		}
		finish_piece(merge, piece, result, err);
	}
	return 0;
}

enum merge_end merge_run(const struct merge_order *order, struct coverage *coverage,
			 struct merge_total *ret_total, struct error *err)
{
	struct merge merge = { .order = order,
			       .coverage = coverage,
			       .total = ret_total,
			       .spill_fd = -1,
			       .is_done = mem_calloc(order->plan->pieces.count + 1, 1) };

	*ret_total = (struct merge_total){ .packets = 0 };
	(void)pthread_mutex_init(&merge.large, NULL);
	(void)pthread_mutex_init(&merge.lock, NULL);
	(void)pthread_cond_init(&merge.changed, NULL);
	if (bucket_crew(order->bucket, order->threads, work, &merge, err) < 0)
		fail(&merge, MERGE_NO_BUCKET, err);
	if (merge.end == MERGE_DONE && atomic_load(order->bucket->cancel))
		merge.end = MERGE_STOPPED;
	for (size_t i = 0; i < merge.heap_count; i++)
		run_free(merge.heap[i].run);
	*err = merge.failure;
	free(merge.heap);
	free(merge.streams);
	free(merge.is_done);
	close_fd(&merge.spill_fd);
	(void)pthread_cond_destroy(&merge.changed);
	(void)pthread_mutex_destroy(&merge.lock);
	(void)pthread_mutex_destroy(&merge.large);
	return merge.end;
}
