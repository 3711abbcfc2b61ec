/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File formats, as a table of pure encoders: bytes in, bytes out, no I/O, no allocation.
 * To add one: a file format_NAME.c, a row in format.c, a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/chunk.h"

/* What a batch of records holds. */
struct format_summary {
	uint64_t packets;
	uint64_t first_ns, last_ns; /* of the first and the last record */
};

struct format {
	const char *name;
	const char *extension; /* ".pcap" */
	size_t header_bytes_max;

	/* The beginning of a file; returns its length, at most header_bytes_max. */
	size_t (*encode_header)(const struct chunk_source *source, uint8_t *out);
	/* What a record of this captured length takes in the file. */
	size_t (*record_bytes)(uint32_t captured);
	/* One record; the caller has made sure that it fits. Returns record_bytes(captured). */
	size_t (*encode_record)(uint8_t *out, uint32_t seconds, uint32_t fraction,
				uint32_t captured, uint32_t original, const uint8_t *packet);

	/* Read a header back: its length, 0 if the bytes do not begin with one. */
	size_t (*decode_header)(const uint8_t *bytes, size_t length, bool *ret_is_nano);
	/* Count the whole records that the bytes begin with; returns their length. */
	size_t (*summarize)(const uint8_t *bytes, size_t length, bool is_nano,
			    struct format_summary *ret_summary);
};

extern const struct format format_pcap;

/* The format whose extension a file name bears (before that of a codec), or NULL. */
const struct format *format_of_name(const char *name);
