/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The limits of the spool, and whether it is within them. Pure: numbers in, an answer out. */

#include <stdbool.h>
#include <stdint.h>

/* Itself, and its metadata. */
#define BUDGET_FILES_PER_SEGMENT 2

/* What to do when there is no room, as spool.when_full has it. */
enum budget_policy {
	BUDGET_DROP_OLDEST,
	BUDGET_DROP_NEWEST,
	BUDGET_STOP_CAPTURE,
};

/* How much of the file system is left to others: per cent of it, or bytes (or inodes). */
struct budget_floor {
	uint64_t amount;
	bool is_percent;
};

struct budget {
	enum budget_policy policy;
	uint64_t max_segments; /* that are finished and not sent yet */
	uint64_t max_bytes;    /* of our files and folders, as du counts them; 0: no limit */
	struct budget_floor min_free, min_free_inodes;
	unsigned workers; /* that send at a time: room for the upload state of each is kept free */
};

struct budget_state {
	uint64_t segments, bytes;
	uint64_t disk_total, disk_free;     /* bytes; total 0: unknown */
	uint64_t inodes_total, inodes_free; /* total 0: the file system has no such limit */
};

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
