/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The beginning of a capture file: by the recorder, and once more where a disk has damaged it. Pure but for uname(). */

#include <stddef.h>
#include <stdint.h>

#include "packet/packet.h"
#include "segment/segment.h"

/* Returns its length. */
size_t file_header_encode(const char *node, const struct chunk_source *source,
			  uint8_t out[FORMAT_EDGE_BYTES_MAX]);
/* What a segment's metadata have to say for it. */
void file_header_note(const struct chunk_source *source, struct segment *segment);
/* From the metadata; 0 if they do not say enough. */
size_t file_header_again(const struct segment *segment, const struct format *format,
			 uint8_t out[FORMAT_EDGE_BYTES_MAX]);
