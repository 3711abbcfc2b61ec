/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because the life of a segment on a disk that works and on one that fails is one piece. */
#include "record/recorder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wakeup.h"
#include "packet/format.h"
#include "record/compressor.h"
#include "segment/write_behind.h"
#include "segment/name.h"

#define POP_MS     1000 /* at most, so that the watchdog sees a beat */
#define READY_MANY 4    /* with so many waiting, the newest one is not read soon */
#define NOTE_MS    1000 /* at least, between two writings of the open segment's facts */
/* A segment is begun if so much fits: a file's first block, and that of its facts. */
#define BEGIN_BYTES 8192

struct recorder {
	struct recorder_context context;
	char interface[64];
	struct interface_counters *counts;
	struct thread thread;
	struct queue queue;
	struct utsname system;
	char os[2 * sizeof((struct utsname *)NULL)->release]; /* its name and version */
	atomic_bool is_finished;

	pthread_mutex_t lock; /* for the next two */
	const struct codec *next_codec;
	int next_level;

	/* The thread's own. */
	struct compressor compressor;
	struct write_behind behind; /* of the open file */
	int fd;                     /* of the open segment; -1: none is open */
	const struct format *format;
	char name[SEGMENT_NAME_MAX + 1];
	struct segment segment; /* while none is open: what was lost since the last one */
	uint64_t begun_start_ns;
	uint64_t noted_drops, noted_ms; /* what its facts tell, and when they were written last */
	bool is_failing;                /* the disk; said once until it works again */
	bool is_uncut;                  /* the open file ends with half a member */
};

static void take_codec(struct recorder *recorder)
{
	const struct codec *codec;
	int level;

	(void)pthread_mutex_lock(&recorder->lock);
	codec = recorder->next_codec;
	level = recorder->next_level;
	(void)pthread_mutex_unlock(&recorder->lock);
	compressor_choose(&recorder->compressor, codec, level);
}

/* The pool tells whether we keep up. */
static void adapt_level(struct recorder *recorder)
{
	if (compressor_adapt(&recorder->compressor,
			     chunk_pool_free_percent(recorder->context.pool)))
		log_event(EVENT_RECORDER_BEHIND, log_text("interface", recorder->interface));
}

/* Compress and append one member. On failure the file is cut back to its last whole member. */
static int append_member(struct recorder *recorder, const uint8_t *bytes, size_t length,
			 struct error *err)
{
	struct segment *segment = &recorder->segment;
	size_t member_bytes;
	const uint8_t *member = compressor_compress(&recorder->compressor, bytes, length,
						    &member_bytes);

	if (spool_make_room(recorder->context.spool, recorder->name, member_bytes, err) < 0)
		return -1;
	if (file_write_all(recorder->fd, member, member_bytes, err) < 0) {
		struct error settling;

		if (ftruncate(recorder->fd, (off_t)segment->bytes) < 0 ||
		    lseek(recorder->fd, (off_t)segment->bytes, SEEK_SET) < 0)
			recorder->is_uncut = true;
		(void)spool_settle(recorder->context.spool, recorder->name, recorder->fd,
				   &settling);
		return -1;
	}
	segment->bytes += member_bytes;
	write_behind_advance(&recorder->behind, segment->bytes);
	segment->pcap_bytes += length;
	segment->crc32c = crc32c_update(segment->crc32c, member, member_bytes);
	return spool_settle(recorder->context.spool, recorder->name, recorder->fd, err);
}

/* While no segment is open, its next one's drops are kept by the spool. */
static void carry_drops(struct recorder *recorder)
{
	if (drops_is_zero(&recorder->segment.drops))
		return;
	spool_carry(recorder->context.spool, &recorder->segment.drops);
	recorder->segment.drops = (struct drops){ 0 };
	recorder->noted_drops = 0;
}

/* A crash must not hide a loss: what is on the disk follows the drops. */
static void note_drops(struct recorder *recorder)
{
	uint64_t drops = drops_sum(&recorder->segment.drops), now_ms = clock_monotonic_ms();
	struct error err;

	if (drops == recorder->noted_drops || now_ms - recorder->noted_ms < NOTE_MS)
		return;
	recorder->noted_ms = now_ms;
	if (recorder->fd < 0)
		carry_drops(recorder);
	else if (spool_note_facts(recorder->context.spool, recorder->name, &recorder->segment,
				  &err) < 0)
		log_debug("facts of the open segment cannot be written", log_reason(&err));
	else
		recorder->noted_drops = drops;
}

static int begin_segment(struct recorder *recorder, const struct chunk *chunk, struct error *err)
{
	const struct format *format = chunk->source.format;
	const struct format_origin origin = {
		.node = recorder->context.node,
		.hardware = recorder->system.machine,
		.os = recorder->os,
		.application = PACKAGE_NAME " " PACKAGE_VERSION,
	};
	struct segment segment = { .start_ns = chunk->start_ns, .snaplen = chunk->source.snaplen };
	const struct segment *before = &recorder->segment;
	uint8_t header[FORMAT_EDGE_BYTES_MAX];
	char extension[32];

	if (spool_make_room(recorder->context.spool, NULL, BEGIN_BYTES, err) < 0)
		return -1;
	take_codec(recorder);
	/* The rest of a segment whose file failed begins with its own first packet. */
	if (chunk->start_ns == recorder->begun_start_ns && chunk->packets > 0)
		segment.start_ns = chunk->first_ns;
	(void)snprintf(segment.node, sizeof segment.node, "%s", recorder->context.node);
	(void)snprintf(segment.interface, sizeof segment.interface, "%s", chunk->source.interface);
	(void)snprintf(segment.link_type, sizeof segment.link_type, "%s",
		       chunk->source.link_type_name);
	(void)snprintf(segment.filter, sizeof segment.filter, "%s", chunk->source.filter);
	text_make_uuid(segment.id);
	(void)snprintf(extension, sizeof extension, "%s%s", format->extension,
		       recorder->compressor.codec->extension);
	if (spool_next_sequence(recorder->context.spool, &segment.sequence, err) < 0)
		return -1;
	name_format(segment.node, segment.interface, segment.start_ns, segment.sequence, extension,
		    recorder->name);
	/* What was lost while no file could be open is told by the next one. */
	segment.drops = before->drops;
	segment.packets_own = before->packets_own;
	recorder->fd = spool_create(recorder->context.spool, recorder->name, &segment, err);
	if (recorder->fd < 0)
		return -1;
	write_behind_begin(&recorder->behind, recorder->fd);
	recorder->format = format;
	recorder->segment = segment;
	recorder->noted_drops = drops_sum(&segment.drops);
	recorder->begun_start_ns = chunk->start_ns;
	if (append_member(recorder, header, format->encode_header(&chunk->source, &origin, header),
			  err) < 0) {
		mem_close_cleanup(&recorder->fd);
		recorder->fd = -1;
		recorder->is_uncut = false;
		spool_discard(recorder->context.spool, recorder->name);
		return -1;
	}
	return 0;
}

/* The format's last word, which tells what the file lacks. The file is whole without it. */
static void append_trailer(struct recorder *recorder, uint64_t end_ns)
{
	const struct segment *segment = &recorder->segment;
	const struct format_totals totals = {
		.start_ns = segment->start_ns,
		.end_ns = end_ns,
		.packets = segment->packets,
		.packets_own = segment->packets_own,
		.drops_kernel = segment->drops.count[DROP_KERNEL],
		.drops = drops_sum(&segment->drops),
	};
	uint8_t trailer[FORMAT_EDGE_BYTES_MAX];
	struct error err;

	if (recorder->format->encode_trailer && !recorder->is_uncut &&
	    append_member(recorder, trailer, recorder->format->encode_trailer(&totals, trailer),
			  &err) < 0)
		log_debug("segment has no trailer", log_text("name", recorder->name),
			  log_reason(&err));
}

/* Where several wait for their upload, this one will come out of the page cache by itself: sooner is better. */
static bool is_read_late(const struct recorder *recorder)
{
	struct spool_totals totals = { 0 };

	return spool_totals(recorder->context.spool, &totals) && totals.ready >= READY_MANY;
}

/* Somebody has deleted the file that was being written: its packets are lost, and the next one tells. */
static void lose_segment(struct recorder *recorder, const struct segment *lost)
{
	log_event(EVENT_OPEN_SEGMENT_DELETED, log_text("name", recorder->name),
		  log_number("packets", lost->packets));
	interface_add(recorder->counts, packets_discarded, lost->packets);
	interface_add(recorder->counts, drops[DROP_DISK], lost->packets);
	recorder->segment.drops = lost->drops;
	recorder->segment.drops.count[DROP_DISK] += lost->packets;
	recorder->segment.packets_own = lost->packets_own;
	spool_discard(recorder->context.spool, recorder->name);
}

/* Make the file durable; -1 if it may not be published as it is. */
static int complete(struct recorder *recorder, bool *ret_is_gone, struct error *err)
{
	int result = 0;

	*ret_is_gone = spool_settle(recorder->context.spool, recorder->name, recorder->fd, err) <
			       0 &&
		       err->errnum == ENOENT;
	if (recorder->is_uncut)
		result = error_set(err, ERROR_FATAL, "its end is incomplete");
	else if (fsync(recorder->fd) < 0)
		result = error_errno(err, "sync");
	else if (is_read_late(recorder))
		write_behind_drop(&recorder->behind);
	mem_close_cleanup(&recorder->fd);
	recorder->fd = -1;
	recorder->is_uncut = false;
	return result;
}

/* Hand the file over, durable; if that fails, recovery takes care of it. */
static void finish_segment(struct recorder *recorder, const char *reason, uint64_t end_ns)
{
	struct segment finished, *segment = &finished;
	struct error err;
	bool is_gone;
	int result;

	append_trailer(recorder, end_ns);
	finished = recorder->segment;
	recorder->segment = (struct segment){ 0 };
	recorder->noted_drops = 0;
	(void)snprintf(segment->reason, sizeof segment->reason, "%s", reason);
	segment->end_ns = end_ns;
	result = complete(recorder, &is_gone, &err);
	if (is_gone) {
		lose_segment(recorder, segment);
		return;
	}
	if (result < 0)
		spool_leave_facts(recorder->context.spool, recorder->name, segment);
	else
		spool_tell_facts(recorder->context.spool, recorder->name, segment);
	/* Said before an uploader can say that it has sent it, and with the drops that it tells. */
	log_event(EVENT_SEGMENT_FINISHED, log_text("name", recorder->name), log_text("end", reason),
		  log_number("packets", segment->packets), log_number("bytes", segment->bytes),
		  log_number("drops", drops_sum(&segment->drops)));
	if (result == 0)
		result = spool_make_ready(recorder->context.spool, recorder->name, segment->packets,
					  &err);
	if (result == 0) {
		interface_add(recorder->counts, segments, 1);
		return;
	}
	log_event(EVENT_PUBLISH_FAILED, log_text("name", recorder->name), log_reason(&err));
	spool_abandon(recorder->context.spool, recorder->name);
}

static void count_dropped(struct recorder *recorder, const struct chunk *chunk,
			  enum drop_reason reason)
{
	interface_add(recorder->counts, drops[reason], chunk->packets);
	recorder->segment.drops.count[reason] += chunk->packets;
}

static void add_to_facts(struct segment *segment, const struct chunk *chunk)
{
	if (segment->packets == 0)
		segment->first_ns = chunk->first_ns;
	if (chunk->packets > 0)
		segment->last_ns = chunk->last_ns;
	segment->packets += chunk->packets;
}

/* The disk failed us. What is whole in the file is worth keeping; a new file may fare better. */
static void on_disk_failure(struct recorder *recorder, const struct chunk *chunk,
			    const struct error *err)
{
	if (!recorder->is_failing)
		log_event(EVENT_WRITE_FAILED, log_text("interface", recorder->interface),
			  log_reason(err));
	recorder->is_failing = true;
	count_dropped(recorder, chunk, DROP_DISK);
	if (recorder->fd >= 0)
		finish_segment(recorder, "disk", chunk->last_ns);
	/* A quota, or a file system that others fill: limits that the budget does not see. */
	if (err->errnum == ENOSPC || err->errnum == EDQUOT)
		(void)spool_give_way(recorder->context.spool);
}

/* Begin a segment if need be, and append the chunk to it. */
static int write_chunk(struct recorder *recorder, const struct chunk *chunk, struct error *err)
{
	/* A chunk without a packet has no time, and ends or adds to what is open. */
	if (recorder->fd >= 0 && chunk->packets > 0 &&
	    recorder->segment.bytes >= spool_segment_bytes_max(recorder->context.spool))
		finish_segment(recorder, "budget", chunk->first_ns);
	if (recorder->fd < 0 && begin_segment(recorder, chunk, err) < 0)
		return -1;
	if (chunk->length == 0)
		return 0;
	adapt_level(recorder);
	return append_member(recorder, chunk->bytes, chunk->length, err);
}

/* The same; where the open segment takes all there is, it is finished to make room for the next. */
static int write_chunk_within_budget(struct recorder *recorder, const struct chunk *chunk,
				     struct error *err)
{
	if (write_chunk(recorder, chunk, err) == 0)
		return 0;
	if (err->kind != ERROR_TRANSIENT || recorder->fd < 0)
		return -1;
	finish_segment(recorder, "budget", chunk->first_ns);
	return write_chunk(recorder, chunk, err);
}

static void record_chunk(struct recorder *recorder, const struct chunk *chunk)
{
	struct error err;

	if (write_chunk_within_budget(recorder, chunk, &err) == 0) {
		if (chunk->length > 0 && recorder->is_failing) {
			log_event(EVENT_WRITE_RECOVERED,
				  log_text("interface", recorder->interface));
			recorder->is_failing = false;
		}
		add_to_facts(&recorder->segment, chunk);
		interface_add(recorder->counts, packets, chunk->packets);
		interface_add(recorder->counts, bytes, chunk->length);
	} else if (err.kind == ERROR_TRANSIENT) {
		count_dropped(recorder, chunk, DROP_BUDGET);
	} else {
		on_disk_failure(recorder, chunk, &err);
	}
	recorder->segment.packets_own += chunk->packets_own;
	drops_add(&recorder->segment.drops, &chunk->drops);
	if (chunk->end_reason && recorder->fd >= 0)
		finish_segment(recorder, chunk->end_reason, chunk->end_ns);
	if (chunk->end_reason)
		counter_add(&recorder->counts->segments_closed, 1);
}

static void run(void *context)
{
	struct recorder *recorder = context;

	while (!queue_is_finished(&recorder->queue)) {
		struct chunk *chunk = queue_pop(&recorder->queue, POP_MS);

		thread_beat();
		if (chunk) {
			record_chunk(recorder, chunk);
			chunk_pool_put(recorder->context.pool, chunk);
		}
		note_drops(recorder);
	}
	/* Capture ends its last segment; this is for a segment that it could not end. */
	if (recorder->fd >= 0)
		finish_segment(recorder, "stop", clock_real_ns());
	carry_drops(recorder);
	atomic_store(&recorder->is_finished, true);
	wakeup_send(recorder->context.wake_fd);
}

struct recorder *recorder_new(const struct recorder_context *context, const char *interface)
{
	struct recorder *recorder = mem_calloc(1, sizeof *recorder);

	recorder->context = *context;
	recorder->fd = -1;
	(void)uname(&recorder->system); /* cannot fail for a valid pointer */
	(void)snprintf(recorder->os, sizeof recorder->os, "%s %s", recorder->system.sysname,
		       recorder->system.release);
	compressor_init(&recorder->compressor, context->counters);
	(void)snprintf(recorder->interface, sizeof recorder->interface, "%s", interface);
	recorder->counts = counters_take(context->counters, interface);
	(void)pthread_mutex_init(&recorder->lock, NULL);
	queue_init(&recorder->queue, context->pool->count); /* every chunk there is fits */
	return recorder;
}

struct recorder *recorder_free(struct recorder *recorder)
{
	if (!recorder)
		return NULL;
	assert(!recorder->thread.is_running);
	compressor_done(&recorder->compressor);
	counters_return(recorder->counts);
	queue_done(&recorder->queue);
	(void)pthread_mutex_destroy(&recorder->lock);
	free(recorder);
	return NULL;
}

struct queue *recorder_queue(struct recorder *recorder)
{
	return &recorder->queue;
}

void recorder_set_codec(struct recorder *recorder, const struct codec *codec, int level)
{
	(void)pthread_mutex_lock(&recorder->lock);
	recorder->next_codec = codec;
	recorder->next_level = level;
	(void)pthread_mutex_unlock(&recorder->lock);
}

int recorder_start(struct recorder *recorder, struct error *err)
{
	char name[32];

	(void)snprintf(name, sizeof name, "rec-%.11s", recorder->interface);
	return thread_start(&recorder->thread, name, run, recorder, err);
}

bool recorder_is_finished(const struct recorder *recorder)
{
	return atomic_load(&recorder->is_finished);
}

void recorder_join(struct recorder *recorder)
{
	thread_join(&recorder->thread);
}

uint64_t recorder_last_beat_ms(const struct recorder *recorder)
{
	return thread_last_beat_ms(&recorder->thread);
}
