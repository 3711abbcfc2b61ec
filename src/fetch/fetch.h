/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a symptom to its packets: which files of the bucket may have them (find), and the packets themselves, of all
 * nodes in order of time (fetch). A process of its own, that ends; nothing here writes to the bucket, or needs a
 * recorder.
 *
 *   window -> listing -> plan (the index of each file, the filter) -> pieces -> merge -> result
 *
 * Beside it: bucket.h (the bucket, asked again where that helps), listing.h (which objects), when.h (times as people
 * type them), coverage.h (what the answer is worth), result.h (the file that is written).
 */

#include "base/error.h"
#include "fetch/order.h"

/* Print which objects may have matches. Returns the exit status, or -1 and why: ERROR_USAGE, ERROR_CONFIG. */
int find_run(const struct fetch_order *order, struct error *err);
/* Write the packets. Likewise. */
int fetch_run(const struct fetch_order *order, struct error *err);
