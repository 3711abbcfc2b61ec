/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File formats: a table of pure encoders and decoders without I/O or allocation, for any thread. To add one:
 * a file format_NAME.c, a row in format.c, a word in the option capture.format, and a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "packet/chunk.h"

/* Contents of a batch of records. */
struct format_summary {
	uint64_t packets;
	uint64_t first_ns, last_ns; /* of the first and the last record */
};

/* Who wrote the file and where; never NULL. */
struct format_origin {
	const char *node, *hardware, *os, *application;
};

/* Totals of a file when it ends. */
struct format_totals {
	uint64_t start_ns, end_ns;
	uint64_t packets;      /* in the file */
	uint64_t packets_own;  /* seen and not recorded */
	uint64_t drops_kernel; /* dropped because the ring was full */
	uint64_t drops;        /* for any reason, including kernel */
};

/* Large enough for any header or trailer. */
#define FORMAT_EDGE_BYTES_MAX 4096

struct format {
	const char *name;
	const char *extension;   /* ".pcap" */
	size_t header_bytes_min; /* counted for segment.size */
	bool is_nano_only;       /* timestamps are always nanoseconds, despite capture.precision */
	/* Size of a record: its fields plus the captured bytes, padded to a multiple of the alignment. */
	size_t record_fields_bytes, record_align_bytes;

	/* Encode the beginning of a file; returns its length. */
	size_t (*encode_header)(const struct chunk_source *source,
				const struct format_origin *origin,
				uint8_t out[FORMAT_EDGE_BYTES_MAX]);
	/* Encode a record; the caller ensures that it fits. Returns format_record_bytes(). */
	size_t (*encode_record)(uint8_t *out, uint32_t seconds, uint32_t fraction,
				uint32_t captured, uint32_t original, const uint8_t *packet);
	/* Encode the optional end of a file; returns its length. NULL: the format has none. */
	size_t (*encode_trailer)(const struct format_totals *totals,
				 uint8_t out[FORMAT_EDGE_BYTES_MAX]);

	/* Decode a header; returns its length, or 0 if the bytes do not begin with one. */
	size_t (*decode_header)(const uint8_t *bytes, size_t length, bool *ret_is_nano);
	/* Count the whole records at the beginning; returns their length, including a trailer's. */
	size_t (*summarize)(const uint8_t *bytes, size_t length, bool is_nano,
			    struct format_summary *ret_summary);
};

extern const struct format format_pcap, format_pcapng;

/* Size in the file of a record with this captured length. */
static inline size_t format_record_bytes(const struct format *format, uint32_t captured)
{
	size_t align = format->record_align_bytes;

	return (format->record_fields_bytes + captured + align - 1) & ~(align - 1);
}

/* The format that capture.format selects. */
const struct format *format_choose(const struct conf *conf);
/* The format whose extension a file name ends with (before that of a codec), or NULL. */
const struct format *format_of_name(const char *name);
