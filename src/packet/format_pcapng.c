/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newer capture file, in this machine's byte order (draft-ietf-opsawg-pcapng): a section header and an
 * interface description, an enhanced packet block for each packet, and interface statistics at the end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "packet/packet.h"

/* The comments refer to sections of the draft. */
enum {
	BLOCK_SECTION = 0x0a0d0d0a, /* 4.1 */
	BLOCK_INTERFACE = 1,        /* 4.2 */
	BLOCK_STATISTICS = 5,       /* 4.6 */
	BLOCK_PACKET = 6,           /* 4.3 */

	OPTION_END = 0, /* 3.5 */
	OPTION_COMMENT = 1,
	SECTION_HARDWARE = 2, /* 4.1 */
	SECTION_OS = 3,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2, /* 4.2 */
	INTERFACE_RESOLUTION = 9,
	INTERFACE_FILTER = 11,
	INTERFACE_OS = 12,
	STATISTICS_START = 2, /* 4.6 */
	STATISTICS_END = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
	STATISTICS_ACCEPTED = 6,
	STATISTICS_DROPPED_BY_OS = 7,
	STATISTICS_DELIVERED = 8,

	RESOLUTION_NANO = 9,  /* a negative power of ten */
	RESOLUTION_MICRO = 6, /* where none is given */
	FILTER_TEXT = 0,      /* the filter is text for libpcap */
	TEXT_MAX = 255,       /* of an option but the filter */
};

#define BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)
#define LENGTH_UNKNOWN   UINT64_MAX
#define BLOCK_BYTES_MAX  UINT32_C(16777216) /* as libpcap has it */

struct block_header {
	uint32_t type;
	uint32_t length; /* of the block, and again at its end */
};

struct section {
	struct block_header block;
	uint32_t magic;
	uint16_t major, minor;
	uint64_t length;
} __attribute__((packed));

struct interface {
	struct block_header block;
	uint16_t link_type, reserved;
	uint32_t snaplen;
};

struct packet {
	struct block_header block;
	uint32_t interface;
	uint32_t time_high, time_low;
	uint32_t captured, original;
};

struct statistics {
	struct block_header block;
	uint32_t interface;
	uint32_t time_high, time_low;
};

#define LENGTH_BYTES sizeof(uint32_t)
#define PACKET_BYTES (sizeof(struct packet) + LENGTH_BYTES) /* around the captured bytes */

static size_t aligned(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Append an option; text needs no terminating NUL. Returns the new end. */
static uint8_t *put_option(uint8_t *out, uint16_t code, const void *bytes, size_t length)
{
	const uint16_t head[2] = { code, (uint16_t)length };

	memcpy(out, head, sizeof head);
	memcpy(out + sizeof head, bytes, length);
	memset(out + sizeof head + length, 0, aligned(length) - length);
	return out + sizeof head + aligned(length);
}

static uint8_t *put_text(uint8_t *out, uint16_t code, const char *text)
{
	size_t length = strlen(text);

	return length ? put_option(out, code, text, length < TEXT_MAX ? length : TEXT_MAX) : out;
}

static uint8_t *put_number(uint8_t *out, uint16_t code, uint64_t number)
{
	return put_option(out, code, &number, sizeof number);
}

/* Times have 64 bits, the upper half first. */
static uint8_t *put_time(uint8_t *out, uint16_t code, uint64_t ns)
{
	const uint32_t halves[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	return put_option(out, code, halves, sizeof halves);
}

/* End the options and the block that starts at `begin`. Returns the length of the block. */
static size_t end_block(uint8_t *begin, uint8_t *end, uint32_t type)
{
	const uint16_t no_more[2] = { OPTION_END, 0 };
	struct block_header block = { .type = type };

	memcpy(end, no_more, sizeof no_more);
	end += sizeof no_more;
	block.length = (uint32_t)(end - begin + (ptrdiff_t)LENGTH_BYTES);
	memcpy(end, &block.length, LENGTH_BYTES);
	memcpy(begin, &block, sizeof block);
	return block.length;
}

static size_t encode_pcapng_header(const struct chunk_source *source,
				   const struct format_origin *origin,
				   uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	const struct section section = {
		.magic = BYTE_ORDER_MAGIC,
		.major = 1,
		.length = LENGTH_UNKNOWN,
	};
	const struct interface interface = {
		.link_type = (uint16_t)source->link_type,
		.snaplen = source->snaplen,
	};
	const uint8_t resolution = RESOLUTION_NANO;
	uint8_t filter[1 + sizeof source->filter] = { FILTER_TEXT };
	uint8_t *begin, *end = out + sizeof section;
	size_t length = strlen(source->filter);
	char comment[TEXT_MAX + 1], name[TEXT_MAX + sizeof "/" + sizeof source->interface];

	memcpy(out, &section, sizeof section);
	(void)snprintf(comment, sizeof comment, "node %s", origin->node);
	end = put_text(end, OPTION_COMMENT, comment);
	end = put_text(end, SECTION_HARDWARE, origin->hardware);
	end = put_text(end, SECTION_OS, origin->os);
	end = put_text(end, SECTION_APPLICATION, origin->application);

	begin = out + end_block(out, end, BLOCK_SECTION);
	memcpy(begin, &interface, sizeof interface);
	/* Readers tell the interfaces of merged files by their names: eth0 is on every node. */
	(void)snprintf(name, sizeof name, "%.*s/%s", TEXT_MAX, origin->node, source->interface);
	end = put_option(begin + sizeof interface, INTERFACE_NAME, name, strlen(name));
	end = put_option(end, INTERFACE_RESOLUTION, &resolution, sizeof resolution);
	memcpy(filter + 1, source->filter, length);
	if (length > 0)
		end = put_option(end, INTERFACE_FILTER, filter, 1 + length);
	end = put_text(end, INTERFACE_OS, origin->os);
	return (size_t)(begin - out) + end_block(begin, end, BLOCK_INTERFACE);
}

static size_t encode_pcapng_record(uint8_t *out, uint32_t seconds, uint32_t fraction,
				   uint32_t captured, uint32_t original, const uint8_t *packet)
{
	uint64_t ns = seconds * CLOCK_NS_PER_S + fraction;
	uint32_t length = (uint32_t)(PACKET_BYTES + aligned(captured));
	const struct packet block = {
		.block = { BLOCK_PACKET, length },
		.time_high = (uint32_t)(ns >> 32),
		.time_low = (uint32_t)ns,
		.captured = captured,
		.original = original,
	};

	/* Clear the last four bytes before the length first, so that padding is 0. */
	memset(out + length - 2 * LENGTH_BYTES, 0, LENGTH_BYTES);
	memcpy(out, &block, sizeof block);
	memcpy(out + sizeof block, packet, captured);
	memcpy(out + length - LENGTH_BYTES, &length, LENGTH_BYTES);
	return length;
}

static size_t encode_pcapng_trailer(const struct format_totals *totals,
				    uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	const struct statistics statistics = {
		.time_high = (uint32_t)(totals->end_ns >> 32),
		.time_low = (uint32_t)totals->end_ns,
	};
	uint64_t delivered = totals->packets + totals->packets_own;
	uint64_t drops = drops_sum(&totals->drops), kernel = totals->drops.count[DROP_KERNEL];
	uint8_t *end = out + sizeof statistics;

	memcpy(out, &statistics, sizeof statistics);
	end = put_time(end, STATISTICS_START, totals->start_ns);
	end = put_time(end, STATISTICS_END, totals->end_ns);
	/* As in dumpcap, and as readers show it: everything missing is "dropped". */
	end = put_number(end, STATISTICS_RECEIVED, delivered + drops);
	end = put_number(end, STATISTICS_DROPPED, drops);
	end = put_number(end, STATISTICS_ACCEPTED, delivered + kernel);
	end = put_number(end, STATISTICS_DROPPED_BY_OS, kernel);
	end = put_number(end, STATISTICS_DELIVERED, delivered);
	return end_block(out, end, BLOCK_STATISTICS);
}

static uint16_t in_order16(const struct format_reader *reader, uint16_t number)
{
	return reader->is_swapped ? __builtin_bswap16(number) : number;
}

/*
 * The block that the bytes begin with: FORMAT_RECORD, and its type and length, if it is whole. A section
 * header says which byte order holds from there on, and its interfaces follow.
 */
static enum format_state find_block(struct format_reader *reader, const uint8_t *bytes,
				    size_t length, struct block_header *ret_block)
{
	struct section section;
	uint32_t again;

	if (length < sizeof *ret_block)
		return length == 0 ? FORMAT_END : FORMAT_TRUNCATED;
	memcpy(ret_block, bytes, sizeof *ret_block);
	if (ret_block->type == BLOCK_SECTION) { /* the same in both orders */
		if (length < sizeof section)
			return FORMAT_TRUNCATED;
		memcpy(&section, bytes, sizeof section);
		reader->is_swapped = section.magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
		if (format_in_order(reader, section.magic) != BYTE_ORDER_MAGIC ||
		    in_order16(reader, section.major) != 1)
			return FORMAT_CORRUPT;
		reader->has_header = true;
		reader->interfaces = 0;
	} else if (!reader->has_header) {
		return FORMAT_CORRUPT;
	}
	ret_block->type = format_in_order(reader, ret_block->type);
	ret_block->length = format_in_order(reader, ret_block->length);
	if (ret_block->length % 4 != 0 || ret_block->length > BLOCK_BYTES_MAX ||
	    ret_block->length < sizeof *ret_block + LENGTH_BYTES)
		return FORMAT_CORRUPT;
	if (ret_block->length > length)
		return FORMAT_TRUNCATED;
	memcpy(&again, bytes + ret_block->length - LENGTH_BYTES, sizeof again);
	return format_in_order(reader, again) == ret_block->length ? FORMAT_RECORD : FORMAT_CORRUPT;
}

/* The resolution of an interface's time stamps, from the options of its block. */
static uint8_t find_resolution(const struct format_reader *reader, const uint8_t *options,
			       size_t length)
{
	uint16_t head[2], code, size;

	while (length >= sizeof head) {
		memcpy(head, options, sizeof head);
		code = in_order16(reader, head[0]);
		size = in_order16(reader, head[1]);
		if (code == OPTION_END || sizeof head + aligned(size) > length)
			break;
		if (code == INTERFACE_RESOLUTION && size == 1)
			return options[sizeof head];
		options += sizeof head + aligned(size);
		length -= sizeof head + aligned(size);
	}
	return RESOLUTION_MICRO;
}

static enum format_state add_interface(struct format_reader *reader, const uint8_t *bytes,
				       size_t length)
{
	struct interface interface;

	if (length < sizeof interface + LENGTH_BYTES)
		return FORMAT_CORRUPT;
	memcpy(&interface, bytes, sizeof interface);
	if (reader->interfaces < FORMAT_INTERFACES_MAX)
		reader->interface[reader->interfaces] = (struct format_interface){
			.link_type = in_order16(reader, interface.link_type),
			.resolution = find_resolution(reader, bytes + sizeof interface,
						      length - sizeof interface - LENGTH_BYTES),
		};
	reader->interfaces++;
	return FORMAT_END; /* no packet in it */
}

/* Time stamps count in this negative power of ten or (upper bit) of two. */
static uint64_t to_ns(uint64_t ticks, uint8_t resolution)
{
	unsigned exponent = resolution & 0x7f;
	uint64_t unit = 1;

	if (resolution & 0x80)
		return exponent < 64
			       ? (uint64_t)((unsigned __int128)ticks * CLOCK_NS_PER_S >> exponent)
			       : 0;
	for (unsigned i = 0; i < (exponent > 9 ? exponent - 9 : 9 - exponent); i++)
		if (__builtin_mul_overflow(unit, 10, &unit))
			return 0;
	return exponent > 9 ? ticks / unit : ticks * unit;
}

/* FORMAT_END: a packet of an interface that is one too many, or not described. */
static enum format_state read_packet(const struct format_reader *reader, const uint8_t *bytes,
				     size_t length, struct format_record *ret_record)
{
	const struct format_interface *interface;
	struct packet packet;
	uint32_t number, captured;

	if (length < PACKET_BYTES)
		return FORMAT_CORRUPT;
	memcpy(&packet, bytes, sizeof packet);
	captured = format_in_order(reader, packet.captured);
	if (captured > FORMAT_CAPTURED_MAX || PACKET_BYTES + aligned(captured) > length)
		return FORMAT_CORRUPT;
	number = format_in_order(reader, packet.interface);
	if (number >= reader->interfaces || number >= FORMAT_INTERFACES_MAX)
		return FORMAT_END;
	interface = &reader->interface[number];
	*ret_record = (struct format_record){
		.time_ns = to_ns((uint64_t)format_in_order(reader, packet.time_high) << 32 |
					 format_in_order(reader, packet.time_low),
				 interface->resolution),
		.captured = captured,
		.original = format_in_order(reader, packet.original),
		.packet = bytes + sizeof packet,
		.interface = number,
		.link_type = interface->link_type,
	};
	return FORMAT_RECORD;
}

static enum format_state next_pcapng_record(struct format_reader *reader, const uint8_t *bytes,
					    size_t length, size_t *offset,
					    struct format_record *ret_record)
{
	for (;;) {
		struct block_header block;
		enum format_state state = find_block(reader, bytes + *offset, length - *offset,
						     &block);

		if (state != FORMAT_RECORD)
			return state;
		state = FORMAT_END; /* of the block: no packet is in it */
		if (block.type == BLOCK_INTERFACE)
			state = add_interface(reader, bytes + *offset, block.length);
		else if (block.type == BLOCK_PACKET)
			state = read_packet(reader, bytes + *offset, block.length, ret_record);
		if (state == FORMAT_CORRUPT)
			return state;
		*offset += block.length;
		if (state == FORMAT_RECORD)
			return state;
	}
}

const struct format format_pcapng = {
	.name = "pcapng",
	.extension = ".pcapng",
	.header_bytes_min = sizeof(struct section) + sizeof(struct interface) + 2 * LENGTH_BYTES,
	.is_nano_only = true,
	.record_fields_bytes = PACKET_BYTES,
	.record_align_bytes = 4,
	.encode_header = encode_pcapng_header,
	.encode_record = encode_pcapng_record,
	.encode_trailer = encode_pcapng_trailer,
	.next = next_pcapng_record,
};
