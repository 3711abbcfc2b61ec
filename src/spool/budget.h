/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The limits of the spool, and whether it is within them. Pure: numbers in, an answer out. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "conf/conf.h"

/* Itself, and its metadata. */
#define BUDGET_FILES_PER_SEGMENT 2

struct budget {
	enum conf_spool_when_full policy;
	uint64_t max_segments; /* that are finished and not sent yet */
	uint64_t max_bytes;    /* of our files and folders, as du counts them; 0: no limit */
	struct conf_share min_free, min_free_inodes; /* how much is left to others */
	unsigned workers; /* that send at a time: room for the upload state of each is kept free */
};

struct budget_state {
	uint64_t segments, bytes;
	uint64_t disk_total, disk_free;     /* bytes; total 0: unknown */
	uint64_t inodes_total, inodes_free; /* total 0: the file system has no such limit */
};

/* With no segments, and none of their bytes. */
struct budget_state budget_state_of_disk(const struct statvfs *fs);
struct budget budget_from_conf(const struct conf *conf);
/* What the file system has above the floor; UINT64_MAX: it has no such limit, or it is unknown. */
uint64_t budget_room_bytes(const struct budget *budget, const struct budget_state *state);
uint64_t budget_room_inodes(const struct budget *budget, const struct budget_state *state);
/* How much is taken of the limit that is nearest, 0 to 1: at 1, the next segment needs another's room. */
double budget_use(const struct budget *budget, const struct budget_state *state);
/* The option whose limit the state is over; NULL: it is within all of them. */
const char *budget_exceeded(const struct budget *budget, const struct budget_state *state);
/*
 * Is there a sixteenth of each limit to spare? A spool that was full is used again only then: otherwise it
 * would be full with the next packet.
 */
bool budget_has_slack(const struct budget *budget, const struct budget_state *state);
