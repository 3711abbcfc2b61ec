/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page cache of a file that is being written from its beginning to its end: dirty pages go to the disk
 * soon, so that the sync at the end is short, and the file takes no more of the cache than its upload,
 * which reads it once, makes use of; others' pages stay there. Only on file systems of local disks: where
 * there is no disk (tmpfs) or a network is in between (NFS), it would be useless or harmful. Used by one
 * thread. Failures do not matter: the data is as safe without.
 */

#include <stdbool.h>
#include <stdint.h>

struct write_behind {
	int fd; /* borrowed */
	bool is_on;
	uint64_t started_bytes; /* up to here, writing to the disk was begun */
	uint64_t dropped_bytes; /* up to here, the cache was given back */
};

void write_behind_begin(struct write_behind *behind, int fd);
/* The file is this long now. */
void write_behind_advance(struct write_behind *behind, uint64_t bytes);
/* It is complete and synced, and nobody will read it soon. */
void write_behind_drop(struct write_behind *behind);
