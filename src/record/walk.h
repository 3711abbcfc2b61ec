/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A walk over the file of a segment that nobody finished: what can be read of it, whatever happened to the rest. Its
 * members are independent, and where there is no compression its records are found again by what they look like.
 * Used by recovery's thread; reads only, and blocks on the disk.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "segment/segment.h"
#include "segment/segment_file.h"

#define WALK_GAPS_MAX 8 /* the last one stands for the rest */

struct walk_found {
	uint64_t packets, earliest_ns, latest_ns;
	uint64_t last_read_ns;      /* of the last record, which need not be the latest */
	uint64_t pcap_bytes, bytes; /* of all that can be read, with the header */
	uint32_t crc32c;            /* of these bytes; not if they begin with a header made again */
	/* The file itself lacks something before its end: cut off after so many bytes it would not be all of it. */
	bool is_in_parts;
	struct walk_gap {
		uint64_t from_ns, to_ns; /* real time */
	} gaps[WALK_GAPS_MAX];
	size_t gap_count;
	uint64_t end; /* where in the file the last of it ends */
};

/*
 * Walk over a file of this name, of which this is known. copy: append to it all that can be read, which is a capture
 * file again; or NULL. Its beginning is made again if it is damaged and the metadata say enough.
 * ERROR_REJECTED: it is no file of ours. ERROR_TRANSIENT: is_stopping.
 */
int walk_file(int fd, const char *name, const struct segment *segment, struct segment_file *copy,
	      const atomic_bool *is_stopping, struct walk_found *ret_found, struct error *err)
	__attribute__((warn_unused_result));
