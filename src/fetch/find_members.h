/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an index would say of a file that has none yet, because it is being written: its members and their times. So it
 * can be read piece by piece, in order of time, and not as a whole. The file is unpacked once for it. Blocks on the
 * disk; one thread.
 */

#include "fetch/tail.h"

/*
 * Fill members and footer of the tail, as far as the file can be read, and whatever the footer needs for that; keys it
 * has none. 1: it has no members, as it is not compressed, or too many. ERROR_REJECTED and others: as bucket_read().
 */
int find_members(struct bucket_reader *reader, const struct object *object, struct tail *tail,
		 struct error *err) __attribute__((warn_unused_result));
