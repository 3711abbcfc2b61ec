/* SPDX-License-Identifier: Apache-2.0 */
#include "record/record.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "packet/packet.h"
#include "record/compressor.h"
#include "record/file_header.h"
#include "record/file_index.h"
#include "record/surroundings.h"

#define POP_MS 1000 /* at most, so that the watchdog sees a beat */

struct recorder {
	struct recorder_context context;
	char interface[64];
	struct interface_counters *counts;
	struct thread thread;
	struct queue queue;
	atomic_bool is_finished;
	struct compressor compressor;

	/* The thread's own. */
	struct spool_writer *writer; /* of the open segment; NULL: none is open */
	const struct format *format; /* of it */
	struct index *index;         /* likewise; NULL: it gets none */
	bool is_nano;                /* likewise */
	uint64_t begun_start_ns;
	uint64_t packets_own; /* while none is open: since the last one */
	/* Real time: everything since then is in a segment or counted as the kernel's drop. */
	uint64_t since_ns, capture_since_ns; /* the second one: what the capture says */
	uint64_t previous;                   /* the last segment that ended since then; 0: none */
	uint64_t max_age_s;
	bool is_failing; /* the disk; logged once until it works again */
};

/* Packets, or (chunk is NULL) the format's own bytes. */
static int append_member(struct recorder *recorder, const struct chunk *chunk, const uint8_t *bytes,
			 size_t length, struct error *err)
{
	struct file_index_member added = { .plain_bytes = length };
	const uint8_t *member;
	size_t packed;

	member = compressor_compress(&recorder->compressor, bytes, length, &packed);
	if (spool_append(recorder->writer, member, packed, length, err) < 0)
		return -1;
	added.stored_bytes = packed;
	if (chunk) {
		added.packets = chunk->packets;
		added.earliest_ns = chunk->earliest_ns;
		added.latest_ns = chunk->latest_ns;
	}
	file_index_add(recorder->index, recorder->is_nano, &added, chunk ? chunk->keys : NULL);
	return 0;
}

static void begin_index(struct recorder *recorder, const struct chunk *chunk)
{
	const struct file_index_source source = {
		.codec = recorder->compressor.codec,
		.format = chunk->source.format,
		.link_type = chunk->source.link_type,
		.snaplen = chunk->source.snaplen,
		.is_nano = chunk->source.is_nano,
	};

	recorder->is_nano = source.is_nano;
	if (chunk->keys->state != CHUNK_KEYS_NONE)
		recorder->index = file_index_begin(recorder->context.index_pool, &source);
}

/* Recorded without a break since then only. */
static void begin_since(struct recorder *recorder, uint64_t since_ns)
{
	recorder->since_ns = since_ns;
	recorder->previous = 0;
}

static void note_capture(struct recorder *recorder, const struct chunk *chunk)
{
	recorder->max_age_s = chunk->max_age_s;
	if (chunk->since_ns == recorder->capture_since_ns)
		return;
	recorder->capture_since_ns = chunk->since_ns;
	begin_since(recorder, chunk->since_ns);
}

static int begin_segment(struct recorder *recorder, const struct chunk *chunk, struct error *err)
{
	const struct chunk_source *source = &chunk->source;
	struct segment segment = { .start_ns = chunk->start_ns,
				   .packets_own = recorder->packets_own,
				   .since_ns = recorder->since_ns,
				   .previous = recorder->previous,
				   .max_age_s = recorder->max_age_s };
	uint8_t header[FORMAT_EDGE_BYTES_MAX];
	char extension[32];

	/* The rest of a segment whose file failed begins with its own first packet. */
	if (chunk->start_ns == recorder->begun_start_ns && chunk->packets > 0)
		segment.start_ns = chunk->earliest_ns;
	(void)snprintf(segment.node, sizeof segment.node, "%s", recorder->context.node);
	file_header_note(source, &segment);
	surroundings_note(recorder->context.counters, &segment);
	compressor_begin(&recorder->compressor);
	(void)snprintf(extension, sizeof extension, "%s%s", source->format->extension,
		       recorder->compressor.codec->extension);
	if (spool_begin(recorder->context.spool, &segment, extension, &recorder->writer, err) < 0)
		return -1;
	recorder->format = source->format;
	recorder->begun_start_ns = chunk->start_ns;
	begin_index(recorder, chunk);
	if (append_member(recorder, NULL, header,
			  file_header_encode(recorder->context.node, source, header), err) < 0) {
		(void)spool_drop(take_ptr(recorder->writer));
		recorder->index = index_free(recorder->index);
		return -1;
	}
	recorder->packets_own = 0;
	return 0;
}

static void finish_segment(struct recorder *recorder, const char *reason, uint64_t end_ns)
{
	struct segment *segment = &recorder->writer->segment;
	const struct format_totals totals = {
		.start_ns = segment->start_ns,
		.end_ns = end_ns,
		.packets = segment->packets,
		.packets_own = segment->packets_own,
		.drops = segment->drops,
	};
	uint8_t trailer[FORMAT_EDGE_BYTES_MAX];
	struct error err;

	(void)snprintf(segment->reason, sizeof segment->reason, "%s", reason);
	segment->end_ns = end_ns;
	surroundings_note(recorder->context.counters, segment);
	/* Published or not: whoever misses it is right to miss it. */
	recorder->previous = segment->sequence;
	/* The format's last word, which says what the file lacks. The file is whole without it. */
	if (recorder->format->encode_trailer &&
	    append_member(recorder, NULL, trailer,
			  recorder->format->encode_trailer(&totals, trailer), &err) < 0)
		log_debug("segment has no trailer", log_text("name", recorder->writer->name),
			  log_reason(&err));
	file_index_end(take_ptr(recorder->index), recorder->writer);
	if (spool_finish(take_ptr(recorder->writer)) == 0)
		interface_add(recorder->counts, segments, 1);
	else /* its end may be lost, and is no silence */
		begin_since(recorder, end_ns);
}

/* Begin a segment if need be, and append the chunk to it. */
static int write_chunk(struct recorder *recorder, const struct chunk *chunk, struct error *err)
{
	/* A chunk without a packet has no time, and ends or adds to what is open. */
	if (recorder->writer && chunk->packets > 0 &&
	    recorder->writer->segment.bytes >= spool_segment_bytes_max(recorder->context.spool))
		finish_segment(recorder, "budget", chunk->earliest_ns);
	if (!recorder->writer && begin_segment(recorder, chunk, err) < 0)
		return -1;
	if (chunk->length == 0)
		return 0;
	/* The pool shows whether we keep up. */
	if (compressor_adapt(&recorder->compressor,
			     chunk_pool_free_percent(recorder->context.pool)))
		log_event(EVENT_RECORDER_BEHIND, log_text("interface", recorder->interface));
	return append_member(recorder, chunk, chunk->bytes, chunk->length, err);
}

/* The packets are in the open segment. */
static void account_packets(struct recorder *recorder, const struct chunk *chunk)
{
	struct segment *segment = &recorder->writer->segment;

	if (chunk->packets == 0)
		return;
	if (recorder->is_failing)
		log_event(EVENT_WRITE_RECOVERED, log_text("interface", recorder->interface));
	recorder->is_failing = false;
	interface_add(recorder->counts, packets, chunk->packets);
	interface_add(recorder->counts, bytes, chunk->length);
	if (segment->packets == 0 || chunk->earliest_ns < segment->earliest_ns)
		segment->earliest_ns = chunk->earliest_ns;
	if (chunk->latest_ns > segment->latest_ns)
		segment->latest_ns = chunk->latest_ns;
	segment->packets += chunk->packets;
}

static void record_chunk(struct recorder *recorder, const struct chunk *chunk)
{
	uint64_t from_ns = chunk->packets > 0 ? chunk->earliest_ns : chunk->start_ns;
	uint64_t to_ns = chunk->packets > 0 ? chunk->latest_ns : clock_real_ns();
	struct drops drops = chunk->drops;
	struct error err;
	int result;

	note_capture(recorder, chunk);
	result = write_chunk(recorder, chunk, &err);
	/* Where the open segment takes all there is, it is finished to make room for the next. */
	if (result < 0 && err.kind == ERROR_TRANSIENT && recorder->writer) {
		finish_segment(recorder, "budget", chunk->earliest_ns);
		result = write_chunk(recorder, chunk, &err);
	}
	if (result == 0) {
		account_packets(recorder, chunk);
	} else {
		enum drop_reason reason = err.kind == ERROR_TRANSIENT ? DROP_BUDGET : DROP_DISK;

		interface_add(recorder->counts, drops[reason], chunk->packets);
		drops.count[reason] += chunk->packets;
		if (drops_sum(&drops) > 0)
			begin_since(recorder, to_ns);
	}
	if (recorder->writer) {
		recorder->writer->segment.packets_own += chunk->packets_own;
		drops_add(&recorder->writer->segment.drops, &drops);
	} else {
		recorder->packets_own += chunk->packets_own;
		spool_add_loss(recorder->context.spool, recorder->interface, from_ns, to_ns,
			       &drops);
	}
	if (result < 0 && err.kind != ERROR_TRANSIENT) {
		if (!recorder->is_failing)
			log_event(EVENT_WRITE_FAILED, log_text("interface", recorder->interface),
				  log_reason(&err));
		recorder->is_failing = true;
		/* What is whole in the file is worth keeping; a new file may fare better. */
		if (recorder->writer)
			finish_segment(recorder, "disk", to_ns);
		/* A quota, or a file system that others fill: limits that the budget does not see. */
		if (err.errnum == ENOSPC || err.errnum == EDQUOT)
			(void)spool_evict_one(recorder->context.spool);
	}
	if (chunk->end_reason && recorder->writer)
		finish_segment(recorder, chunk->end_reason, chunk->end_ns);
	if (chunk->end_reason)
		counter_add(&recorder->counts->segments_closed, 1);
}

static void recorder_run(void *context)
{
	struct recorder *recorder = context;

	while (!queue_is_finished(&recorder->queue)) {
		struct chunk *chunk = queue_pop(&recorder->queue, POP_MS);

		thread_beat();
		if (chunk) {
			record_chunk(recorder, chunk);
			chunk_pool_put(recorder->context.pool, chunk);
		}
		if (recorder->writer)
			spool_note_progress(recorder->writer);
	}
	/* Capture ends its last segment; this is for a segment that it could not end. */
	if (recorder->writer)
		finish_segment(recorder, "stop", clock_real_ns());
	atomic_store(&recorder->is_finished, true);
	wakeup_send(recorder->context.wake_fd);
}

struct recorder *recorder_new(const struct recorder_context *context, const char *interface)
{
	struct recorder *recorder = mem_calloc(1, sizeof *recorder);

	recorder->context = *context;
	compressor_init(&recorder->compressor, context->counters);
	(void)snprintf(recorder->interface, sizeof recorder->interface, "%s", interface);
	recorder->counts = counters_take(context->counters, interface);
	queue_init(&recorder->queue, context->pool->count); /* every chunk there is fits */
	return recorder;
}

struct recorder *recorder_free(struct recorder *recorder)
{
	if (!recorder)
		return NULL;
	queue_close(&recorder->queue); /* the capture did, unless that never ran */
	thread_join(&recorder->thread);
	recorder->index = index_free(recorder->index);
	compressor_done(&recorder->compressor);
	counters_return(recorder->counts);
	queue_done(&recorder->queue);
	free(recorder);
	return NULL;
}

struct queue *recorder_queue(struct recorder *recorder)
{
	return &recorder->queue;
}

void recorder_set_codec(struct recorder *recorder, const struct codec *codec, int level)
{
	compressor_choose(&recorder->compressor, codec, level);
}

int recorder_start(struct recorder *recorder, struct error *err)
{
	cleanup_free char *name = mem_printf("rec-%.11s", recorder->interface);

	return thread_start(&recorder->thread, name, recorder_run, recorder, err);
}

bool recorder_is_finished(const struct recorder *recorder)
{
	return atomic_load(&recorder->is_finished);
}

uint64_t recorder_last_beat_ms(const struct recorder *recorder)
{
	return thread_last_beat_ms(&recorder->thread);
}
