/* SPDX-License-Identifier: Apache-2.0 */
#include "record/record.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "packet/packet.h"
#include "record/file_index.h"
#include "record/walk.h"
#include "segment/codec.h"

/* A crash right after the beginning leaves no more; in a larger file there were packets, whatever its metadata say. */
#define SMALL_BYTES  4096
#define FAILURES_MAX 3

struct recovery {
	struct spool_writer *writer;
	struct counters *counters;
	struct walk_order order;
	struct index *index; /* of what was found; NULL: it gets none */
	uint64_t file_bytes;
	struct walk_found found;
	bool has_rest; /* looked for, where it matters: more than zeros behind what can be read */
	bool is_damaged; /* more than a crash explains: the file is kept beside what can be read of it */
	bool is_kept; /* it is: there was room for both */
};

/* Where packets may be: what is behind, an index, is made again, whatever became of it. */
static uint64_t data_end(const struct recovery *recovery)
{
	const struct walk_found *found = &recovery->found;
	uint64_t end = found->data_end > 0 ? found->data_end : recovery->file_bytes;

	return end > found->end ? end : found->end;
}

/* Is there anything but zeros behind what can be read? 1, 0 or -1 with err. */
static int look_for_rest(const struct recovery *recovery, struct error *err)
{
	static const uint8_t zeros[4096];
	uint64_t offset = recovery->found.end, end = data_end(recovery);
	uint8_t block[sizeof zeros];

	for (;;) {
		ssize_t got;

		if (atomic_load(recovery->order.is_stopping))
			return error_set(err, ERROR_TRANSIENT, "the program ends");
		got = recovery->order.read(
			recovery->writer->file.fd, block,
			end - offset < sizeof block ? end - offset : sizeof block, offset, err);
		if (got <= 0)
			return (int)got;
		if (memcmp(block, zeros, (size_t)got) != 0)
			return 1;
		offset += (uint64_t)got;
	}
}

/*
 * A crash leaves one incomplete member at most, and a power failure zeros behind what was synced. What goes on
 * for longer is damaged, and may hold packets that a person can read. So is a file without packets that had some.
 */
static int check_rest(struct recovery *recovery, struct error *err)
{
	const struct spool_writer *writer = recovery->writer;
	const struct walk_found *found = &recovery->found;
	bool is_short = data_end(recovery) - found->end <=
			codec_of_name(writer->name)->bound(CHUNK_BYTES);
	/* What was synced before its end was noted, no crash explains. */
	bool is_lacking = found->end < writer->segment.data_bytes;
	int result = 0;

	if (!is_short || is_lacking || (found->packets == 0 && writer->segment.packets > 0))
		result = look_for_rest(recovery, err);
	recovery->has_rest = result > 0;
	recovery->is_damaged |= recovery->has_rest || is_lacking;
	return result < 0 ? -1 : 0;
}

/* Say in the metadata between which packets others are missing: FROM/TO, with a comma between several. */
static void attach_gaps(const struct walk_found *found, struct segment *segment)
{
	char bytes[WALK_GAPS_MAX * 2 * TEXT_TIME_MAX] = "", from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];
	struct text text = text_over(bytes, sizeof bytes);

	for (size_t i = 0; i < found->gap_count; i++) {
		text_format_time(found->gaps[i].from_ns, from);
		text_format_time(found->gaps[i].to_ns, to);
		text_append(&text, "%s%s/%s", i > 0 ? "," : "", from, to);
	}
	if (!segment_attach(segment, RECOVER_GAPS_KEY, bytes))
		log_debug("no room for the gaps of a segment");
}

/* Read the file and see what is whole of it. ERROR_REJECTED: nothing, and it is damaged. */
static int examine_file(struct recovery *recovery, struct error *err)
{
	struct spool_writer *writer = recovery->writer;
	struct stat st;
	int fd = writer->file.fd;

	/* What the disk has, not what memory shows: after a sync that failed they may differ. */
	if (fsync(fd) < 0)
		return error_errno(err, "sync");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	recovery->file_bytes = (uint64_t)st.st_size;
	recovery->index = index_free(recovery->index);
	if (walk_file(fd, writer->name, &writer->segment, &recovery->order, &recovery->found,
		      &recovery->index, err) < 0)
		return -1;
	recovery->is_damaged = recovery->found.is_in_parts;
	if (check_rest(recovery, err) < 0)
		return -1;
	if (recovery->found.packets == 0 && recovery->is_damaged &&
	    (recovery->file_bytes > SMALL_BYTES ||
	     (writer->segment.packets > 0 && recovery->has_rest)))
		return error_set(err, ERROR_REJECTED, "no packet in its %ju bytes can be read",
				 (uintmax_t)recovery->file_bytes);
	return 0;
}

/* What is known of the segment becomes what was found of it, and what is missing is noted, and counted: once. */
static int note_found(struct recovery *recovery, struct error *err)
{
	struct segment *segment = &recovery->writer->segment;
	const struct walk_found *found = &recovery->found;
	uint64_t missing = segment->packets > found->packets ? segment->packets - found->packets
							     : 0;

	segment->packets = found->packets;
	segment->earliest_ns = found->earliest_ns;
	segment->latest_ns = found->latest_ns;
	segment->pcap_bytes = found->pcap_bytes;
	segment->bytes = found->bytes;
	segment->index[0] = '\0';
	if (recovery->is_damaged) /* they are those of the file that is to be replaced */
		segment->data_bytes = 0;
	segment->drops.count[DROP_DISK] += missing;
	if (found->gap_count > 0)
		attach_gaps(found, segment);
	if (missing == 0 && !recovery->is_damaged)
		return 0;
	if (spool_note(recovery->writer, err) < 0) /* the metadata on the disk stay as they were */
		return -1;
	if (missing == 0)
		return 0;
	counters_discard(recovery->counters, segment->interface, DROP_DISK, missing);
	log_warning("unfinished segment lacks packets that were written",
		    log_text("name", recovery->writer->name), log_number("packets", missing));
	return 0;
}

static int cut_rest(struct recovery *recovery, struct error *err)
{
	return segment_file_cut(&recovery->writer->file, recovery->found.bytes,
				recovery->found.crc32c, err);
}

/*
 * A file of what can be read takes the place of a damaged one. Without room for both, what cannot be read is cut off if
 * it is all behind the rest; if not, the file waits for room: what waits for its upload is worth more than a copy.
 */
static int replace_damaged(struct recovery *recovery, struct error *err)
{
	struct spool_writer *writer = recovery->writer;
	struct walk_order order = recovery->order;
	struct segment_file copy;
	struct walk_found found;
	int result;

	if (spool_begin_copy(writer, recovery->found.bytes, &copy, err) < 0) {
		if (err->kind != ERROR_TRANSIENT || recovery->found.is_in_parts)
			return -1;
		return cut_rest(recovery, err);
	}
	recovery->index = index_free(recovery->index);
	order.copy = &copy;
	result = walk_file(writer->file.fd, writer->name, &writer->segment, &order, &found,
			   &recovery->index, err);
	if (result == 0)
		result = spool_replace(writer, &copy, err);
	recovery->is_kept = result == 0;
	close_fd(&copy.fd);
	return result;
}

static void log_recovered(const struct recovery *recovery, const char *name)
{
	const struct walk_found *found = &recovery->found;

	if (recovery->is_damaged)
		log_event(EVENT_SEGMENT_REPAIRED, log_text("name", name),
			  log_number("packets", found->packets), log_number("bytes", found->bytes),
			  log_number("bytes_before", recovery->file_bytes),
			  log_number("gaps", found->gap_count),
			  log_text("damaged_kept", recovery->is_kept ? "yes" : "no"));
	else
		log_event(EVENT_SEGMENT_RECOVERED, log_text("name", name),
			  log_number("packets", found->packets), log_number("bytes", found->bytes),
			  log_number("bytes_cut", recovery->file_bytes - found->bytes));
}

/* Finish one file; -1 with the writer still to be ended. */
static int recover_one(struct recovery *recovery, struct error *err)
{
	struct spool_writer *writer = recovery->writer;
	struct segment *segment = &writer->segment;
	cleanup_free char *name = mem_strdup(writer->name);
	struct interface_counters *counts;
	char interface[sizeof segment->interface];

	if (examine_file(recovery, err) < 0 || note_found(recovery, err) < 0)
		return -1;
	if (segment->packets == 0) {
		if (spool_drop(writer) == 0)
			log_notice("removed unfinished segment without packets",
				   log_text("name", name));
		return 0;
	}
	if (recovery->is_damaged ? replace_damaged(recovery, err) < 0 : cut_rest(recovery, err) < 0)
		return -1;
	segment->crc32c = writer->file.crc32c;
	(void)snprintf(segment->reason, sizeof segment->reason, "recovered");
	/* That it was noted to end later says that what follows the latest packet is missing. */
	if (segment->end_ns < segment->latest_ns)
		segment->end_ns = segment->latest_ns;
	if (segment->start_ns == 0)
		segment->start_ns = segment->earliest_ns;
	(void)snprintf(interface, sizeof interface, "%s", segment->interface);
	file_index_end(take_ptr(recovery->index), writer);
	if (spool_finish(writer) < 0)
		return 0;
	counts = counters_take(recovery->counters, interface);
	interface_add(counts, segments, 1);
	counters_return(counts);
	log_recovered(recovery, name);
	return 0;
}

void recover_unfinished(struct spool *spool, struct counters *counters,
			struct index_pool *index_pool, const atomic_bool *is_stopping)
{
	struct recovery recovery = { .counters = counters,
				     .order = { .index_pool = index_pool,
						.is_stopping = is_stopping } };
	struct spool_writer *writer;

	while (!atomic_load(is_stopping) && (writer = spool_take_unfinished(spool))) {
		struct error err;

		recovery.writer = writer;
		recovery.found = (struct walk_found){ .packets = 0 };
		recovery.is_damaged = recovery.is_kept = false;
		/* A disk that is in trouble may read it later; a bad sector stays one. */
		recovery.order.read = writer->failures < FAILURES_MAX ? file_read_at
								      : file_read_around;
		if (recover_one(&recovery, &err) == 0)
			continue;
		/* One that cannot be read now may be readable later; one that is damaged never will be. */
		if (err.kind != ERROR_REJECTED) {
			spool_leave_for_recovery(writer, atomic_load(is_stopping) ? NULL : &err);
			continue;
		}
		log_event(EVENT_SEGMENT_DAMAGED, log_text("name", writer->name), log_reason(&err));
		(void)spool_quarantine(writer);
	}
	index_free(recovery.index);
}
