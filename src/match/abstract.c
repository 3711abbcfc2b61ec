/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: a program is run over a packet. */
#include "match/abstract.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/headers.h"

enum {
	PENDING_MAX = 256, /* branches */
};

struct state {
	uint32_t at; /* the next instruction */
	struct value a, x, memory[BPF_MEMWORDS];
};

/* What was known where a jump went before: to come with the same once more leads to nothing new. */
struct visit {
	uint64_t run;
	struct value a, x;
};

struct abstract_machine {
	const struct abstract_program *program;
	const struct abstract_packet *packet;
	uint64_t run;
	bool has_used_facts, has_used_ports;
	bool is_lost; /* there is something that it cannot follow */
	uint32_t pending;
	struct state now, stack[PENDING_MAX];
	struct visit visits[]; /* one for each instruction; unused with loops or memory */
};

/* A byte that is not known is 0 in both. */
static uint32_t read_big(const uint8_t *bytes, uint32_t size)
{
	if (size == 1)
		return bytes[0];
	return size == 2 ? headers_u16(bytes) : headers_u32(bytes);
}

/* The known bytes among those of a load. */
static struct value load_bytes(const struct abstract_packet *packet, uint64_t offset, uint32_t size)
{
	struct value value = value_of_size(size);

	if (offset + size <= ABSTRACT_BYTES) {
		value.bits = read_big(packet->bytes + offset, size);
		value.known |= read_big(packet->known + offset, size);
	}
	return value;
}

/* What is known of the value beside its bits. */
static void add_meaning(const struct abstract_packet *packet, uint32_t offset, uint32_t size,
			struct value *value)
{
	if (size == 2 && offset == packet->higher_at)
		value->kind = VALUE_HIGHER_PORT;
	if (size == 2 && offset == packet->nonzero_at) {
		value->kind = VALUE_NONZERO;
		value->mask = packet->nonzero;
	}
	for (unsigned i = 0; size == 4 && i < packet->places; i++) {
		if (offset == packet->place_at[i]) {
			value->kind = VALUE_OF_SET;
			value->place = (uint16_t)i;
			value->mask = UINT32_MAX;
		}
	}
}

/* False: no packet is that long. */
static bool load_packet(struct abstract_machine *machine, uint64_t offset, uint32_t size,
			struct value *ret_value)
{
	const struct abstract_packet *packet = machine->packet;

	if (offset + size > packet->captured_max)
		return false;
	*ret_value = load_bytes(packet, offset, size);
	machine->has_used_facts |= packet->tcp_flags_at - offset < size;
	machine->has_used_ports |= offset < (uint64_t)packet->ports_at + 4 &&
				   offset + size > packet->ports_at;
	add_meaning(packet, (uint32_t)offset, size, ret_value);
	return true;
}

/* Runs ---------------------------------------------------------------------------------------------- */

struct abstract_machine *abstract_machine_new(const struct abstract_program *program)
{
	struct abstract_machine *machine =
		mem_calloc(1, sizeof *machine + program->count * sizeof *machine->visits);

	machine->program = program;
	return machine;
}

struct abstract_machine *abstract_machine_free(struct abstract_machine *machine)
{
	free(machine);
	return NULL;
}

static void copy_state(const struct abstract_machine *machine, const struct state *from,
		       struct state *to)
{
	to->at = from->at;
	to->a = from->a;
	to->x = from->x;
	memcpy(to->memory, from->memory, machine->program->memory_words * sizeof *to->memory);
}

/* The state now, at another instruction, is for later. */
static void push_state(struct abstract_machine *machine, uint32_t at)
{
	struct state *later;

	if (machine->pending == PENDING_MAX) {
		machine->is_lost = true;
		return;
	}
	later = &machine->stack[machine->pending++];
	copy_state(machine, &machine->now, later);
	later->at = at;
}

static bool pop_state(struct abstract_machine *machine)
{
	if (machine->pending == 0)
		return false;
	copy_state(machine, &machine->stack[--machine->pending], &machine->now);
	return true;
}

/* Was this instruction reached by a jump before, with the same in the registers that matter? */
static bool is_repeated(struct abstract_machine *machine, uint32_t at)
{
	const struct abstract_program *program = machine->program;
	struct visit *visit = &machine->visits[at];
	uint8_t live = program->live[at];
	const struct state *now = &machine->now;

	if (program->has_backward || program->memory_words > 0)
		return false;
	if (visit->run == machine->run &&
	    (!(live & ABSTRACT_LIVE_A) || value_is_same(&visit->a, &now->a)) &&
	    (!(live & ABSTRACT_LIVE_X) || value_is_same(&visit->x, &now->x)))
		return true;
	*visit = (struct visit){ .run = machine->run, .a = now->a, .x = now->x };
	return false;
}

/* Where a jump leads; false: nowhere that is new. */
static bool enter_target(struct abstract_machine *machine, int64_t target)
{
	if (target < 0 || target >= machine->program->count) {
		machine->is_lost = true;
		return false;
	}
	machine->now.at = (uint32_t)target;
	return !is_repeated(machine, machine->now.at);
}

static bool run_jump(struct abstract_machine *machine, const struct bpf_insn *insn)
{
	struct state *now = &machine->now;
	struct value constant = value_of(insn->k);
	int64_t next = now->at; /* behind this instruction */
	struct value_branches branches;
	bool is_new = false;

	if (insn->code == (BPF_JMP | BPF_JA))
		return enter_target(machine, next + (int32_t)insn->k);
	branches = value_compare(BPF_OP(insn->code), &now->a,
				 BPF_SRC(insn->code) == BPF_X ? &now->x : &constant,
				 &machine->packet->facts);
	if (branches.is_unknown) {
		machine->is_lost = true;
		return false;
	}
	machine->has_used_facts |= branches.has_used_facts;
	if (branches.may_hold)
		is_new = enter_target(machine, next + insn->jt);
	if (branches.may_fail) {
		uint32_t taken = now->at;
		bool is_other_new = enter_target(machine, next + insn->jf);

		if (is_new && is_other_new)
			push_state(machine, taken);
		else if (is_new)
			now->at = taken;
		is_new |= is_other_new;
	}
	return is_new;
}

/* False: the packet is rejected. */
static bool run_load(struct abstract_machine *machine, const struct bpf_insn *insn,
		     struct value *out)
{
	static const uint8_t sizes[] = { 4, 2, 1, 0 };
	uint32_t size = sizes[BPF_SIZE(insn->code) >> 3];
	struct state *now = &machine->now;
	struct value value;

	machine->is_lost |= size == 0;
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		*out = value_of(insn->k);
		return true;
	case BPF_ABS:
		return load_packet(machine, insn->k, size, out);
	case BPF_IND:
		if (value_is_known(&now->x))
			return load_packet(machine, (uint64_t)now->x.bits + insn->k, size, out);
		if ((uint64_t)insn->k + size > machine->packet->captured_max)
			return false;
		*out = value_of_size(size);
		return true;
	case BPF_MEM:
		machine->is_lost |= insn->k >= BPF_MEMWORDS;
		*out = insn->k < BPF_MEMWORDS ? now->memory[insn->k] : value_unknown();
		return true;
	case BPF_LEN:
		*out = value_unknown();
		return true;
	case BPF_MSH:
		if (!load_packet(machine, insn->k, 1, &value))
			return false;
		*out = value_shift_left(value_and(value, value_of(0x0f)), 2);
		return true;
	default:
		machine->is_lost = true;
		return false;
	}
}

static void run_store(struct abstract_machine *machine, const struct bpf_insn *insn)
{
	struct state *now = &machine->now;

	if (insn->k >= BPF_MEMWORDS)
		machine->is_lost = true;
	else
		now->memory[insn->k] = BPF_CLASS(insn->code) == BPF_ST ? now->a : now->x;
}

static bool run_arithmetic(struct abstract_machine *machine, const struct bpf_insn *insn)
{
	struct state *now = &machine->now;
	bool is_x = BPF_SRC(insn->code) == BPF_X;

	return value_compute(BPF_OP(insn->code), &now->a, is_x ? now->x : value_of(insn->k), is_x);
}

/* One instruction; false: this path ends here. */
static bool run_step(struct abstract_machine *machine, bool *ret_may_accept)
{
	struct state *now = &machine->now;
	const struct bpf_insn *insn = &machine->program->list[now->at++];

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return run_load(machine, insn, &now->a);
	case BPF_LDX:
		return run_load(machine, insn, &now->x);
	case BPF_ST:
	case BPF_STX:
		run_store(machine, insn);
		return true;
	case BPF_ALU:
		return run_arithmetic(machine, insn);
	case BPF_JMP:
		return run_jump(machine, insn);
	case BPF_RET:
		*ret_may_accept = BPF_RVAL(insn->code) == BPF_K
					  ? insn->k > 0
					  : value_max(&now->a, &machine->packet->facts) > 0;
		return false;
	default: /* BPF_MISC */
		if (BPF_MISCOP(insn->code) == BPF_TAX)
			now->x = now->a;
		else
			now->a = now->x;
		return true;
	}
}

static void begin_run(struct abstract_machine *machine, const struct abstract_packet *packet)
{
	machine->packet = packet;
	machine->run++; /* 64 bits: it never comes round to an old visit's */
	machine->has_used_facts = machine->has_used_ports = machine->is_lost = false;
	machine->pending = 0;
	machine->now.at = 0;
	machine->now.a = machine->now.x = value_of(0);
	for (uint32_t i = 0; i < machine->program->memory_words; i++)
		machine->now.memory[i] = value_unknown();
}

struct abstract_result abstract_run(struct abstract_machine *machine,
				    const struct abstract_packet *packet)
{
	const struct abstract_program *program = machine->program;
	struct abstract_result result = { .may_accept = false };

	begin_run(machine, packet);
	while (!result.may_accept) {
		if (result.steps++ == program->steps_max || machine->now.at >= program->count ||
		    machine->is_lost)
			result.may_accept = true;
		else if (!run_step(machine, &result.may_accept) && !result.may_accept &&
			 !machine->is_lost && !pop_state(machine))
			break;
	}
	result.has_used_facts = machine->has_used_facts;
	result.has_used_ports = machine->has_used_ports;
	return result;
}
