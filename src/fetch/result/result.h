/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file that fetch writes: packets of many nodes and interfaces, in the order in which they are given. pcapng with
 * an interface description for each source; a FILE that ends with ".pcap" is a classic capture file, which has one link
 * type and no word for where a packet is from. Times are written as they are, never rounded: a classic file always
 * counts nanoseconds, because its header comes before the sources that may need them.
 *
 * FILE is written as FILE.part and renamed when it is complete; only then an older FILE is replaced. FILE.part has whole
 * blocks at any time, so that what is there can be read. Blocks on the disk, or on the reader of a pipe, whose end is
 * errnum EPIPE; the caller ignores SIGPIPE. For one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "fetch/result/result_source.h"

struct result;

/*
 * path: FILE, or "-" for standard output, which must not be a terminal. Not a regular file: it is written in place.
 * is_split: a folder, which is made if it is not there, and gets one file for each node; it must be empty but for files
 * of a run that was broken off. comment: the query, for those who find the file. ERROR_USAGE if the path cannot be meant.
 */
int result_open(const char *path, bool is_split, const char *comment, struct result **ret_result,
		struct error *err) __attribute__((warn_unused_result));

/*
 * Could a result be opened there? Asked before the bucket is, which takes time and money; opens and changes nothing.
 * Fails as result_open() does.
 */
int result_check(const char *path, bool is_split, struct error *err)
	__attribute__((warn_unused_result));

/* Copied. Its number, from 0; the same one for the same node, interface, link type and precision. Writes nothing. */
uint32_t result_add_source(struct result *result, const struct result_source *source)
	__attribute__((warn_unused_result));

/*
 * Add a packet. ERROR_USAGE: a second link type in a classic file. Which ones there are is known of packets alone: not
 * every file of a bucket has metadata. ERROR_REJECTED: a packet that no reader would take; nothing is written of it.
 */
int result_write(struct result *result, uint32_t source, uint64_t time_ns, uint32_t captured,
		 uint32_t original, const uint8_t *packet, struct error *err)
	__attribute__((warn_unused_result));

/* Hand over what is buffered, for whoever reads from the pipe. Before a longer wait. */
int result_flush(struct result *result, struct error *err) __attribute__((warn_unused_result));

/* What the user should know of this file, or NULL: that not every program reads its link types. */
const char *result_warning(const struct result *result);

/*
 * Add statistics of the sources 0 to count - 1, sync, and give FILE its name; result is freed by result_abandon()
 * even so. Without a packet, the file is one that all programs read, of none.
 */
int result_finish(struct result *result, const struct result_statistics *statistics, size_t count,
		  struct error *err) __attribute__((warn_unused_result));

/* Free it. Before result_finish() succeeds, FILE.part stays. NULL is fine. */
void result_abandon(struct result *result);
