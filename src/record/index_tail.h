/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An index at the end of a file whose packets end at a place that nobody noted. Packets may contain what looks like
 * a piece of one, and whoever sends them may mean to; an index goes on to the end of the file. Used by recovery's
 * thread; blocks on the disk.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "index/index.h"

/*
 * Are there nothing but pieces from this offset to the end of the file? The last one may be cut off, or zeros, as a
 * crash leaves it. 1, 0 or -1; ERROR_TRANSIENT: is_stopping.
 */
int index_tail_is_at(int fd, enum index_wrapping wrapping, uint64_t offset,
		     const atomic_bool *is_stopping, struct error *err)
	__attribute__((warn_unused_result));
