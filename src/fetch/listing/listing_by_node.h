/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The objects of one node, in the layout by node. */

#include "fetch/listing/listing_private.h"

/*
 * List a node's objects of the window, and those that may reach into it. Blocks on the network; locks. In
 * *ret_newest_ns a time: nothing that begins later is known. Returns whether any was found near the window, or -1.
 */
int listing_node(struct listing_work *work, struct bucket_reader *reader, const char *node,
		 uint64_t *ret_newest_ns, struct error *err) __attribute__((warn_unused_result));
