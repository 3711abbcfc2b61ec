/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The blocks of a pcapng file, in this machine's byte order (draft-ietf-opsawg-pcapng), for whoever writes one. Pure.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The comments refer to sections of the draft. */
enum {
	PCAPNG_SECTION = 0x0a0d0d0a, /* 4.1 */
	PCAPNG_INTERFACE = 1,        /* 4.2 */
	PCAPNG_STATISTICS = 5,       /* 4.6 */
	PCAPNG_PACKET = 6,           /* 4.3 */
	PCAPNG_PACKET_SIMPLE = 3,    /* 4.4; it has no time */
	PCAPNG_PACKET_OLD = 2,       /* A.1; nobody writes it any more */

	PCAPNG_OPTION_END = 0, /* 3.5 */
	PCAPNG_OPTION_COMMENT = 1,
	PCAPNG_SECTION_HARDWARE = 2, /* 4.1 */
	PCAPNG_SECTION_OS = 3,
	PCAPNG_SECTION_APPLICATION = 4,
	PCAPNG_INTERFACE_NAME = 2, /* 4.2 */
	PCAPNG_INTERFACE_DESCRIPTION = 3,
	PCAPNG_INTERFACE_RESOLUTION = 9,
	PCAPNG_INTERFACE_FILTER = 11,
	PCAPNG_INTERFACE_OS = 12,
	PCAPNG_STATISTICS_START = 2, /* 4.6 */
	PCAPNG_STATISTICS_END = 3,
	PCAPNG_STATISTICS_RECEIVED = 4,
	PCAPNG_STATISTICS_DROPPED = 5,
	PCAPNG_STATISTICS_ACCEPTED = 6,
	PCAPNG_STATISTICS_DROPPED_BY_OS = 7,
	PCAPNG_STATISTICS_DELIVERED = 8,

	PCAPNG_RESOLUTION_NANO = 9,  /* a negative power of ten */
	PCAPNG_RESOLUTION_MICRO = 6, /* where none is given */
	PCAPNG_FILTER_TEXT = 0,      /* the filter is text for libpcap */
	PCAPNG_TEXT_MAX = 255,       /* of an option but the filter */
};

#define PCAPNG_MAGIC           UINT32_C(0x1a2b3c4d)
#define PCAPNG_LENGTH_UNKNOWN  UINT64_MAX
#define PCAPNG_BLOCK_BYTES_MAX UINT32_C(16777216) /* as libpcap has it */

struct pcapng_block {
	uint32_t type;
	uint32_t length; /* of the block, and again at its end */
};

struct pcapng_section {
	struct pcapng_block block;
	uint32_t magic;
	uint16_t major, minor;
	uint64_t length;
} __attribute__((packed));

struct pcapng_interface {
	struct pcapng_block block;
	uint16_t link_type, reserved;
	uint32_t snaplen;
};

struct pcapng_packet {
	struct pcapng_block block;
	uint32_t interface;
	uint32_t time_high, time_low;
	uint32_t captured, original;
};

struct pcapng_statistics {
	struct pcapng_block block;
	uint32_t interface;
	uint32_t time_high, time_low;
};

#define PCAPNG_LENGTH_BYTES sizeof(uint32_t)
#define PCAPNG_PACKET_BYTES \
	(sizeof(struct pcapng_packet) + PCAPNG_LENGTH_BYTES) /* around the captured bytes */

static inline size_t pcapng_align(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Append an option; text needs no terminating NUL. Returns the new end. */
static inline uint8_t *pcapng_put_option(uint8_t *out, uint16_t code, const void *bytes,
					 size_t length)
{
	const uint16_t head[2] = { code, (uint16_t)length };

	memcpy(out, head, sizeof head);
	memcpy(out + sizeof head, bytes, length);
	memset(out + sizeof head + length, 0, pcapng_align(length) - length);
	return out + sizeof head + pcapng_align(length);
}

static inline uint8_t *pcapng_put_text(uint8_t *out, uint16_t code, const char *text)
{
	size_t length = strlen(text);

	return length ? pcapng_put_option(out, code, text,
					  length < PCAPNG_TEXT_MAX ? length : PCAPNG_TEXT_MAX)
		      : out;
}

static inline uint8_t *pcapng_put_number(uint8_t *out, uint16_t code, uint64_t number)
{
	return pcapng_put_option(out, code, &number, sizeof number);
}

/* Times have 64 bits, the upper half first. */
static inline uint8_t *pcapng_put_time(uint8_t *out, uint16_t code, uint64_t ns)
{
	const uint32_t halves[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	return pcapng_put_option(out, code, halves, sizeof halves);
}

/* End the options and the block that starts at `begin`. Returns the length of the block. */
static inline size_t pcapng_end_block(uint8_t *begin, uint8_t *end, uint32_t type)
{
	const uint16_t no_more[2] = { PCAPNG_OPTION_END, 0 };
	struct pcapng_block block = { .type = type };

	memcpy(end, no_more, sizeof no_more);
	end += sizeof no_more;
	block.length = (uint32_t)(end - begin + (ptrdiff_t)PCAPNG_LENGTH_BYTES);
	memcpy(end, &block.length, PCAPNG_LENGTH_BYTES);
	memcpy(begin, &block, sizeof block);
	return block.length;
}
