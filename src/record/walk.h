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
#include <sys/types.h>

#include "base/error.h"
#include "index/index.h"
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
	/* Where its packets must end, because an index follows, or what is left of one; 0: with the file. */
	uint64_t data_end;
};

/* What to do on the way. */
struct walk_order {
	struct segment_file
		*copy; /* append all that can be read, which is a capture file again; or NULL */
	struct index_pool *index_pool; /* make an index of all that can be read; or NULL */
	const atomic_bool *is_stopping;
	/* file_read_at(), or file_read_around(). */
	ssize_t (*read)(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err);
};

/*
 * Walk over a file of this name, of which this is known. Its beginning is made again if it is damaged and the metadata
 * say enough. Puts the index that was asked for into ret_index: the caller's; NULL: there is none.
 * ERROR_REJECTED: it is no file of ours. ERROR_TRANSIENT: is_stopping.
 */
int walk_file(int fd, const char *name, const struct segment *segment,
	      const struct walk_order *order, struct walk_found *ret_found,
	      struct index **ret_index, struct error *err) __attribute__((warn_unused_result));
