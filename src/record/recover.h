/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a crash left in capturing/, or a disk that did not take it: each file is cut at its last whole
 * member and published. A file that cannot be read stays, and is tried again with growing pauses; one
 * that is damaged goes to rejected/. For any thread; blocks on the disk.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "base/counters.h"
#include "spool/spool.h"

/* All that nobody writes and that is due; ends early once is_stopping. */
void recover_unfinished(struct spool *spool, struct counters *counters,
			const atomic_bool *is_stopping);
