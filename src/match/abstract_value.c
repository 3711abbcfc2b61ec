/* SPDX-License-Identifier: Apache-2.0 */
#include "match/abstract_value.h"

#include <stdlib.h>

#include "index/key.h"

bool value_is_same(const struct value *one, const struct value *other)
{
	return one->bits == other->bits && one->known == other->known && one->mask == other->mask &&
	       one->kind == other->kind && one->place == other->place;
}

/* Sets ---------------------------------------------------------------------------------------------- */

static int compare_words(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

static void sort_set(struct abstract_set *set)
{
	if (!set->is_sorted)
		qsort(set->list, set->count, sizeof *set->list, compare_words);
	set->is_sorted = true;
}

/* How many words are less than this. */
static uint32_t count_below(const struct abstract_set *set, uint32_t word)
{
	uint32_t from = 0, to = set->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (set->list[middle] < word)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The mask is of a network: words that agree in it are neighbours, with no other among them. */
static bool is_prefix(uint32_t mask)
{
	return (~mask & (~mask + 1)) == 0;
}

/* Comparisons --------------------------------------------------------------------------------------- */

struct range {
	uint32_t min, max;
};

/* Only with ports. */
static bool has_hint(const struct abstract_facts *facts, uint32_t port)
{
	return port <= UINT16_MAX && port >= facts->higher_min &&
	       (facts->hints & key_port_hint((uint16_t)port));
}

/* Of the higher port, by what the hints say of services and ephemeral ports. */
static struct range port_range(const struct abstract_facts *facts)
{
	struct range range = { facts->higher_min, UINT16_MAX };

	if (!(facts->hints & ~KEY_HINTS_SERVICE))
		range.max = KEY_EPHEMERAL - 1;
	if (!(facts->hints & KEY_HINTS_SERVICE) && range.min < KEY_EPHEMERAL)
		range.min = KEY_EPHEMERAL;
	return range;
}

static struct range value_range(const struct value *value, const struct abstract_facts *facts)
{
	if (value->kind == VALUE_HIGHER_PORT)
		return port_range(facts);
	return (struct range){ value->bits, value->bits | ~value->known };
}

uint32_t value_max(const struct value *value, const struct abstract_facts *facts)
{
	return value_range(value, facts).max;
}

/* A word that is this one behind the mask is not less, and has at most all the other bits. */
static struct value_branches compare_set(const struct value *value, uint32_t word,
					 const struct abstract_facts *facts)
{
	struct abstract_set *set = facts->sets[value->place];
	uint32_t last = word | ~value->mask, from, to;

	if (set->count == 0)
		return (struct value_branches){ .may_hold = false };
	if (word & ~value->mask)
		return (struct value_branches){ .may_fail = true };
	sort_set(set);
	from = count_below(set, word);
	to = last == UINT32_MAX ? set->count : count_below(set, last + 1);
	return (struct value_branches){
		.may_hold = from < to,
		.may_fail = to - from < set->count || !is_prefix(value->mask),
	};
}

static struct value_branches compare_equal(const struct value *value, const struct value *other,
					   const struct abstract_facts *facts)
{
	struct value_branches branches = { .may_hold = true, .may_fail = true };

	if (value->kind == VALUE_OF_SET && value_is_known(other))
		return compare_set(value, other->bits, facts);
	branches.may_hold = ((value->bits ^ other->bits) & value->known & other->known) == 0;
	branches.may_fail = !branches.may_hold || !value_is_known(value) || !value_is_known(other);
	if (value->kind == VALUE_HIGHER_PORT && value_is_known(other) && branches.may_hold) {
		branches.may_hold = has_hint(facts, other->bits);
		branches.has_used_facts = true;
	}
	if (value->kind == VALUE_NONZERO && value_is_known(other) && other->bits == 0)
		branches.may_hold = false;
	return branches;
}

static struct value_branches compare_bits(const struct value *value, const struct value *other)
{
	uint32_t can_be_set = (value->bits | ~value->known) & (other->bits | ~other->known);
	struct value_branches branches = {
		.may_hold = can_be_set != 0,
		.may_fail = (value->bits & other->bits) == 0,
	};

	if (value->kind == VALUE_NONZERO && value_is_known(other) &&
	    (value->mask & ~other->bits) == 0)
		branches.may_fail = false;
	return branches;
}

struct value_branches value_compare(unsigned operation, const struct value *value,
				    const struct value *other, const struct abstract_facts *facts)
{
	struct range one = value_range(value, facts), two = value_range(other, facts);
	bool has_used_facts = value->kind == VALUE_HIGHER_PORT || other->kind == VALUE_HIGHER_PORT;

	switch (operation) {
	case BPF_JEQ:
		return compare_equal(value, other, facts);
	case BPF_JSET:
		return compare_bits(value, other);
	case BPF_JGT:
		return (struct value_branches){ one.max > two.min, one.min <= two.max,
						has_used_facts, false };
	case BPF_JGE:
		return (struct value_branches){ one.max >= two.min, one.min < two.max,
						has_used_facts, false };
	default:
		return (struct value_branches){ .is_unknown = true };
	}
}

/* Arithmetic ---------------------------------------------------------------------------------------- */

struct value value_and(struct value one, struct value other)
{
	struct value result = {
		.bits = one.bits & other.bits,
		.known = (one.known & other.known) | (one.known & ~one.bits) |
			 (other.known & ~other.bits),
	};

	if (!value_is_known(&other))
		return result;
	if (one.kind == VALUE_OF_SET || (one.kind == VALUE_NONZERO && !(one.mask & ~other.bits)) ||
	    (one.kind == VALUE_HIGHER_PORT && (other.bits & UINT16_MAX) == UINT16_MAX)) {
		result.kind = one.kind;
		result.place = one.place;
		result.mask = one.kind == VALUE_OF_SET ? one.mask & other.bits : one.mask;
	}
	return result;
}

static struct value value_or(struct value one, struct value other)
{
	return (struct value){
		.bits = one.bits | other.bits,
		.known = (one.known & other.known) | one.bits | other.bits,
	};
}

static struct value value_xor(struct value one, struct value other)
{
	uint32_t known = one.known & other.known;

	return (struct value){ .bits = (one.bits ^ other.bits) & known, .known = known };
}

struct value value_shift_left(struct value value, uint32_t bits)
{
	return (struct value){
		.bits = value.bits << bits,
		.known = value.known << bits | ((UINT32_C(1) << bits) - 1),
	};
}

static struct value value_shift_right(struct value value, uint32_t bits)
{
	return (struct value){
		.bits = value.bits >> bits,
		.known = value.known >> bits | ~(UINT32_MAX >> bits),
	};
}

/* A register's number of bits that is too large shifts all out; a constant one is undefined. */
static struct value value_shift(unsigned operation, struct value value, const struct value *by,
				bool is_x)
{
	if (!value_is_known(by) || (by->bits >= 32 && !is_x))
		return value_unknown();
	if (by->bits >= 32)
		return value_of(0);
	return operation == BPF_LSH ? value_shift_left(value, by->bits)
				    : value_shift_right(value, by->bits);
}

/* Of two known numbers. */
static struct value compute_known(unsigned operation, uint32_t one, uint32_t other)
{
	switch (operation) {
	case BPF_ADD:
		return value_of(one + other);
	case BPF_SUB:
		return value_of(one - other);
	case BPF_MUL:
		return value_of(one * other);
	case BPF_DIV:
		return other > 0 ? value_of(one / other) : value_unknown();
	case BPF_MOD:
		return other > 0 ? value_of(one % other) : value_unknown();
	default:
		return value_unknown();
	}
}

bool value_compute(unsigned operation, struct value *value, struct value other, bool is_x)
{
	switch (operation) {
	case BPF_AND:
		*value = value_and(*value, other);
		return true;
	case BPF_OR:
		*value = value_or(*value, other);
		return true;
	case BPF_XOR:
		*value = value_xor(*value, other);
		return true;
	case BPF_LSH:
	case BPF_RSH:
		*value = value_shift(operation, *value, &other, is_x);
		return true;
	case BPF_NEG:
		*value = value_is_known(value) ? value_of(0U - value->bits) : value_unknown();
		return true;
	default:
		if ((operation == BPF_DIV || operation == BPF_MOD) && is_x &&
		    value_is_known(&other) && other.bits == 0)
			return false;
		*value = value_is_known(value) && value_is_known(&other)
				 ? compute_known(operation, value->bits, other.bits)
				 : value_unknown();
		return true;
	}
}
