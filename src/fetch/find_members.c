/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/find_members.h"

#include <string.h>

#include "base/mem.h"
#include "fetch/records.h"
#include "segment/codec.h"

#define PART_BYTES  ((size_t)256 << 10)
#define PLAIN_BYTES ((size_t)64 << 10)
#define MEMBERS_MAX \
	(UINT32_C(1) << 17) /* for more there is no memory on a node: it is read as a whole */
#define NS_PER_US 1000

struct scan {
	struct tail *tail;
	const struct codec *codec;
	struct codec_state *state;
	struct codec_stream stream;
	struct records records;
	struct index_member member; /* the one that is being read */
	size_t capacity;            /* of members */
	bool has_too_many;
};

static void take_record(void *context, const struct format_record *record, bool is_nano)
{
	struct scan *scan = context;
	struct index_member *member = &scan->member;
	int64_t time = (int64_t)(record->time_ns / (is_nano ? 1 : NS_PER_US));

	if (member->packets++ == 0)
		member->earliest = member->latest = time;
	if (time < member->earliest)
		member->earliest = time;
	if (time > member->latest)
		member->latest = time;
}

/* Its checksum was right. The first member has the file's header, which says what the file is. */
static int end_member(struct scan *scan, struct error *err)
{
	struct index_footer *footer = &scan->tail->footer;

	records_confirm(&scan->records);
	scan->has_too_many = footer->members == MEMBERS_MAX;
	if (scan->has_too_many || records_flush(&scan->records, false, err) < 0)
		return -1;
	if (footer->members == scan->capacity) {
		scan->capacity = scan->capacity > 0 ? 2 * scan->capacity : 64;
		scan->tail->members = mem_realloc(scan->tail->members, scan->capacity,
						  sizeof *scan->tail->members);
	}
	scan->tail->members[footer->members++] = scan->member;
	if (scan->member.packets > 0) {
		if (footer->packets == 0 || scan->member.earliest < footer->earliest)
			footer->earliest = scan->member.earliest;
		if (footer->packets == 0 || scan->member.latest > footer->latest)
			footer->latest = scan->member.latest;
	}
	footer->packets += scan->member.packets;
	footer->data_bytes += scan->member.stored_bytes;
	scan->member = (struct index_member){ .stored_bytes = 0 };
	return 0;
}

/* As far as members are whole: behind the last of them is one that is being written. -1: it ends here. */
static int unpack(struct scan *scan, struct error *err)
{
	struct codec_stream *stream = &scan->stream;
	uint8_t out[PLAIN_BYTES];

	for (bool is_full = false; stream->in_length > 0 || (is_full && stream->is_in_member);) {
		const uint8_t *before = stream->in;
		enum codec_unpacked unpacked;

		stream->out = out;
		stream->out_length = sizeof out;
		unpacked = scan->codec->unpack(scan->state, stream);
		/* At a member's end the codec gives back what it has read too much. */
		scan->member.stored_bytes += (uint64_t)(stream->in - before);
		scan->member.plain_bytes += sizeof out - stream->out_length;
		is_full = stream->out_length == 0;
		if (unpacked == CODEC_DAMAGED ||
		    records_push(&scan->records, out, sizeof out - stream->out_length, err) < 0 ||
		    (unpacked == CODEC_MEMBER_ENDS && end_member(scan, err) < 0))
			return -1;
		if (unpacked == CODEC_GOES_ON && stream->in == before && !is_full)
			return stream->in_length > 0 ? -1 : 0;
	}
	return 0;
}

static int read_members(struct scan *scan, struct bucket_reader *reader,
			const struct object *object, struct error *err)
{
	cleanup_free uint8_t *bytes = mem_calloc(1, CODEC_BEFORE + PART_BYTES);
	struct error ignored;

	for (uint64_t at = 0; at < object->bytes && !atomic_load(reader->bucket->cancel);
	     at += PART_BYTES) {
		size_t length = object->bytes - at < PART_BYTES ? object->bytes - at : PART_BYTES;

		memmove(bytes, bytes + PART_BYTES, CODEC_BEFORE);
		if (bucket_read(reader, object->name, object->version, at, length,
				bytes + CODEC_BEFORE, err) < 0)
			return -1;
		if (!scan->codec)
			scan->codec = codec_of_bytes(bytes + CODEC_BEFORE, length);
		if (!scan->codec->unpack)
			return 1;
		if (!scan->state)
			scan->state = codec_state_new(scan->codec);
		scan->stream.in = bytes + CODEC_BEFORE;
		scan->stream.in_length = length;
		if (unpack(scan, &ignored) < 0)
			break; /* what was whole is all there is */
	}
	return scan->has_too_many;
}

int find_members(struct bucket_reader *reader, const struct object *object, struct tail *tail,
		 struct error *err)
{
	struct scan scan = { .tail = tail };
	int result;

	tail->footer = (struct index_footer){ .members = 0 };
	records_begin(&scan.records, take_record, &scan);
	result = read_members(&scan, reader, object, err);
	tail->footer.file = (struct index_file){
		.wrapping = scan.codec == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP,
		.link_type = scan.records.reader.interface[0].link_type,
		.is_nano = scan.records.reader.interface[0].resolution != 6,
		.is_pcapng = scan.records.format == &format_pcapng,
	};
	records_done(&scan.records);
	if (scan.state)
		codec_state_free(scan.codec, scan.state);
	return result;
}
