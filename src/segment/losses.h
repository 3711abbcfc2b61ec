/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets that no file has, told apart from what a file itself lacks (struct drops): those of files that were
 * deleted or vanished, and those of an interface while no file of it could be opened. A segment states them
 * in its attachment "lost-before". A bounded list: what does not fit is added up, and no packet is forgotten.
 * Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"
#include "base/text.h"
#include "segment/segment.h"

#define LOSSES_KEY      "lost-before"
#define LOSSES_MAX      16
#define LOSSES_TEXT_MAX (LOSSES_MAX * 192)
#define LOSSES_SEVERAL  "*" /* in place of an interface: of several, added up */

struct loss {
	char interface[64]; /* "": not known */
	enum drop_reason reason;
	uint64_t from_ns, to_ns; /* real time; 0: not known */
	uint64_t packets;
};

struct losses {
	size_t count;
	struct loss list[LOSSES_MAX];
};

/* With those of the same kind that it touches; in a list that is full, with the nearest kind. */
void losses_add(struct losses *losses, const struct loss *loss);
void losses_add_drops(struct losses *losses, const char *interface, uint64_t from_ns,
		      uint64_t to_ns, const struct drops *drops);
void losses_add_all(struct losses *losses, const struct losses *more);
/* A segment that is gone, for this reason: its packets, what it lacked, and what it stated of others. */
void losses_add_segment(struct losses *losses, const struct segment *segment,
			enum drop_reason reason);
uint64_t losses_packets(const struct losses *losses);

/* What a segment states; what cannot be read is skipped. */
void losses_of_segment(const struct segment *segment, struct losses *ret_losses);
/* Have a segment state these. False if its metadata have no room for it. */
bool losses_state(const struct losses *losses, struct segment *segment);
