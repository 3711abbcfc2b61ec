/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the keys of an index to the packets that they stand for, as far as these are known: could a program accept one of
 * them? What index/key.h says of a packet is turned round here. Every packet that has a key agrees with one of the at
 * most four abstract ones tried for it: who has sent, and which side has the lower port. Pure; as abstract.h.
 */

#include "index/index.h"
#include "match/abstract.h"

#define REACH_IPV6_WORDS 4

/* The addresses of a group; of IPv6 by words. */
struct reach_sets {
	struct abstract_set ipv4, ipv6[REACH_IPV6_WORDS];
};

/* They refer to the addresses. */
void reach_sets_init(struct reach_sets *sets, const struct index_addresses *addresses);
void reach_sets_done(struct reach_sets *sets);

/* May a packet of this type be accepted, if its addresses are among these? Inner types: link_type is the inner one. */
struct abstract_result reach_by_type(struct abstract_machine *machine, uint32_t link_type,
				     uint64_t type, struct reach_sets *sets);

struct reach_key {
	uint64_t type;
	uint16_t port;
	uint8_t low[16], high[16]; /* addresses; IPv4's are the first four bytes */
};

void reach_key_init(struct reach_key *key, const struct index_addresses *addresses,
		    const struct index_conversation *conversation);

/* What a conversation's packets of one member have in common: a bit that is 0 is 0 in all of them. */
struct reach_facts {
	uint8_t tcp_flags;
	uint16_t hints;
};

#define REACH_FACTS_UNKNOWN ((struct reach_facts){ UINT8_MAX, UINT16_MAX })

/* May a packet with this key be accepted? What it cannot be whatever the facts, it cannot be with any. */
struct abstract_result reach_by_key(struct abstract_machine *machine, uint32_t link_type,
				    const struct reach_key *key, struct reach_facts facts);

/* Whose program judges a packet with a key of this type. */
enum reach_judge {
	REACH_NOBODY, /* other keys of the same packets decide */
	REACH_OUTER,  /* that of the file's link type */
	REACH_INNER_ETHERNET,
	REACH_INNER_RAW,
	REACH_UNKNOWN, /* whoever made this type has other tunnels */
};

enum reach_judge reach_judge_of(uint64_t type, bool is_inner);
