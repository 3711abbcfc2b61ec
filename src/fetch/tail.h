/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The index of one object, as far as it was read: the end of the file, and what it says. */

#include "base/thread.h"
#include "fetch/bucket.h"
#include "fetch/listing/object.h"
#include "index/index.h"

/* The memory of all indexes that are looked at: whoever needs much waits for others. */
struct tail_budget {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t used;
};

struct tail {
	uint8_t *bytes; /* the last ones of the object */
	size_t length;
	struct index_footer footer;
	struct index_member *members;
	struct tail_budget *budget;
	uint64_t taken; /* of it */
};

void tail_budget_init(struct tail_budget *budget);
void tail_budget_done(struct tail_budget *budget);

/*
 * Read an object's footer and members. 1: it has no index that can be used. ERROR_REJECTED and others: as
 * bucket_read(). To be given to tail_free(), after an error, too; a thread has one at a time.
 */
int tail_read(struct bucket_reader *reader, const struct object *object, struct tail_budget *budget,
	      struct tail *ret_tail, struct error *err) __attribute__((warn_unused_result));
void tail_free(struct tail *tail);
/*
 * The plain bytes of a section, which the caller frees; of conversations they are read first. 1: they are
 * damaged.
 */
int tail_section(struct bucket_reader *reader, const struct object *object, const struct tail *tail,
		 const struct index_section *section, uint8_t **ret_plain, struct error *err)
	__attribute__((warn_unused_result));
/* A time of the file, in nanoseconds since 1970; before that 0. */
uint64_t tail_to_ns(const struct tail *tail, int64_t time);
/* Has the member a packet of [from, to)? */
bool tail_overlaps(const struct tail *tail, const struct index_member *member, uint64_t from_ns,
		   uint64_t to_ns);
/* FACTS as text, which the caller frees; NULL: there are none. */
char *tail_facts(const struct object *object, const struct tail *tail);
