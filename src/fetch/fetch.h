/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a symptom to its packets: which files of the bucket may have them (find), and the packets themselves, of all
 * nodes in order of time (fetch). A process of its own, that runs beside no recorder and ends; nothing here writes to
 * the bucket.
 *
 *   window -> listing -> plan (the index of each file, the filter) -> ranges -> merge -> result
 *
 * Beside it: bucket.h (the bucket, asked again where that helps), listing.h (which objects), when.h (times as people
 * type them), coverage.h (what the answer is worth), result.h (the file that is written).
 */
