/* SPDX-License-Identifier: Apache-2.0 */
#include "record/walk.h"

#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "index/collector.h"
#include "packet/packet.h"
#include "record/file_header.h"
#include "record/file_index.h"
#include "record/index_tail.h"
#include "segment/codec.h"

/* Where a record is looked for, it is one if the next ones are, too; and if its time is near. */
#define RECORDS_SURE    3
#define NEAR_NS         (UINT64_C(86400) * CLOCK_NS_PER_S)
#define ORIGINAL_MAX    (UINT32_C(1) << 24) /* far above what any driver merges */
#define SNAPLEN_MORE    64                  /* what may be put into a packet after it was cut */

#define RESOLUTION_NANO 9 /* as pcapng's if_tsresol */

struct walk {
	int fd;
	const struct codec *codec;
	const struct format *format;
	const struct segment *segment;
	const struct walk_order *order;
	struct codec_state *state;
	struct format_reader reader;
	uint8_t *plain,
		*window; /* of the file: at least a member from any place that is looked at */
	size_t member_bytes, window_bytes;
	uint64_t window_start;
	struct walk_found found;
	struct index *index; /* once there was a header; as those below, with an index only */
	struct collector *collector;
	struct chunk_keys *keys;         /* of the member that is read */
	struct file_index_member member; /* that one */
};

static void walk_done(struct walk *walk)
{
	codec_state_free(walk->codec, walk->state);
	free(walk->plain);
	free(walk->window);
	free(walk->collector);
	free(walk->keys);
	index_free(walk->index);
}

/* The file from here on: at least a member, or up to its end. Returns how much, -1 on errors. */
static ssize_t look_at(struct walk *walk, uint64_t offset, const uint8_t **ret_bytes,
		       struct error *err)
{
	uint64_t end = walk->window_start + walk->window_bytes;
	bool is_whole = walk->window_bytes < 2 * walk->member_bytes; /* the file ends there */

	if (offset < walk->window_start || offset > end ||
	    (!is_whole && end - offset < walk->member_bytes)) {
		ssize_t got;

		if (atomic_load(walk->order->is_stopping))
			return error_set(err, ERROR_TRANSIENT, "the program ends");
		got = walk->order->read(walk->fd, walk->window, 2 * walk->member_bytes, offset,
					err);
		if (got < 0)
			return -1;
		walk->window_start = offset;
		walk->window_bytes = (size_t)got;
	}
	*ret_bytes = walk->window + (offset - walk->window_start);
	return (ssize_t)(walk->window_start + walk->window_bytes - offset);
}

/* Could a recorder have written it? Asked where no checksum says so. */
static bool is_plausible(const struct walk *walk, const struct format_record *record)
{
	uint64_t snaplen = walk->segment->snaplen;

	return record->captured > 0 && record->captured <= record->original &&
	       record->original <= ORIGINAL_MAX &&
	       (snaplen == 0 || record->captured <= snaplen + SNAPLEN_MORE);
}

static bool is_near(const struct walk *walk, uint64_t time_ns)
{
	uint64_t near_ns = walk->found.packets > 0 ? walk->found.last_read_ns
						   : walk->segment->start_ns;

	return near_ns == 0 || (time_ns < near_ns + NEAR_NS && near_ns < time_ns + NEAR_NS);
}

/* The packets of a gap were between these two; what does not fit is added to the last one. */
static void note_gap(struct walk_found *found, uint64_t from_ns, uint64_t to_ns)
{
	if (found->gap_count == WALK_GAPS_MAX) {
		found->gaps[WALK_GAPS_MAX - 1].to_ns = to_ns;
		return;
	}
	found->gaps[found->gap_count++] = (struct walk_gap){ from_ns, to_ns };
}

/* The records of a member, or of what there is without members, are found, too; returns how many bytes they take. */
static size_t read_records(struct walk *walk, const uint8_t *bytes, size_t length,
			   struct walk_found *found)
{
	struct format_record record;
	size_t whole = 0, before = 0;

	walk->member = (struct file_index_member){ .packets = 0 };
	if (walk->keys)
		collector_begin(walk->collector, walk->keys);
	while (walk->format->next(&walk->reader, bytes, length, &whole, &record) == FORMAT_RECORD) {
		if (!walk->codec->decompress && !is_plausible(walk, &record))
			return before;
		if (found->packets++ == 0 || record.time_ns < found->earliest_ns)
			found->earliest_ns = record.time_ns;
		if (record.time_ns > found->latest_ns)
			found->latest_ns = record.time_ns;
		found->last_read_ns = record.time_ns;
		before = whole;
		if (!walk->keys)
			continue;
		file_index_note_time(&walk->member, record.time_ns);
		collector_add(walk->collector, walk->keys, record.link_type, record.packet,
			      record.captured);
	}
	return whole;
}

/*
 * The member that was read last, or the header that was made again, is in the index as well. The first one has the
 * header, which says what the index has to know.
 */
static void index_member(struct walk *walk, uint64_t stored_bytes, uint64_t plain_bytes)
{
	const struct format_interface *interface = &walk->reader.interface[0];
	const struct file_index_source source = {
		.codec = walk->codec,
		.format = walk->format,
		.link_type = interface->link_type,
		.snaplen = (uint32_t)walk->segment->snaplen,
		.is_nano = interface->resolution == RESOLUTION_NANO,
	};

	if (!walk->keys)
		return;
	if (!walk->index)
		walk->index = file_index_begin(walk->order->index_pool, &source);
	walk->member.stored_bytes = stored_bytes;
	walk->member.plain_bytes = plain_bytes;
	file_index_add(walk->index, source.is_nano, &walk->member, walk->keys);
}

/*
 * Are there packets no more from this offset on? 1 if so, -1 on errors. Where it was noted, nothing else tells; if not,
 * an index stands right behind a member: behind what cannot be read, a piece of one may be packets' payload.
 */
static int find_data_end(struct walk *walk, uint64_t offset, struct error *err)
{
	enum index_wrapping wrapping = file_index_wrapping(walk->codec);
	uint64_t data_bytes = walk->segment->data_bytes;
	const uint8_t *bytes;
	ssize_t got;
	int result;

	if (data_bytes > 0) {
		walk->found.data_end = data_bytes;
		return offset >= data_bytes;
	}
	if (!walk->codec->decompress)
		return 0;
	got = look_at(walk, offset, &bytes, err);
	if (got < 0)
		return -1;
	if (!index_is_piece(wrapping, bytes, (size_t)got))
		return 0;
	if (offset != walk->found.end) {
		walk->found.is_in_parts = true;
		return 0;
	}
	result = index_tail_is_at(walk->fd, wrapping, offset, walk->order->is_stopping, err);
	if (result > 0)
		walk->found.data_end = offset;
	return result;
}

/* What is whole at this offset is found. Returns how long it is, 0 if nothing is, -1 on errors. */
static ssize_t read_member(struct walk *walk, uint64_t offset, struct error *err)
{
	const uint8_t *bytes, *plain;
	ssize_t got = look_at(walk, offset, &bytes, err);
	struct walk_found found = walk->found;
	struct format_reader reader = walk->reader;
	size_t length, plain_bytes = 0, used;
	uint64_t before_ns = found.packets > 0 ? found.last_read_ns : walk->segment->start_ns;
	struct format_record first;

	if (got <= 0)
		return got;
	plain = bytes;
	length = used = plain_bytes = (size_t)got;
	if (walk->codec->decompress) {
		plain = walk->plain;
		used = walk->codec->decompress(walk->state, bytes, length, walk->plain, CHUNK_BYTES,
					       &plain_bytes);
		/* No recorder writes an empty one; the pieces of an index are, and are no data. */
		if (used == 0 || plain_bytes == 0)
			return 0;
	}
	length = read_records(walk, plain, plain_bytes, &found);
	if (walk->codec->decompress ? length != plain_bytes : length == 0) {
		walk->reader = reader;
		return 0;
	}
	if (!walk->codec->decompress)
		used = length;
	if (offset != found.end) {
		size_t at = 0;

		found.is_in_parts = true;
		if (walk->format->next(&reader, plain, length, &at, &first) == FORMAT_RECORD)
			note_gap(&found, before_ns, first.time_ns);
	}
	if (walk->order->copy && segment_file_append(walk->order->copy, bytes, used, err) < 0)
		return -1;
	index_member(walk, used, length);
	found.pcap_bytes += length;
	found.bytes += used;
	found.crc32c = crc32c_update(found.crc32c, bytes, used);
	found.end = offset + used;
	walk->found = found;
	return (ssize_t)used;
}

/* Do records begin here, as far as can be seen? */
static bool has_records(const struct walk *walk, const uint8_t *bytes, size_t length)
{
	struct format_reader reader = walk->reader;
	size_t at = 0;

	for (int i = 0; i < RECORDS_SURE; i++) {
		size_t before = at;
		struct format_record record;
		enum format_state state = walk->format->next(&reader, bytes, length, &at, &record);

		if (state == FORMAT_END || state == FORMAT_TRUNCATED)
			return i > 0;
		if (state == FORMAT_CORRUPT || !is_plausible(walk, &record) ||
		    !is_near(walk, record.time_ns) ||
		    at - before != format_record_bytes(walk->format, record.captured))
			return false;
	}
	return true;
}

/* Where in these bytes the next member may begin, or the next record; `length`: nowhere. */
static size_t find_beginning(const struct walk *walk, const uint8_t *bytes, size_t length)
{
	const struct codec *codec = walk->codec;

	if (codec->decompress) {
		const uint8_t *found = memmem(bytes, length, codec->magic, codec->magic_bytes);

		return found ? (size_t)(found - bytes) : length;
	}
	for (size_t at = 0; at < length; at += walk->format->record_align_bytes)
		if (has_records(walk, bytes + at, length - at))
			return at;
	return length;
}

/* Move on to where something may be readable: 1; 0: nowhere. */
static int find_member(struct walk *walk, uint64_t *offset, struct error *err)
{
	/* What begins in the last part of what is seen is looked at again, with what follows. */
	const size_t edge = walk->codec->decompress ? walk->codec->magic_bytes
						    : FORMAT_CAPTURED_MAX + FORMAT_EDGE_BYTES_MAX;
	const size_t align = walk->format->record_align_bytes;

	if (!walk->codec->decompress)
		*offset = (*offset + align - 1) / align * align;
	for (;;) {
		const uint8_t *bytes;
		ssize_t got = look_at(walk, *offset, &bytes, err);
		size_t place;

		if (got <= 0)
			return (int)got;
		place = find_beginning(walk, bytes, (size_t)got);
		if (place < (size_t)got) {
			*offset += place;
			return 1;
		}
		if ((size_t)got < walk->member_bytes)
			return 0;
		*offset += ((size_t)got - edge) / align * align;
	}
}

/* Does the file begin as it should? If not, it gets a beginning again. */
static int check_header(struct walk *walk, bool *ret_is_whole, struct error *err)
{
	const struct segment *segment = walk->segment;
	uint8_t header[FORMAT_EDGE_BYTES_MAX];
	struct format_reader made = { 0 }, reader = { 0 };
	size_t length = file_header_again(segment, walk->format, header), at = 0, plain_bytes;
	struct format_record record;
	const uint8_t *bytes;
	ssize_t got = look_at(walk, 0, &bytes, err);
	uint8_t *packed;

	if (got < 0)
		return -1;
	(void)walk->format->next(&made, header, length, &at, &record);
	at = 0;
	plain_bytes = (size_t)got;
	if (walk->codec->decompress) {
		if (walk->codec->decompress(walk->state, bytes, (size_t)got, walk->plain,
					    CHUNK_BYTES, &plain_bytes) == 0)
			plain_bytes = 0;
		bytes = walk->plain;
	}
	(void)walk->format->next(&reader, bytes, plain_bytes, &at, &record);
	*ret_is_whole = reader.has_header && reader.interfaces > 0 &&
			(length == 0 || walk->codec->decompress ||
			 (reader.interface[0].link_type == made.interface[0].link_type &&
			  reader.interface[0].resolution == made.interface[0].resolution));
	if (*ret_is_whole)
		return 0;
	walk->found.is_in_parts = true;
	if (length == 0)
		return 0;
	walk->reader = made;
	walk->found.pcap_bytes = length;
	packed = header;
	if (walk->codec->compress) {
		packed = walk->plain;
		length = walk->codec->compress(walk->state, walk->codec->level_default, header,
					       length, packed, walk->codec->bound(length));
	}
	walk->found.bytes = length;
	index_member(walk, length, walk->found.pcap_bytes);
	return walk->order->copy ? segment_file_append(walk->order->copy, packed, length, err) : 0;
}

int walk_file(int fd, const char *name, const struct segment *segment,
	      const struct walk_order *order, struct walk_found *ret_found,
	      struct index **ret_index, struct error *err)
{
	cleanup(walk_done) struct walk walk = { .fd = fd,
						.codec = codec_of_name(name),
						.format = format_of_name(name),
						.segment = segment,
						.order = order };
	uint64_t offset = 0;
	bool is_whole;
	int result = 1;

	walk.state = codec_state_new(walk.codec);
	walk.member_bytes = walk.codec->bound(CHUNK_BYTES);
	walk.plain = mem_alloc(walk.member_bytes);
	walk.window = mem_alloc(2 * walk.member_bytes);
	walk.window_start = UINT64_MAX / 2; /* nothing was read yet */
	if (order->index_pool && walk.codec->decompress) {
		walk.collector = mem_alloc(sizeof *walk.collector);
		walk.keys = mem_alloc(sizeof *walk.keys);
		collector_init(walk.collector);
	}
	if (!walk.format)
		return error_set(err, ERROR_REJECTED, "not a capture file of ours");
	if (check_header(&walk, &is_whole, err) < 0)
		return -1;
	if (!is_whole && !walk.reader.has_header)
		result = 0; /* nothing can be read without a beginning */
	else if (!is_whole)
		result = find_member(&walk, &offset, err);
	while (result > 0) {
		int is_end = find_data_end(&walk, offset, err);
		ssize_t length = is_end == 0 ? read_member(&walk, offset, err) : is_end;

		if (is_end > 0)
			break;
		if (length < 0)
			return -1;
		offset += (uint64_t)length;
		if (length > 0)
			continue;
		offset++;
		result = find_member(&walk, &offset, err);
	}
	if (result < 0)
		return -1;
	*ret_found = walk.found;
	*ret_index = take_ptr(walk.index);
	return 0;
}
