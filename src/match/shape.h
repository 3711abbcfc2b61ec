/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packets of a type (index/key.h), as far as the type says how they look: its bytes, in the places where
 * index/headers.c has read them. Pure.
 */

#include "index/key.h"
#include "match/abstract.h"

/* A type, taken apart. */
struct shape_type {
	uint16_t ethertype;
	uint8_t kind, tags, tunnel, protocol, flags;
};

struct shape_type shape_type_of(uint64_t bits);
/* Has the protocol ports? */
bool shape_type_has_ports(const struct shape_type *type);

struct shape {
	struct shape_type type;
	size_t inner_type_at; /* of the last tag's ethertype; 0: no tags */
	size_t network;       /* where the header of that kind begins */
	size_t transport;     /* 0: not known, or not there */
	struct abstract_packet packet;
};

/* All that a type says; of one that no writer of ours makes, nothing. Inner types: link_type is the inner one. */
void shape_init(struct shape *shape, uint32_t link_type, uint64_t type);
/* An ethertype; 0: any that is a length, of which the highest bits are known. */
void shape_set_ethertype(struct shape *shape, size_t at, uint16_t ethertype);
