/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The index of one object, as far as it was read: the end of the file, and what it says. */

#include "fetch/bucket.h"
#include "fetch/listing/object.h"
#include "index/index.h"

struct tail {
	uint8_t *bytes; /* the last ones of the object */
	size_t length;
	struct index_footer footer;
	struct index_member *members;
};

/*
 * Read an object's footer and members. 1: it has no index that can be used. ERROR_REJECTED and others: as
 * bucket_read(). To be given to tail_free(), after an error, too.
 */
int tail_read(struct bucket_reader *reader, const struct object *object, struct tail *ret_tail,
	      struct error *err) __attribute__((warn_unused_result));
void tail_free(struct tail *tail);
/*
 * The plain bytes of a section, which the caller frees; of conversations they are read first. 1: they are
 * damaged.
 */
int tail_section(struct bucket_reader *reader, const struct object *object, const struct tail *tail,
		 const struct index_section *section, uint8_t **ret_plain, struct error *err)
	__attribute__((warn_unused_result));
/* FACTS as text, which the caller frees; NULL: there are none. */
char *tail_facts(const struct object *object, const struct tail *tail);
