/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File formats, as a table of pure encoders: bytes in, bytes out, no I/O, no allocation.
 * To add one: a file format_NAME.c, a row in format.c, a word of the option capture.format, a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "packet/chunk.h"

/* What a batch of records holds. */
struct format_summary {
	uint64_t packets;
	uint64_t first_ns, last_ns; /* of the first and the last record */
};

/* Who wrote the file, where; none is NULL. */
struct format_origin {
	const char *node, *hardware, *os, *application;
};

/* What is known of a file when it ends. */
struct format_totals {
	uint64_t start_ns, end_ns;
	uint64_t packets;      /* in the file */
	uint64_t packets_own;  /* seen and left out */
	uint64_t drops_kernel; /* seen, but there was no room for them */
	uint64_t drops;        /* for whatever reason, with those */
};

/* Room for any header, and for any trailer. */
#define FORMAT_EDGE_BYTES_MAX 4096

struct format {
	const char *name;
	const char *extension;   /* ".pcap" */
	size_t header_bytes_min; /* what segment.size counts for it */
	bool is_nano_only; /* its time stamps are nanoseconds, whatever capture.precision says */
	/* What a record takes: its own fields and the captured bytes, filled up to a multiple of this. */
	size_t record_fields_bytes, record_align_bytes;

	/* The beginning of a file; returns its length. */
	size_t (*encode_header)(const struct chunk_source *source,
				const struct format_origin *origin,
				uint8_t out[FORMAT_EDGE_BYTES_MAX]);
	/* One record; the caller has made sure that it fits. Returns format_record_bytes(). */
	size_t (*encode_record)(uint8_t *out, uint32_t seconds, uint32_t fraction,
				uint32_t captured, uint32_t original, const uint8_t *packet);
	/* The end of a file, which is whole without it; returns its length. NULL: it has none. */
	size_t (*encode_trailer)(const struct format_totals *totals,
				 uint8_t out[FORMAT_EDGE_BYTES_MAX]);

	/* Read a header back: its length, 0 if the bytes do not begin with one. */
	size_t (*decode_header)(const uint8_t *bytes, size_t length, bool *ret_is_nano);
	/* Count the whole records that the bytes begin with; returns their length, a trailer's included. */
	size_t (*summarize)(const uint8_t *bytes, size_t length, bool is_nano,
			    struct format_summary *ret_summary);
};

extern const struct format format_pcap, format_pcapng;

/* What a record of this captured length takes in the file. */
static inline size_t format_record_bytes(const struct format *format, uint32_t captured)
{
	size_t align = format->record_align_bytes;

	return (format->record_fields_bytes + captured + align - 1) & ~(align - 1);
}

/* What capture.format says. */
const struct format *format_choose(const struct conf *conf);
/* The format whose extension a file name ends with (before that of a codec), or NULL. */
const struct format *format_of_name(const char *name);
