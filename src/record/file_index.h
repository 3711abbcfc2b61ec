/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The index of a segment, by the recorder, and once more by recovery. It is made while members are appended, and
 * written behind the last one. A segment is whole without: nothing that fails here costs a packet, or another segment.
 * Used by one thread; the writing blocks on the disk.
 */

#include <stdint.h>

#include "index/index.h"
#include "segment/codec.h"
#include "spool/spool.h"
#include "spool/writer.h"

/* What an index has to know of its file. */
struct file_index_source {
	const struct codec *codec;
	const struct format *format;
	uint32_t link_type, snaplen;
	bool is_nano;
};

/* NULL: files of this codec have no members, so no index. */
struct index *file_index_begin(struct index_pool *pool, const struct file_index_source *source);

/* Of a member: what it holds; without packets, times are not looked at. */
struct file_index_member {
	uint64_t stored_bytes, plain_bytes, packets;
	uint64_t earliest_ns, latest_ns; /* real time */
};

/* It has a packet of this time, in any order. */
void file_index_note_time(struct file_index_member *member, uint64_t time_ns);

/* The next member was appended; does nothing without an index. keys: NULL if it has no packets. */
void file_index_add(struct index *index, bool is_nano, const struct file_index_member *member,
		    const struct chunk_keys *keys);

/* How pieces look in the files of a codec that has members. */
enum index_wrapping file_index_wrapping(const struct codec *codec);

/*
 * The segment's members end here, and all is known that its metadata say but for bytes: append the index, which is freed
 * in any case. A failure is logged.
 */
void file_index_end(struct index *index, struct spool_writer *writer);
