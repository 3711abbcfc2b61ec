/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the sink that is a folder share: sink_file.c (writes) and sink_file_read.c (lists, reads). */

#include "sink/sink.h"

#define FILE_BLOCK_BYTES 262144

struct sink {
	struct sink_base base;
	char *folder; /* absolute, without a slash at the end, or "/" */
};

struct sink_worker {
	struct sink *sink;
	char *last_folder; /* below it: made and synced; NULL: none yet */
	char block[FILE_BLOCK_BYTES];
};

/* As sink_ops.list and sink_ops.read. Neither makes or changes anything. */
int file_list(struct sink_worker *worker, const struct sink_list *what,
	      bool (*visit)(void *context, const struct sink_item *item), void *context,
	      unsigned *requests, struct error *err) __attribute__((warn_unused_result));
int file_read(struct sink_worker *worker, const char *name, const char *version, uint64_t offset,
	      size_t length, uint8_t *out, struct error *err) __attribute__((warn_unused_result));
