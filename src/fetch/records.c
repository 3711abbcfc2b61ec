/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/records.h"

#include <string.h>

#include "base/mem.h"
#include "packet/pcapng.h"

#define RECORDS_TRIED 8
#define MAGIC_BYTES   8 /* of pcap: the number, and the version */

void records_begin(struct records *records, records_take *take, void *context)
{
	*records = (struct records){ .take = take,
				     .context = context,
				     .plain = mem_alloc(RECORDS_BYTES) };
}

void records_done(struct records *records)
{
	free(records->plain);
}

/* Does a file of classic pcap begin here? Also in the middle, where files were put one behind the other. */
static bool begins_pcap(const uint8_t *bytes, size_t length)
{
	static const uint8_t heads[][MAGIC_BYTES] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4 },
		{ 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0 },
		{ 0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4 },
		{ 0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0 },
	};

	for (size_t i = 0; length >= MAGIC_BYTES && i < sizeof heads / sizeof *heads; i++)
		if (memcmp(bytes, heads[i], MAGIC_BYTES) == 0)
			return true;
	return false;
}

static bool begins_pcapng(const uint8_t *bytes, size_t length)
{
	static const uint8_t head[] = { 0x0a, 0x0d, 0x0d, 0x0a };

	return length >= sizeof head && memcmp(bytes, head, sizeof head) == 0;
}

/* How much sense the records make in this byte order: how many there are, if nothing behind them is wrong. */
static int judge_order(const struct records *records, bool is_swapped)
{
	struct format_reader reader = records->reader;
	enum format_state state = FORMAT_RECORD;
	struct format_record record;
	size_t offset = 0;
	int count = -1;

	reader.is_swapped = is_swapped;
	for (; count < RECORDS_TRIED && state == FORMAT_RECORD; count++)
		state = records->format->next(&reader, records->plain, records->length, &offset,
					      &record);
	return state == FORMAT_CORRUPT ? count - RECORDS_TRIED - 1 : count;
}

/* Members from the middle do not tell the byte order of the node: in one of them the records make sense. */
static void find_order(struct records *records)
{
	records->reader.is_swapped = judge_order(records, true) > judge_order(records, false);
	records->is_order_known = true;
}

/* What the beginning says; false: more bytes are needed. */
static bool find_format(struct records *records, size_t length, bool is_end)
{
	if (length < MAGIC_BYTES && !is_end)
		return false;
	records->format = begins_pcapng(records->plain, length) ? &format_pcapng : &format_pcap;
	records->is_order_known = true;
	return true;
}

/* Here begins another file. */
static void begin_file(struct records *records, const struct format *format)
{
	records->left_out += records->reader.left_out;
	records->format = format;
	records->reader = (struct format_reader){ .has_header = false };
}

/* Not a record: a file of the other format that stands behind this one? */
static bool change_format(struct records *records, const uint8_t *bytes, size_t length)
{
	bool is_pcapng = records->format == &format_pcap && begins_pcapng(bytes, length);

	if (!is_pcapng && (records->format == &format_pcap || !begins_pcap(bytes, length)))
		return false;
	begin_file(records, is_pcapng ? &format_pcapng : &format_pcap);
	return true;
}

/* Take all records that are whole, of the first bytes. */
static int take(struct records *records, size_t length, bool is_end, struct error *err)
{
	enum format_state state = FORMAT_RECORD;
	struct format_record record;
	size_t offset = 0;

	if (length == 0 || (!records->format && !find_format(records, length, is_end)))
		return 0;
	if (!records->is_order_known)
		find_order(records);
	while (state == FORMAT_RECORD) {
		size_t left = length - offset;

		if (records->format == &format_pcap && left < MAGIC_BYTES && left > 0 && !is_end)
			break;
		if (records->format == &format_pcap && begins_pcap(records->plain + offset, left))
			begin_file(records, &format_pcap);
		state = records->format->next(&records->reader, records->plain, length, &offset,
					      &record);
		if (state == FORMAT_CORRUPT &&
		    change_format(records, records->plain + offset, length - offset))
			state = FORMAT_RECORD;
		else if (state == FORMAT_RECORD)
			records->take(records->context, &record,
				      records->reader.interface[record.interface].resolution != 6);
	}
	records->length -= offset;
	records->checked -= offset < records->checked ? offset : records->checked;
	memmove(records->plain, records->plain + offset, records->length);
	if (state == FORMAT_CORRUPT)
		return error_set(err, ERROR_REJECTED, "there is something that is no packet");
	return 0;
}

/* Something that the buffer has no room for: a block of pcapng. Is it one that has to be read? */
static int skip_block(struct records *records, struct error *err)
{
	struct pcapng_block block;

	memcpy(&block, records->plain, sizeof block);
	block.type = format_in_order(&records->reader, block.type);
	block.length = format_in_order(&records->reader, block.length);
	if (records->format != &format_pcapng || block.type == PCAPNG_SECTION ||
	    block.type == PCAPNG_INTERFACE || block.type == PCAPNG_PACKET)
		return error_set(err, ERROR_REJECTED,
				 "a packet, or what describes it, is too long");
	/* It was not taken, so it is longer than what is there. */
	records->skipped = block.length - records->length;
	records->length = records->checked = 0;
	return 0;
}

/* Room for more plain bytes. */
static int make_room(struct records *records, struct error *err)
{
	if (records->length < RECORDS_BYTES)
		return 0;
	if (take(records, records->checked, false, err) < 0)
		return -1;
	/* A member that is longer than this cannot be held back until its end. */
	if (records->length == RECORDS_BYTES && take(records, records->length, false, err) < 0)
		return -1;
	return records->length < RECORDS_BYTES ? 0 : skip_block(records, err);
}

int records_push(struct records *records, const uint8_t *bytes, size_t length, struct error *err)
{
	while (length > 0) {
		size_t part = records->skipped < length ? records->skipped : length;

		if (part > 0) {
			records->skipped -= part;
		} else {
			if (make_room(records, err) < 0)
				return -1;
			if (records->skipped > 0)
				continue;
			part = RECORDS_BYTES - records->length;
			part = part < length ? part : length;
			memcpy(records->plain + records->length, bytes, part);
			records->length += part;
		}
		bytes += part;
		length -= part;
	}
	return 0;
}

void records_confirm(struct records *records)
{
	records->checked = records->length;
}

int records_flush(struct records *records, bool is_end, struct error *err)
{
	return take(records, records->checked, is_end, err);
}

int records_end(struct records *records, struct error *err)
{
	if (take(records, records->length, true, err) < 0)
		return -1;
	if (records->length + records->skipped > 0)
		return error_set(err, ERROR_REJECTED, "it ends in the middle of a packet");
	records->left_out += records->reader.left_out;
	return records->left_out > 0
		       ? error_set(err, ERROR_REJECTED,
				   "%ju packets without a time, or of an interface that its file "
				   "does not describe",
				   (uintmax_t)records->left_out)
		       : 0;
}
