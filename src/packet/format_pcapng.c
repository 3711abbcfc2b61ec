/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newer capture file, in this machine's byte order (draft-ietf-opsawg-pcapng): a section header and an
 * interface description, an enhanced packet block for each packet, and interface statistics at the end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "packet/format.h"

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

	RESOLUTION_NANO = 9, /* a negative power of ten */
	FILTER_TEXT = 0,     /* the filter is text for libpcap */
	TEXT_MAX = 255,      /* of any option except the filter */
};

#define BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)
#define CAPTURED_MAX     UINT32_C(262144) /* readers refuse more */
#define LENGTH_UNKNOWN   UINT64_MAX

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

static size_t encode_section(const struct format_origin *origin, uint8_t *out)
{
	const struct section section = {
		.magic = BYTE_ORDER_MAGIC,
		.major = 1,
		.length = LENGTH_UNKNOWN,
	};
	uint8_t *end = out + sizeof section;
	char comment[TEXT_MAX + 1];

	memcpy(out, &section, sizeof section);
	(void)snprintf(comment, sizeof comment, "node %s", origin->node);
	end = put_text(end, OPTION_COMMENT, comment);
	end = put_text(end, SECTION_HARDWARE, origin->hardware);
	end = put_text(end, SECTION_OS, origin->os);
	end = put_text(end, SECTION_APPLICATION, origin->application);
	return end_block(out, end, BLOCK_SECTION);
}

static size_t encode_interface(const struct chunk_source *source,
			       const struct format_origin *origin, uint8_t *out)
{
	const struct interface interface = {
		.link_type = (uint16_t)source->link_type,
		.snaplen = source->snaplen,
	};
	const uint8_t resolution = RESOLUTION_NANO;
	uint8_t *end = out + sizeof interface;

	memcpy(out, &interface, sizeof interface);
	end = put_text(end, INTERFACE_NAME, source->interface);
	end = put_option(end, INTERFACE_RESOLUTION, &resolution, sizeof resolution);
	if (source->filter[0]) {
		uint8_t filter[1 + sizeof source->filter] = { FILTER_TEXT };
		size_t length = strlen(source->filter);

		memcpy(filter + 1, source->filter, length);
		end = put_option(end, INTERFACE_FILTER, filter, 1 + length);
	}
	end = put_text(end, INTERFACE_OS, origin->os);
	return end_block(out, end, BLOCK_INTERFACE);
}

static size_t encode_pcapng_header(const struct chunk_source *source,
				   const struct format_origin *origin,
				   uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	size_t length = encode_section(origin, out);

	return length + encode_interface(source, origin, out + length);
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
	uint8_t *end = out + sizeof statistics;

	memcpy(out, &statistics, sizeof statistics);
	end = put_time(end, STATISTICS_START, totals->start_ns);
	end = put_time(end, STATISTICS_END, totals->end_ns);
	/* As in dumpcap, and as readers show it: everything missing is "dropped". */
	end = put_number(end, STATISTICS_RECEIVED, delivered + totals->drops);
	end = put_number(end, STATISTICS_DROPPED, totals->drops);
	end = put_number(end, STATISTICS_ACCEPTED, delivered + totals->drops_kernel);
	end = put_number(end, STATISTICS_DROPPED_BY_OS, totals->drops_kernel);
	end = put_number(end, STATISTICS_DELIVERED, delivered);
	return end_block(out, end, BLOCK_STATISTICS);
}

/* Length of the whole block of this type and minimum size at the beginning of the bytes, or 0. */
static size_t find_block(const uint8_t *bytes, size_t length, uint32_t type, size_t least)
{
	struct block_header block;
	uint32_t again;

	if (length < sizeof block)
		return 0;
	memcpy(&block, bytes, sizeof block);
	if (block.type != type || block.length % 4 != 0 || block.length < least + LENGTH_BYTES ||
	    block.length > length)
		return 0;
	memcpy(&again, bytes + block.length - LENGTH_BYTES, sizeof again);
	return again == block.length ? block.length : 0;
}

static size_t decode_pcapng_header(const uint8_t *bytes, size_t length, bool *ret_is_nano)
{
	size_t section = find_block(bytes, length, BLOCK_SECTION, sizeof(struct section));
	struct section head;
	size_t interface;

	if (section == 0)
		return 0;
	memcpy(&head, bytes, sizeof head);
	interface = find_block(bytes + section, length - section, BLOCK_INTERFACE,
			       sizeof(struct interface));
	if (interface == 0 || head.magic != BYTE_ORDER_MAGIC || head.major != 1)
		return 0;
	*ret_is_nano = true;
	return section + interface;
}

/* Length and time of the whole packet block at the beginning of the bytes, or 0. */
static size_t find_packet(const uint8_t *bytes, size_t length, uint64_t *ret_ns)
{
	size_t whole = find_block(bytes, length, BLOCK_PACKET, sizeof(struct packet));
	struct packet packet;

	if (whole == 0)
		return 0;
	memcpy(&packet, bytes, sizeof packet);
	if (packet.captured > CAPTURED_MAX || PACKET_BYTES + aligned(packet.captured) > whole)
		return 0;
	*ret_ns = (uint64_t)packet.time_high << 32 | packet.time_low;
	return whole;
}

static size_t summarize_pcapng(const uint8_t *bytes, size_t length, bool is_nano,
			       struct format_summary *ret_summary)
{
	struct format_summary summary = { 0 };
	size_t offset = 0, whole;
	uint64_t ns;

	(void)is_nano;
	while ((whole = find_packet(bytes + offset, length - offset, &ns)) > 0) {
		if (summary.packets++ == 0)
			summary.first_ns = ns;
		summary.last_ns = ns;
		offset += whole;
	}
	*ret_summary = summary;
	return offset + find_block(bytes + offset, length - offset, BLOCK_STATISTICS,
				   sizeof(struct statistics));
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
	.decode_header = decode_pcapng_header,
	.summarize = summarize_pcapng,
};
