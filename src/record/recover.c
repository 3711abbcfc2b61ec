/* SPDX-License-Identifier: Apache-2.0 */
#include "record/recover.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "packet/chunk.h"
#include "packet/format.h"
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
	walk->codec->state_free(walk->state);
	free(walk->packed);
	free(walk->plain);
}

/* Add the whole records of these bytes to the segment. Returns how many bytes are whole. */
static size_t count_records(struct walk *walk, size_t plain_bytes, struct segment *segment)
{
	struct format_record record;
	size_t whole = 0;

	while (walk->format->next(&walk->reader, walk->plain, plain_bytes, &whole, &record) ==
	       FORMAT_RECORD) {
		if (segment->packets++ == 0)
			segment->first_ns = record.time_ns;
		segment->last_ns = record.time_ns;
	}
	return whole;
}

/*
 * The whole records of the member at this offset: added to the segment's facts. Returns how long the
 * member is, 0 if there is no whole one, -1 on read errors.
 */
static ssize_t walk_member(struct walk *walk, uint64_t offset, struct segment *segment,
			   struct error *err)
{
	ssize_t got = file_read_at(walk->fd, walk->packed, walk->packed_bytes, offset, err);
	struct segment found = *segment;
	size_t plain_bytes = 0, used, whole;

	if (got <= 0)
		return got;
	used = walk->codec->decompress(walk->state, walk->packed, (size_t)got, walk->plain,
				       CHUNK_BYTES, &plain_bytes);
	if (used == 0)
		return 0;
	whole = count_records(walk, plain_bytes, &found);
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
	cleanup(walk_done) struct walk walk = { .fd = fd, .codec = codec_of_name(name) };
	ssize_t member;

	walk.state = walk.codec->state_new();
	walk.plain = mem_alloc(CHUNK_BYTES);
	walk.packed_bytes = walk.codec->bound(CHUNK_BYTES);
	walk.packed = mem_alloc(walk.packed_bytes);
	walk.format = format_of_name(name);
	segment->packets = segment->pcap_bytes = segment->bytes = 0;
	if (!walk.format)
		return error_set(err, ERROR_REJECTED, "not a capture file of ours");
	do {
		member = walk_member(&walk, segment->bytes, segment, err);
	} while (member > 0);
	return (int)member;
}

/* Nothing but zeros from there on? 1, 0, or -1 on read errors. */
static int is_zero_from(int fd, uint64_t offset, struct error *err)
{
	static const uint8_t zeros[4096];
	uint8_t block[sizeof zeros];
	ssize_t got;

	do {
		got = file_read_at(fd, block, sizeof block, offset, err);
		if (got < 0 || (got > 0 && memcmp(block, zeros, (size_t)got) != 0))
			return got < 0 ? -1 : 0;
		offset += (uint64_t)got;
	} while (got > 0);
	return 1;
}

/*
 * A crash leaves one incomplete member at most, and a power failure zeros behind what was synced. What goes on
 * for longer is damaged, and may hold packets that a person can read: that is never cut off.
 */
static int check_rest(int fd, const char *name, const struct segment *found, uint64_t file_bytes,
		      struct error *err)
{
	uint64_t rest = file_bytes - found->bytes;
	int is_zero = 0;

	if (found->bytes == 0 && file_bytes > SMALL_BYTES)
		return error_set(err, ERROR_REJECTED, "its beginning is damaged");
	if (rest <= codec_of_name(name)->bound(CHUNK_BYTES))
		return 0;
	if (found->packets > 0)
		is_zero = is_zero_from(fd, found->bytes, err);
	if (is_zero != 0)
		return is_zero < 0 ? -1 : 0;
	return error_set(err, ERROR_REJECTED,
			 "of its %ju bytes only the first %ju, with %ju packets, can be read",
			 (uintmax_t)file_bytes, (uintmax_t)found->bytes, (uintmax_t)found->packets);
}

static int recover_one(struct spool *spool, const char *name, struct counters *counters,
		       struct error *err)
{
	struct interface_counters *counts;
	struct segment segment;
	cleanup_close int fd = spool_open_unfinished(spool, name, &segment, err);
	uint64_t told, lost;
	struct stat st;

	if (fd < 0)
		return -1;
	/* What the disk has, not what memory shows: after a sync that failed they may differ. */
	if (fsync(fd) < 0)
		return error_errno(err, "sync");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	told = segment.packets;
	if (walk_file(fd, name, &segment, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	if (check_rest(fd, name, &segment, (uint64_t)st.st_size, err) < 0) {
		struct error noting;

		/* Set aside, it counts with what its facts tell. */
		if (err->kind == ERROR_REJECTED && segment.packets > told &&
		    spool_note_facts(spool, name, &segment, &noting) < 0)
			*err = noting;
		return -1;
	}
	/* Written once, and not on the disk: after a power failure, or an error when it was synced. */
	lost = told > segment.packets ? told - segment.packets : 0;
	segment.drops.count[DROP_DISK] += lost;
	if (segment.packets == 0) {
		/* What was lost before it stays told. */
		if (spool_delete_unfinished(spool, name, &segment.drops, err) < 0)
			return -1;
		counters_discard(counters, segment.interface, DROP_DISK, lost);
		log_notice("unfinished segment without packets removed", log_text("name", name),
			   log_number("packets_lost", lost));
		return 0;
	}
	if (lost > 0) {
		/* Once: if what follows fails, the next try finds what is told here. */
		if (spool_note_facts(spool, name, &segment, err) < 0)
			return -1;
		counters_discard(counters, segment.interface, DROP_DISK, lost);
		log_warning("unfinished segment lacks packets that were written",
			    log_text("name", name), log_number("packets", lost));
	}
	if (ftruncate(fd, (off_t)segment.bytes) < 0)
		return error_errno(err, "cut");
	if (fsync(fd) < 0)
		return error_errno(err, "sync");
	if (file_checksum(fd, &segment.crc32c, err) < 0)
		return -1;
	(void)snprintf(segment.reason, sizeof segment.reason, "recovered");
	segment.end_ns = segment.last_ns;
	if (segment.start_ns == 0)
		segment.start_ns = segment.first_ns;
	if (spool_publish(spool, name, &segment, err) < 0)
		return -1;
	counts = counters_take(counters, segment.interface);
	interface_add(counts, segments, 1);
	counters_return(counts);
	log_event(EVENT_SEGMENT_RECOVERED, log_text("name", name),
		  log_number("packets", segment.packets), log_number("bytes", segment.bytes),
		  log_number("bytes_cut", (uint64_t)st.st_size - segment.bytes));
	return 0;
}

/* One that cannot be read now may be readable later; one that is damaged never will be. */
static void on_failure(struct spool *spool, const char *name, unsigned failures,
		       const struct error *failure)
{
	struct error err;

	if (failure->kind == ERROR_REJECTED) {
		log_event(EVENT_SEGMENT_DAMAGED, log_text("name", name), log_reason(failure));
		if (spool_set_aside(spool, name, &err) == 0)
			return;
	}
	if (spool_abandon(spool, name) && failure->kind != ERROR_REJECTED && failures == 0)
		log_event(EVENT_RECOVERY_FAILED, log_text("name", name), log_reason(failure));
}

void recover_unfinished(struct spool *spool, struct counters *counters,
			const atomic_bool *is_stopping)
{
	char name[SEGMENT_NAME_MAX + 1];
	unsigned failures;

	while (!atomic_load(is_stopping) && spool_take_unfinished(spool, name, &failures)) {
		struct error failure;

		if (recover_one(spool, name, counters, &failure) < 0)
			on_failure(spool, name, failures, &failure);
	}
}
