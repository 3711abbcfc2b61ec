/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newer capture file, in this machine's byte order (draft-ietf-opsawg-pcapng): a section header and an
 * interface description, an enhanced packet block for each packet, and interface statistics at the end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "packet/packet.h"
#include "packet/pcapng.h"

static size_t encode_pcapng_header(const struct chunk_source *source,
				   const struct format_origin *origin,
				   uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	const struct pcapng_section section = {
		.magic = PCAPNG_MAGIC,
		.major = 1,
		.length = PCAPNG_LENGTH_UNKNOWN,
	};
	const struct pcapng_interface interface = {
		.link_type = (uint16_t)source->link_type,
		.snaplen = source->snaplen,
	};
	const uint8_t resolution = PCAPNG_RESOLUTION_NANO;
	uint8_t filter[1 + sizeof source->filter] = { PCAPNG_FILTER_TEXT };
	uint8_t *begin, *end = out + sizeof section;
	size_t length = strlen(source->filter);
	char comment[PCAPNG_TEXT_MAX + 1],
		name[PCAPNG_TEXT_MAX + sizeof "/" + sizeof source->interface];

	memcpy(out, &section, sizeof section);
	(void)snprintf(comment, sizeof comment, "node %s", origin->node);
	end = pcapng_put_text(end, PCAPNG_OPTION_COMMENT, comment);
	end = pcapng_put_text(end, PCAPNG_SECTION_HARDWARE, origin->hardware);
	end = pcapng_put_text(end, PCAPNG_SECTION_OS, origin->os);
	end = pcapng_put_text(end, PCAPNG_SECTION_APPLICATION, origin->application);

	begin = out + pcapng_end_block(out, end, PCAPNG_SECTION);
	memcpy(begin, &interface, sizeof interface);
	/* Readers tell the interfaces of merged files by their names: eth0 is on every node. */
	(void)snprintf(name, sizeof name, "%.*s/%s", PCAPNG_TEXT_MAX, origin->node,
		       source->interface);
	end = pcapng_put_option(begin + sizeof interface, PCAPNG_INTERFACE_NAME, name,
				strlen(name));
	end = pcapng_put_option(end, PCAPNG_INTERFACE_RESOLUTION, &resolution, sizeof resolution);
	memcpy(filter + 1, source->filter, length);
	if (length > 0)
		end = pcapng_put_option(end, PCAPNG_INTERFACE_FILTER, filter, 1 + length);
	end = pcapng_put_text(end, PCAPNG_INTERFACE_OS, origin->os);
	return (size_t)(begin - out) + pcapng_end_block(begin, end, PCAPNG_INTERFACE);
}

static size_t encode_pcapng_record(uint8_t *out, uint32_t seconds, uint32_t fraction,
				   uint32_t captured, uint32_t original, const uint8_t *packet)
{
	uint64_t ns = seconds * CLOCK_NS_PER_S + fraction;
	uint32_t length = (uint32_t)(PCAPNG_PACKET_BYTES + pcapng_align(captured));
	const struct pcapng_packet block = {
		.block = { PCAPNG_PACKET, length },
		.time_high = (uint32_t)(ns >> 32),
		.time_low = (uint32_t)ns,
		.captured = captured,
		.original = original,
	};

	/* Clear the last four bytes before the length first, so that padding is 0. */
	memset(out + length - 2 * PCAPNG_LENGTH_BYTES, 0, PCAPNG_LENGTH_BYTES);
	memcpy(out, &block, sizeof block);
	memcpy(out + sizeof block, packet, captured);
	memcpy(out + length - PCAPNG_LENGTH_BYTES, &length, PCAPNG_LENGTH_BYTES);
	return length;
}

static size_t encode_pcapng_trailer(const struct format_totals *totals,
				    uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	const struct pcapng_statistics statistics = {
		.time_high = (uint32_t)(totals->end_ns >> 32),
		.time_low = (uint32_t)totals->end_ns,
	};
	uint64_t delivered = totals->packets + totals->packets_own;
	uint64_t drops = drops_sum(&totals->drops), kernel = totals->drops.count[DROP_KERNEL];
	uint8_t *end = out + sizeof statistics;

	memcpy(out, &statistics, sizeof statistics);
	end = pcapng_put_time(end, PCAPNG_STATISTICS_START, totals->start_ns);
	end = pcapng_put_time(end, PCAPNG_STATISTICS_END, totals->end_ns);
	/* As in dumpcap, and as readers show it: everything missing is "dropped". */
	end = pcapng_put_number(end, PCAPNG_STATISTICS_RECEIVED, delivered + drops);
	end = pcapng_put_number(end, PCAPNG_STATISTICS_DROPPED, drops);
	end = pcapng_put_number(end, PCAPNG_STATISTICS_ACCEPTED, delivered + kernel);
	end = pcapng_put_number(end, PCAPNG_STATISTICS_DROPPED_BY_OS, kernel);
	end = pcapng_put_number(end, PCAPNG_STATISTICS_DELIVERED, delivered);
	return pcapng_end_block(out, end, PCAPNG_STATISTICS);
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
				    size_t length, struct pcapng_block *ret_block)
{
	struct pcapng_section section;
	uint32_t again;

	if (length < sizeof *ret_block)
		return length == 0 ? FORMAT_END : FORMAT_TRUNCATED;
	memcpy(ret_block, bytes, sizeof *ret_block);
	if (ret_block->type == PCAPNG_SECTION) { /* the same in both orders */
		if (length < sizeof section)
			return FORMAT_TRUNCATED;
		memcpy(&section, bytes, sizeof section);
		reader->is_swapped = section.magic == __builtin_bswap32(PCAPNG_MAGIC);
		if (format_in_order(reader, section.magic) != PCAPNG_MAGIC ||
		    in_order16(reader, section.major) != 1)
			return FORMAT_CORRUPT;
		reader->has_header = true;
		reader->interfaces = 0;
	} else if (!reader->has_header) {
		return FORMAT_CORRUPT;
	}
	ret_block->type = format_in_order(reader, ret_block->type);
	ret_block->length = format_in_order(reader, ret_block->length);
	if (ret_block->length % 4 != 0 || ret_block->length > PCAPNG_BLOCK_BYTES_MAX ||
	    ret_block->length < sizeof *ret_block + PCAPNG_LENGTH_BYTES)
		return FORMAT_CORRUPT;
	if (ret_block->length > length)
		return FORMAT_TRUNCATED;
	memcpy(&again, bytes + ret_block->length - PCAPNG_LENGTH_BYTES, sizeof again);
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
		if (code == PCAPNG_OPTION_END || sizeof head + pcapng_align(size) > length)
			break;
		if (code == PCAPNG_INTERFACE_RESOLUTION && size == 1)
			return options[sizeof head];
		options += sizeof head + pcapng_align(size);
		length -= sizeof head + pcapng_align(size);
	}
	return PCAPNG_RESOLUTION_MICRO;
}

static enum format_state add_interface(struct format_reader *reader, const uint8_t *bytes,
				       size_t length)
{
	struct pcapng_interface interface;

	if (length < sizeof interface + PCAPNG_LENGTH_BYTES)
		return FORMAT_CORRUPT;
	memcpy(&interface, bytes, sizeof interface);
	if (reader->interfaces < FORMAT_INTERFACES_MAX)
		reader->interface[reader->interfaces] = (struct format_interface){
			.link_type = in_order16(reader, interface.link_type),
			.resolution =
				find_resolution(reader, bytes + sizeof interface,
						length - sizeof interface - PCAPNG_LENGTH_BYTES),
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
	struct pcapng_packet packet;
	uint32_t number, captured;

	if (length < PCAPNG_PACKET_BYTES)
		return FORMAT_CORRUPT;
	memcpy(&packet, bytes, sizeof packet);
	captured = format_in_order(reader, packet.captured);
	if (captured > FORMAT_CAPTURED_MAX || PCAPNG_PACKET_BYTES + pcapng_align(captured) > length)
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
		struct pcapng_block block;
		enum format_state state = find_block(reader, bytes + *offset, length - *offset,
						     &block);

		if (state != FORMAT_RECORD)
			return state;
		state = FORMAT_END; /* of the block: no packet is in it */
		if (block.type == PCAPNG_INTERFACE)
			state = add_interface(reader, bytes + *offset, block.length);
		else if (block.type == PCAPNG_PACKET)
			state = read_packet(reader, bytes + *offset, block.length, ret_record);
		if (state == FORMAT_CORRUPT)
			return state;
		reader->left_out += state == FORMAT_END && (block.type == PCAPNG_PACKET ||
							    block.type == PCAPNG_PACKET_OLD ||
							    block.type == PCAPNG_PACKET_SIMPLE);
		*offset += block.length;
		if (state == FORMAT_RECORD)
			return state;
	}
}

const struct format format_pcapng = {
	.name = "pcapng",
	.extension = ".pcapng",
	.header_bytes_min = sizeof(struct pcapng_section) + sizeof(struct pcapng_interface) +
			    2 * PCAPNG_LENGTH_BYTES,
	.is_nano_only = true,
	.record_fields_bytes = PCAPNG_PACKET_BYTES,
	.record_align_bytes = 4,
	.encode_header = encode_pcapng_header,
	.encode_record = encode_pcapng_record,
	.encode_trailer = encode_pcapng_trailer,
	.next = next_pcapng_record,
};
