/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file of a segment that grows: whole members are appended, and whatever a failing disk leaves of one is
 * cut off again. Its checksum is made on the way, its pages are written behind. Used by one thread, a
 * recorder's or the recovery's; blocks on the disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "segment/write_behind.h"

struct segment_file {
	int fd;          /* -1: there is none */
	uint64_t bytes;  /* of whole members */
	uint32_t crc32c; /* of them */
	bool is_uncut;   /* behind them there is something that could not be cut off */
	struct write_behind behind;
};

/* A new, empty file; takes fd. */
void segment_file_init(struct segment_file *file, int fd);
void segment_file_close(struct segment_file *file);

/* After an error it is as before, or is_uncut. */
int segment_file_append(struct segment_file *file, const void *member, size_t length,
			struct error *err) __attribute__((warn_unused_result));
/* Cut a file that another run wrote, make it durable and read its checksum. */
int segment_file_cut(struct segment_file *file, uint64_t bytes, struct error *err)
	__attribute__((warn_unused_result));
/* Make it durable; an error if it is_uncut. is_read_late: nobody will read it soon. */
int segment_file_sync(struct segment_file *file, bool is_read_late, struct error *err)
	__attribute__((warn_unused_result));
/* What it takes on the disk; ret_is_deleted: it has no name any more. */
int segment_file_measure(const struct segment_file *file, uint64_t *ret_allocated,
			 bool *ret_is_deleted, struct error *err)
	__attribute__((warn_unused_result));
