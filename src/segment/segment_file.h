/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file of a segment that grows: whole members are appended, and whatever a failing disk leaves of one is
 * cut off again. Its checksum is made on the way. Used by one thread, a recorder's or the recovery's; blocks on
 * the disk.
 *
 * Its pages are written behind, and dropped from the page cache, but only on file systems of local disks: where
 * there is no disk (tmpfs) or a network is in between (NFS), it would be useless or harmful.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct segment_file {
	int fd;          /* -1: there is none */
	uint64_t bytes;  /* of whole members */
	uint32_t crc32c; /* of them */
	bool is_uncut;   /* behind them there is something that could not be cut off */
	int unsynced_errno; /* of a sync that failed: the kernel says so once, and what it was about may be lost; 0: none */
	bool is_on_disk;        /* a local one: pages are written behind */
	uint64_t synced_bytes;  /* up to here it is durable, whatever comes after */
	uint32_t synced_crc32c; /* of these bytes */
	uint64_t started_bytes; /* up to here, writing to the disk was begun */
	uint64_t dropped_bytes; /* up to here, the page cache was given back */
};

/* A new, empty file; takes fd, which close_fd() gives back. */
void segment_file_init(struct segment_file *file, int fd);

/* After an error it is as before, or is_uncut. */
int segment_file_append(struct segment_file *file, const void *member, size_t length,
			struct error *err) __attribute__((warn_unused_result));
/* Cut a file that another run wrote after so many bytes, of this checksum, and make it durable; it can be appended to. */
int segment_file_cut(struct segment_file *file, uint64_t bytes, uint32_t crc32c, struct error *err)
	__attribute__((warn_unused_result));
/* The same to where a sync ended, which makes good what failed since then: an error if there was none, or again. */
int segment_file_cut_to_synced(struct segment_file *file, struct error *err)
	__attribute__((warn_unused_result));
/* Make it durable; an error if it is_uncut, or ever was not synced. is_read_late: nobody will read it soon. */
int segment_file_sync(struct segment_file *file, bool is_read_late, struct error *err)
	__attribute__((warn_unused_result));
