/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine is given: programs, and packets. */
#include "match/abstract.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
	STEPS_MAX = 4000,
	STEPS_LOOP_MAX = 2000, /* of a program with a backward jump */
};

/* Programs ------------------------------------------------------------------------------------------ */

static bool is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP;
}

/* Which registers matter before an instruction, given those that matter behind it. */
static uint8_t live_before(const struct bpf_insn *insn, uint8_t after)
{
	bool is_x = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return (after & ABSTRACT_LIVE_X) |
		       (BPF_MODE(insn->code) == BPF_IND ? ABSTRACT_LIVE_X : 0);
	case BPF_LDX:
		return after & ABSTRACT_LIVE_A;
	case BPF_ALU:
	case BPF_JMP:
		if (insn->code == (BPF_JMP | BPF_JA))
			return after;
		return after | ABSTRACT_LIVE_A | (is_x ? ABSTRACT_LIVE_X : 0);
	case BPF_RET:
		return BPF_RVAL(insn->code) == BPF_A ? ABSTRACT_LIVE_A : 0;
	default: /* stores, copies */
		return ABSTRACT_LIVE_A | ABSTRACT_LIVE_X;
	}
}

/* Backwards in one pass, since all jumps go forward; one that leaves the program ends the run. */
static void find_live(struct abstract_program *program)
{
	for (uint32_t i = program->count; i-- > 0;) {
		const struct bpf_insn *insn = &program->list[i];
		uint64_t one = (uint64_t)i + 1, other = one;
		uint8_t after = 0;

		if (is_jump(insn)) {
			bool is_always = BPF_OP(insn->code) == BPF_JA;

			other += is_always ? insn->k : insn->jf;
			one += is_always ? insn->k : insn->jt;
		}
		if (one < program->count)
			after |= program->live[one];
		if (other < program->count)
			after |= program->live[other];
		program->live[i] = live_before(insn, after);
	}
}

static bool has_memory(const struct bpf_insn *insn)
{
	unsigned class = BPF_CLASS(insn->code);

	return class == BPF_ST || class == BPF_STX ||
	       ((class == BPF_LD || class == BPF_LDX) && BPF_MODE(insn->code) == BPF_MEM);
}

void abstract_program_init(struct abstract_program *program, const struct bpf_insn *list,
			   uint32_t count)
{
	*program = (struct abstract_program){ .list = list, .count = count };
	program->live = mem_calloc(count, sizeof *program->live);
	for (uint32_t i = 0; i < count; i++) {
		program->has_backward |= list[i].code == (BPF_JMP | BPF_JA) &&
					 (int32_t)list[i].k < 0;
		if (has_memory(&list[i]) && list[i].k < BPF_MEMWORDS &&
		    list[i].k >= program->memory_words)
			program->memory_words = list[i].k + 1;
	}
	program->steps_max = program->has_backward ? STEPS_LOOP_MAX : STEPS_MAX;
	if (!program->has_backward)
		find_live(program);
}

void abstract_program_done(struct abstract_program *program)
{
	free(program->live);
	*program = (struct abstract_program){ .count = 0 };
}

/* Packets ------------------------------------------------------------------------------------------- */

void abstract_packet_init(struct abstract_packet *packet)
{
	*packet = (struct abstract_packet){
		.captured_max = UINT32_MAX,
		.ports_at = ABSTRACT_NONE,
		.higher_at = ABSTRACT_NONE,
		.tcp_flags_at = ABSTRACT_NONE,
		.nonzero_at = ABSTRACT_NONE,
	};
}

void abstract_packet_set(struct abstract_packet *packet, size_t offset, size_t bytes, uint32_t bits,
			 uint32_t known)
{
	for (size_t i = 0; i < bytes && offset + i < ABSTRACT_BYTES; i++) {
		size_t shift = 8 * (bytes - 1 - i);

		packet->known[offset + i] = (uint8_t)(known >> shift);
		packet->bytes[offset + i] = (uint8_t)(bits >> shift) & packet->known[offset + i];
	}
}
