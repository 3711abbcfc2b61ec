/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A BPF program run over a packet of which only some bits are known: could it accept a packet that agrees with these
 * bits? "No" is certain, "yes" is not. Each register holds a value with the bits that are known of it; where a jump
 * may go both ways, both are followed. So whatever path the program takes with a real packet is among those followed
 * here, and a program that nobody has thought of is judged as surely as "port 53". What takes too long, or is no
 * instruction that we know, is a "yes".
 *
 * Pure; a machine is used by one thread at a time, programs and packets by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match/abstract_value.h"

/* Registers whose values still matter. */
enum {
	ABSTRACT_LIVE_A = 1,
	ABSTRACT_LIVE_X = 2,
};

/* A program, and what is known of it beforehand. */
struct abstract_program {
	const struct bpf_insn *list; /* borrowed */
	uint32_t count;
	uint32_t steps_max;    /* of a run */
	uint32_t memory_words; /* that it uses */
	bool has_backward;     /* jumps, as of protochain; loops */
	uint8_t *live;         /* per instruction, before it */
};

/* The instructions must stay where they are. */
void abstract_program_init(struct abstract_program *program, const struct bpf_insn *list,
			   uint32_t count);
void abstract_program_done(struct abstract_program *program);

#define ABSTRACT_BYTES 96         /* the known ones of a packet are among its first */
#define ABSTRACT_NONE  UINT32_MAX /* no such place */

struct abstract_packet {
	/* An unknown bit is 0 in both. */
	uint8_t bytes[ABSTRACT_BYTES], known[ABSTRACT_BYTES];
	uint32_t captured_max; /* a packet is not longer than that: loads beyond reject it */

	uint32_t ports_at;     /* four bytes: both ports */
	uint32_t higher_at;    /* two bytes of these: the higher port */
	uint32_t tcp_flags_at; /* with the hints, what only some of a conversation's members know */
	uint32_t
		nonzero_at; /* two bytes of which some of those in nonzero are set: a fragment's offset */
	uint16_t nonzero;
	unsigned places;
	uint32_t place_at
		[ABSTRACT_PLACES]; /* four bytes, that hold a word of the set of this place */
	struct abstract_facts facts;
};

/* Everything is unknown. */
void abstract_packet_init(struct abstract_packet *packet);
/* These bits, in network order, of up to four bytes at an offset. */
void abstract_packet_set(struct abstract_packet *packet, size_t offset, size_t bytes, uint32_t bits,
			 uint32_t known);

struct abstract_machine;

/* For this program. It takes 80 KiB or so. */
struct abstract_machine *abstract_machine_new(const struct abstract_program *program);
struct abstract_machine *abstract_machine_free(struct abstract_machine *machine);

struct abstract_result {
	bool may_accept;
	bool has_used_facts; /* the hints, or the flags of TCP: other facts may have another result */
	bool has_used_ports; /* any byte of them */
	uint32_t steps;
};

struct abstract_result abstract_run(struct abstract_machine *machine,
				    const struct abstract_packet *packet);
