/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bucket, as a search sees it: every question is asked again while that may help, what was read once is kept in a
 * folder if there is one (--cache), and all of it is counted. One struct bucket is shared by all threads; a
 * struct bucket_reader is one thread's connection.
 */

#include <stdatomic.h>

#include "fetch/here.h"
#include "sink/sink.h"

struct bucket {
	struct sink_context context;
	struct sink *sink;
	int cache_fd;              /* a folder; -1: nothing is kept */
	struct here *here;         /* a search on the node, see here.h; NULL: it is none */
	const atomic_bool *cancel; /* Ctrl-C: whatever is being done ends, with ERROR_TRANSIENT */
	atomic_ulong requests, bytes, cached_bytes;
	atomic_uint_fast64_t answered_ms; /* monotonic: when it answered last */
	atomic_bool has_told;             /* that we wait for its first answer */
	atomic_uint given_up;             /* reads in a row that had no answer, however often */
};

struct bucket_reader {
	struct bucket *bucket;
	struct sink_worker *worker;
};

/* conf's destination; cache: a folder, or NULL. All is borrowed until bucket_close(). */
int bucket_open(const struct conf *conf, const char *cache, const atomic_bool *cancel,
		struct bucket *ret_bucket, struct error *err) __attribute__((warn_unused_result));
/* The same of the spool in conf's folder, while a recorder works; for one thread. */
int bucket_open_spool(const struct conf *conf, struct here *here, const atomic_bool *cancel,
		      struct bucket *ret_bucket, struct error *err)
	__attribute__((warn_unused_result));
void bucket_close(struct bucket *bucket);

/*
 * Run work(context, …) in so many threads, each with a reader of its own, and wait for all of them. Returns the first
 * failure; whoever fails has to see to it that the others end.
 */
int bucket_crew(struct bucket *bucket, unsigned threads,
		int (*work)(void *context, struct bucket_reader *reader, struct error *err),
		void *context, struct error *err) __attribute__((warn_unused_result));

/*
 * As the sink's functions. Blocks: a failure that may pass is tried again for half a minute. ERROR_TRANSIENT then means
 * that the bucket does not answer at all: where it answers others, a read that fails for so long is ERROR_REJECTED.
 */
int bucket_list(struct bucket_reader *reader, const struct sink_list *what,
		bool (*visit)(void *context, const struct sink_item *item), void *context,
		struct error *err) __attribute__((warn_unused_result));
int bucket_read(struct bucket_reader *reader, const char *name, const char *version,
		uint64_t offset, size_t length, uint8_t *out, struct error *err)
	__attribute__((warn_unused_result));
