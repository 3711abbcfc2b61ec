/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What else held on the node while a segment was recorded. Used by the threads of recorders; does not block. */

#include "base/counters.h"
#include "segment/segment.h"

/* The state of the clock, and the interfaces that are recorded now; as many as fit, and the number of the rest. */
void surroundings_note(struct counters *counters, struct segment *segment);
