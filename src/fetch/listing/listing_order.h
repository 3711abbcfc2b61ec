/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is to be listed. Borrowed by whoever lists. */

#include <stdbool.h>
#include <stdint.h>

#define LISTING_LOOKBACK_MAX_S (25 * UINT64_C(3600))

struct listing_order {
	uint64_t from_ns, to_ns; /* [from, to), real time */
	uint64_t lookback_s;     /* how long before from a file may begin; 0: as found necessary */
	const char *nodes, *interfaces; /* names or patterns, joined by commas; NULL: all */
	bool all_nodes;                 /* also those that the cache knows as silent */
	unsigned threads;               /* at least 1 */
	const char *cache_folder;       /* where names of nodes are kept; NULL: nowhere */
};
