/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A sink in memory, for tests of searches: names with a few facts, that are listed as a bucket does. */

#include "fetch/bucket.h"

#define MEMORY_PAGE    1000
#define MEMORY_THREADS 64

struct memory_object {
	char *name;
	bool has_metadata;
	const char *node, *interface, *interfaces;
	uint64_t earliest_ns, latest_ns, start_ns, end_ns, since_ns, previous, max_age_s;
	const char *index;
	/* For the tests alone: when its packets are, whatever the metadata say. */
	uint64_t true_earliest_ns, true_latest_ns;
	bool is_wanted, is_found;
	/* What read() gives from its end; what is before that is zeros. NULL: the low byte of each offset. */
	const uint8_t *tail;
	size_t tail_bytes;
	uint64_t bytes; /* its size; 0: some */
};

struct memory {
	struct sink_base base; /* first */
	struct conf conf;
	atomic_bool cancel;
	struct bucket bucket; /* that has this sink */
	struct memory_object *objects;
	size_t count, capacity;
	unsigned delay_us; /* of each request */
	/* Each request of this number, from 1 on, fails after so many items: 0 means at once. */
	atomic_uint requests;
	unsigned fail_from, fail_to, fail_after;
	enum error_kind fail_kind;
	uint64_t retry_after_ms;
	unsigned cancel_at;   /* the request at which cancel becomes true; 0: never */
	const char *silent;   /* an object of which no read succeeds */
	const char *vanishes; /* what is no longer there after the first failure */
	atomic_uint workers;
	atomic_uint by_worker[MEMORY_THREADS]; /* requests */
	atomic_uint reads;
	atomic_ulong longest_read;
};

void memory_open(struct memory *memory);
void memory_close(struct memory *memory);
/* The object belongs to the memory; valid until the next one. name: printf. */
struct memory_object *memory_add(struct memory *memory, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* After the last one. */
void memory_sort(struct memory *memory);
/* How many requests one worker made at most. */
unsigned memory_longest_chain(const struct memory *memory);
