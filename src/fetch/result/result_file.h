/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One file of a result, written in whole blocks: what is on the disk ends with a block, also when the disk is full.
 * Blocks on the disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct result_file {
	char *path; /* NULL: standard output */
	char *part; /* its name until it is complete; NULL: written in place */
	int fd;     /* -1: closed, or at rest */
	uint8_t *buffer;
	size_t used, capacity;
	uint64_t whole_bytes; /* written */
	bool is_failed;       /* nothing is written any more */
};

/* path: "-" for standard output. Could it be opened? Changes nothing. */
int result_file_check(const char *path, struct error *err) __attribute__((warn_unused_result));
/* One that was checked. */
int result_file_open(struct result_file *file, const char *path, struct error *err)
	__attribute__((warn_unused_result));
/* Room for a block of this length, which is the caller's to fill before the next call. NULL: failed. */
uint8_t *result_file_reserve(struct result_file *file, size_t buffer_bytes, size_t length,
			     struct error *err) __attribute__((warn_unused_result));
int result_file_flush(struct result_file *file, struct error *err)
	__attribute__((warn_unused_result));
/* Flush, and hold no descriptor and no buffer until the next block. */
int result_file_rest(struct result_file *file, struct error *err)
	__attribute__((warn_unused_result));
/* After a rest. */
int result_file_wake(struct result_file *file, struct error *err)
	__attribute__((warn_unused_result));
/* Flush, sync, and give it its name. */
int result_file_publish(struct result_file *file, struct error *err)
	__attribute__((warn_unused_result));
/* Leave its part with all that can still be written. */
void result_file_close(struct result_file *file);
