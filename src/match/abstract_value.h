/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a register of abstract.h holds: of 32 bits, those that are known, and at times what they are of. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

/* Words of 32 bits at a place in some address: one of these, nobody knows which. */
struct abstract_set {
	uint32_t *list, count; /* sorted where it is needed first */
	bool is_sorted;
};

#define ABSTRACT_PLACES 8

/* What is known of values beside their bits. */
struct abstract_facts {
	uint16_t higher_min; /* of two ports the higher one is at least this, */
	uint16_t hints;      /* and has one of these hints (index/key.h) */
	struct abstract_set *sets[ABSTRACT_PLACES];
};

enum value_kind {
	VALUE_PLAIN,
	VALUE_HIGHER_PORT,
	VALUE_NONZERO, /* some bits of the mask are set */
	VALUE_OF_SET,  /* a word of the set, and the mask */
};

struct value {
	uint32_t bits, known; /* an unknown bit is 0 in both */
	uint32_t mask;
	uint16_t kind;  /* an enum value_kind */
	uint16_t place; /* of the packet's, that have sets */
};

static inline struct value value_of(uint32_t bits)
{
	return (struct value){ .bits = bits, .known = UINT32_MAX };
}

static inline struct value value_unknown(void)
{
	return (struct value){ .known = 0 };
}

/* Of so many bytes that are not known. */
static inline struct value value_of_size(uint32_t bytes)
{
	return (struct value){ .known = bytes == 4 ? 0 : UINT32_MAX << 8 * bytes };
}

static inline bool value_is_known(const struct value *value)
{
	return value->known == UINT32_MAX;
}

bool value_is_same(const struct value *one, const struct value *other);
/* The greatest that it may be. */
uint32_t value_max(const struct value *value, const struct abstract_facts *facts);
struct value value_and(struct value one, struct value other);
struct value value_shift_left(struct value value, uint32_t bits);
/* An operation of BPF_ALU. False: the packet is rejected, for a division by 0. */
bool value_compute(unsigned operation, struct value *value, struct value other, bool is_x);

/* How a comparison may come out: neither is possible for a word of an empty set. */
struct value_branches {
	bool may_hold, may_fail;
	bool has_used_facts; /* the hints */
	bool is_unknown;     /* as operation */
};

/* An operation of BPF_JMP. */
struct value_branches value_compare(unsigned operation, const struct value *value,
				    const struct value *other, const struct abstract_facts *facts);
