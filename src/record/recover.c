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
#include "packet/packet.h"
#include "segment/codec.h"

/* A crash right after the beginning leaves no more; in a larger file there were packets. */
#define SMALL_BYTES 4096

struct walk {
	int fd;
	const struct codec *codec;
	const struct format *format;
	struct codec_state *state;
	struct format_reader reader;
	uint8_t *packed, *plain;
	size_t packed_bytes;
};

static void walk_done(struct walk *walk)
{
	codec_state_free(walk->codec, walk->state);
	free(walk->packed);
	free(walk->plain);
}

/*
 * The whole records of the member at this offset: added to what is known of the segment. Returns how long the
 * member is, 0 if there is no whole one, -1 on read errors.
 */
static ssize_t walk_member(struct walk *walk, uint64_t offset, struct segment *segment,
			   struct error *err)
{
	ssize_t got = file_read_at(walk->fd, walk->packed, walk->packed_bytes, offset, err);
	struct segment found = *segment;
	struct format_record record;
	size_t plain_bytes = 0, used, whole = 0;

	if (got <= 0)
		return got;
	used = walk->codec->decompress(walk->state, walk->packed, (size_t)got, walk->plain,
				       CHUNK_BYTES, &plain_bytes);
	if (used == 0)
		return 0;
	while (walk->format->next(&walk->reader, walk->plain, plain_bytes, &whole, &record) ==
	       FORMAT_RECORD) {
		if (found.packets++ == 0)
			found.first_ns = record.time_ns;
		found.last_ns = record.time_ns;
	}
	if (walk->codec == &codec_none)
		used = whole; /* no members: the records themselves are the places to cut at */
	else if (whole != plain_bytes)
		return 0;
	*segment = found;
	segment->pcap_bytes += whole;
	segment->bytes += used;
	return (ssize_t)used;
}

/* Count what is whole in a file; segment->bytes is where to cut it. */
static int walk_file(int fd, const char *name, struct segment *segment, struct error *err)
{
	cleanup(walk_done) struct walk walk = { .fd = fd,
						.codec = codec_of_name(name),
						.format = format_of_name(name) };
	ssize_t member;

	walk.state = codec_state_new(walk.codec);
	walk.plain = mem_alloc(CHUNK_BYTES);
	walk.packed_bytes = walk.codec->bound(CHUNK_BYTES);
	walk.packed = mem_alloc(walk.packed_bytes);
	segment->packets = segment->pcap_bytes = segment->bytes = 0;
	if (!walk.format)
		return error_set(err, ERROR_REJECTED, "not a capture file of ours");
	do {
		member = walk_member(&walk, segment->bytes, segment, err);
	} while (member > 0);
	return (int)member;
}

/*
 * A crash leaves one incomplete member at most, and a power failure zeros behind what was synced. What goes on
 * for longer is damaged, and may hold packets that a person can read: that is never cut off.
 */
static int check_rest(int fd, const char *name, const struct segment *found, uint64_t file_bytes,
		      struct error *err)
{
	static const uint8_t zeros[4096];
	uint8_t block[sizeof zeros];
	uint64_t offset = found->bytes;

	if (found->bytes == 0 && file_bytes > SMALL_BYTES)
		return error_set(err, ERROR_REJECTED, "its beginning is damaged");
	if (file_bytes - found->bytes <= codec_of_name(name)->bound(CHUNK_BYTES))
		return 0;
	while (found->packets > 0) {
		ssize_t got = file_read_at(fd, block, sizeof block, offset, err);

		if (got <= 0)
			return (int)got;
		if (memcmp(block, zeros, (size_t)got) != 0)
			break;
		offset += (uint64_t)got;
	}
	return error_set(err, ERROR_REJECTED,
			 "of its %ju bytes only the first %ju, with %ju packets, can be read",
			 (uintmax_t)file_bytes, (uintmax_t)found->bytes, (uintmax_t)found->packets);
}

/* Read the file and see what is whole of it. ERROR_REJECTED: it is damaged. */
static int examine_file(struct spool_writer *writer, struct counters *counters,
			uint64_t *ret_file_bytes, struct error *err)
{
	struct segment *segment = &writer->segment;
	uint64_t written = segment->packets, missing;
	struct error noting;
	struct stat st;
	int fd = writer->file.fd;

	/* What the disk has, not what memory shows: after a sync that failed they may differ. */
	if (fsync(fd) < 0)
		return error_errno(err, "sync");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	*ret_file_bytes = (uint64_t)st.st_size;
	if (walk_file(fd, writer->name, segment, err) < 0 ||
	    check_rest(fd, writer->name, segment, *ret_file_bytes, err) < 0) {
		/* Damaged, it counts with the packets that are known of it. */
		if (segment->packets < written)
			segment->packets = written;
		else if (err->kind == ERROR_REJECTED && segment->packets > written &&
			 spool_note(writer, &noting) < 0)
			*err = noting;
		return -1;
	}
	if (written <= segment->packets)
		return 0;
	/* They were written once, and the disk did not keep them. Noted before it is counted: once. */
	missing = written - segment->packets;
	segment->drops.count[DROP_DISK] += missing;
	if (spool_note(writer, err) < 0)
		return -1;
	counters_discard(counters, segment->interface, DROP_DISK, missing);
	log_warning("unfinished segment lacks packets that were written",
		    log_text("name", writer->name), log_number("packets", missing));
	return 0;
}

/* Finish one file; -1 with the writer still to be ended. */
static int recover_one(struct spool_writer *writer, struct counters *counters, struct error *err)
{
	struct segment *segment = &writer->segment, recovered;
	cleanup_free char *name = mem_strdup(writer->name);
	struct interface_counters *counts;
	uint64_t file_bytes = 0;

	if (examine_file(writer, counters, &file_bytes, err) < 0)
		return -1;
	if (segment->packets == 0) {
		if (spool_drop(writer) == 0)
			log_notice("removed unfinished segment without packets",
				   log_text("name", name));
		return 0;
	}
	if (segment_file_cut(&writer->file, segment->bytes, err) < 0)
		return -1;
	segment->crc32c = writer->file.crc32c;
	(void)snprintf(segment->reason, sizeof segment->reason, "recovered");
	segment->end_ns = segment->last_ns;
	if (segment->start_ns == 0)
		segment->start_ns = segment->first_ns;
	recovered = *segment;
	if (spool_finish(writer) < 0)
		return 0;
	counts = counters_take(counters, recovered.interface);
	interface_add(counts, segments, 1);
	counters_return(counts);
	log_event(EVENT_SEGMENT_RECOVERED, log_text("name", name),
		  log_number("packets", recovered.packets), log_number("bytes", recovered.bytes),
		  log_number("bytes_cut", file_bytes - recovered.bytes));
	return 0;
}

void recover_unfinished(struct spool *spool, struct counters *counters,
			const atomic_bool *is_stopping)
{
	struct spool_writer *writer;

	while (!atomic_load(is_stopping) && (writer = spool_take_unfinished(spool))) {
		struct error err;

		if (recover_one(writer, counters, &err) == 0)
			continue;
		/* One that cannot be read now may be readable later; one that is damaged never will be. */
		if (err.kind != ERROR_REJECTED) {
			spool_leave_for_recovery(writer, &err);
			continue;
		}
		log_event(EVENT_SEGMENT_DAMAGED, log_text("name", writer->name), log_reason(&err));
		(void)spool_quarantine(writer);
	}
}
