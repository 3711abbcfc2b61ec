/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "packet_maker.h"

#include "base/clock.h"
#include "index/key.h"
#include "match/abstract.h"

#define PROGRAM_MAX 24
#define PACKET_MAX  64

static struct abstract_result run(const struct bpf_insn *list, uint32_t count,
				  const struct abstract_packet *packet)
{
	struct abstract_program program;
	struct abstract_machine *machine;
	struct abstract_result result;

	abstract_program_init(&program, list, count);
	machine = abstract_machine_new(&program);
	result = abstract_run(machine, packet);
	(void)abstract_machine_free(machine);
	abstract_program_done(&program);
	return result;
}

static struct abstract_packet unknown_packet(void)
{
	struct abstract_packet packet;

	abstract_packet_init(&packet);
	return packet;
}

/* Numbers that mean something to some instruction. */
static uint32_t choose_number(void)
{
	static const uint32_t numbers[] = {
		0,      1,      2,      4,          8,          12,         14,
		16,     31,     32,     40,         0xff,       0x0f,       0xf0,
		0x1fff, 0x0800, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff0, UINT32_MAX,
	};

	return random_below(4) == 0 ? random_below(PACKET_MAX)
				    : numbers[random_below(ARRAY_LENGTH(numbers))];
}

static struct bpf_insn make_load(void)
{
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
	uint16_t size = sizes[random_below(3)];

	switch (random_below(8)) {
	case 0:
		return (struct bpf_insn)BPF_STMT(BPF_LD | BPF_IMM, choose_number());
	case 1:
		return (struct bpf_insn)BPF_STMT(BPF_LDX | BPF_IMM, choose_number());
	case 2:
		return (struct bpf_insn)BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, random_below(20));
	case 3:
		return (struct bpf_insn)BPF_STMT(BPF_LD | BPF_IND | size, choose_number());
	case 4:
		return (struct bpf_insn)BPF_STMT((random_below(2) ? BPF_LD : BPF_LDX) | BPF_MEM,
						 random_below(2));
	case 5:
		return (struct bpf_insn)BPF_STMT(BPF_LD | BPF_LEN, 0);
	default:
		return (struct bpf_insn)BPF_STMT(BPF_LD | BPF_ABS | size, random_below(PACKET_MAX));
	}
}

static struct bpf_insn make_arithmetic(void)
{
	static const uint16_t operations[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_OR,
		BPF_AND, BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG
	};
	uint16_t operation = operations[random_below(ARRAY_LENGTH(operations))];
	uint32_t number = choose_number();

	if (operation == BPF_LSH || operation == BPF_RSH)
		number %= 32;
	if (operation == BPF_NEG || random_below(2))
		return (struct bpf_insn)BPF_STMT(
			BPF_ALU | operation | (operation == BPF_NEG ? BPF_K : BPF_X), 0);
	return (struct bpf_insn)BPF_STMT(BPF_ALU | operation | BPF_K, number > 0 ? number : 1);
}

/* That stays within so many instructions behind it. */
static struct bpf_insn make_jump(uint32_t left)
{
	static const uint16_t operations[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint16_t operation = operations[random_below(4)];

	if (random_below(8) == 0)
		return (struct bpf_insn)BPF_STMT(BPF_JMP | BPF_JA, random_below(left));
	return (struct bpf_insn)BPF_JUMP(BPF_JMP | operation | (random_below(4) ? BPF_K : BPF_X),
					 choose_number(), (uint8_t)random_below(left),
					 (uint8_t)random_below(left));
}

static struct bpf_insn make_instruction(uint32_t left)
{
	switch (random_below(8)) {
	case 0:
	case 1:
	case 2:
		return make_load();
	case 3:
		return make_arithmetic();
	case 4:
		return (struct bpf_insn)BPF_STMT(random_below(2) ? BPF_ST : BPF_STX,
						 random_below(2));
	case 5:
		return (struct bpf_insn)BPF_STMT(BPF_MISC | (random_below(2) ? BPF_TAX : BPF_TXA),
						 0);
	default:
		return make_jump(left);
	}
}

/* Both words of memory are written first; that of a real program is, too. */
static void make_program(struct bpf_insn list[PROGRAM_MAX])
{
	bool has_memory = random_below(2);

	for (uint32_t i = 0; i < PROGRAM_MAX; i++) {
		do
			list[i] = make_instruction(PROGRAM_MAX - 1 - i > 0 ? PROGRAM_MAX - 1 - i
									   : 1);
		while (!has_memory &&
		       (BPF_CLASS(list[i].code) == BPF_ST || BPF_CLASS(list[i].code) == BPF_STX ||
			(BPF_CLASS(list[i].code) <= BPF_LDX && BPF_MODE(list[i].code) == BPF_MEM)));
	}
	if (has_memory) {
		list[0] = (struct bpf_insn)BPF_STMT(BPF_ST, 0);
		list[1] = (struct bpf_insn)BPF_STMT(BPF_ST, 1);
	}
	list[PROGRAM_MAX - 2] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_A, 0);
	list[PROGRAM_MAX - 1] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, random_below(2));
}

/* Some bits of a packet are known; at times its length is. */
static struct abstract_packet hide_bits(const uint8_t *bytes, uint32_t captured)
{
	struct abstract_packet packet = unknown_packet();

	unit_random(packet.known, PACKET_MAX);
	for (uint32_t i = 0; i < PACKET_MAX; i++) {
		if (random_below(3) > 0)
			packet.known[i] = random_below(3) > 0 ? UINT8_MAX : 0;
		if (i >= captured)
			packet.known[i] = 0;
		packet.bytes[i] = bytes[i] & packet.known[i];
	}
	if (random_below(3) == 0)
		packet.captured_max = captured + random_below(2);
	return packet;
}

/* What a port, an offset and a set know beside bits is right, too. */
static void hide_meanings(struct abstract_packet *packet, const uint8_t *bytes,
			  struct abstract_set *set)
{
	uint16_t port = (uint16_t)(bytes[20] << 8 | bytes[21]);
	uint16_t offset = (uint16_t)(bytes[24] << 8 | bytes[25]);

	memset(packet->known + 20, 0, 12);
	memset(packet->bytes + 20, 0, 12);
	packet->higher_at = 20;
	packet->facts.higher_min = (uint16_t)random_below((uint32_t)port + 1);
	packet->facts.hints = key_port_hint(port) | (uint16_t)(random_below(2) << random_below(16));
	if ((offset & 0x1fff) != 0) {
		packet->nonzero_at = 24;
		packet->nonzero = 0x1fff;
	}
	for (uint32_t i = 0; i < set->count; i++)
		set->list[i] = random_below(2) ? choose_number() : random_below(1 << 8) << 24;
	set->list[random_below(set->count)] = (uint32_t)bytes[28] << 24 |
					      (uint32_t)bytes[29] << 16 | (uint32_t)bytes[30] << 8 |
					      bytes[31];
	set->is_sorted = false;
	packet->places = 1;
	packet->place_at[0] = 28;
	packet->facts.sets[0] = set;
}

struct tally {
	uint32_t accepted, ruled_out;
};

/* One packet, of which the machine sees some bits. */
static void check_packet(struct abstract_machine *machine, const struct bpf_insn *list,
			 struct tally *tally)
{
	uint8_t bytes[PACKET_MAX];
	uint32_t words[3], captured = random_below(4) ? PACKET_MAX : random_below(PACKET_MAX);
	struct abstract_set set = { words, random_below(3) + 1, false };
	struct abstract_packet packet;
	bool is_accepted, may_accept;

	unit_random(bytes, sizeof bytes);
	for (uint32_t i = 0; i < PACKET_MAX; i++)
		if (random_below(2))
			bytes[i] = (uint8_t)choose_number();
	packet = hide_bits(bytes, captured);
	if (captured == PACKET_MAX && random_below(2))
		hide_meanings(&packet, bytes, &set);
	is_accepted = bpf_filter(list, bytes, captured + random_below(100), captured) > 0;
	may_accept = abstract_run(machine, &packet).may_accept;
	if (is_accepted && !may_accept)
		fail_msg("a program accepts a packet that it could not");
	tally->accepted += is_accepted;
	tally->ruled_out += !may_accept;
}

static void test_a_random_program_accepts_nothing_that_was_ruled_out(void **state)
{
	uint64_t end_ns = clock_monotonic_ns() + CLOCK_NS_PER_S / 2;
	struct tally tally = { 0, 0 };

	(void)state;
	do {
		struct bpf_insn list[PROGRAM_MAX];
		struct abstract_program program;
		struct abstract_machine *machine;

		make_program(list);
		abstract_program_init(&program, list, PROGRAM_MAX);
		machine = abstract_machine_new(&program);
		for (uint32_t i = 0; i < 30; i++)
			check_packet(machine, list, &tally);
		(void)abstract_machine_free(machine);
		abstract_program_done(&program);
	} while (clock_monotonic_ns() < end_ns);
	assert_true(tally.accepted > 0 && tally.ruled_out > 0);
}

#define STATEMENT(code, k)    BPF_STMT((code), (k))
#define JUMP(code, k, jt, jf) BPF_JUMP((code), (k), (jt), (jf))
#define REJECT                BPF_STMT(BPF_RET | BPF_K, 0)
#define ACCEPT                BPF_STMT(BPF_RET | BPF_K, 1)

static void test_a_jump_backwards_is_followed(void **state)
{
	/* Jumps back to the rejection before it. */
	static const struct bpf_insn back[] = {
		JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		REJECT,
		JUMP(BPF_JMP | BPF_JA, (uint32_t)-2, 0, 0),
	};
	/* And for ever. */
	static const struct bpf_insn loop[] = {
		STATEMENT(BPF_LD | BPF_ABS | BPF_B, 0),
		JUMP(BPF_JMP | BPF_JA, (uint32_t)-2, 0, 0),
		REJECT,
	};
	struct abstract_packet packet = unknown_packet();
	struct abstract_result result;

	(void)state;
	assert_false(run(back, ARRAY_LENGTH(back), &packet).may_accept);
	result = run(loop, ARRAY_LENGTH(loop), &packet);
	assert_true(result.may_accept);
	assert_in_range(result.steps, 1, 2001);
}

static void test_nothing_is_divided_by_zero(void **state)
{
	static const uint16_t operations[] = { BPF_DIV, BPF_MOD };
	struct abstract_packet packet = unknown_packet();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
		const struct bpf_insn list[] = {
			STATEMENT((uint16_t)(BPF_ALU | operations[i] | BPF_X), 0),
			ACCEPT,
		};

		assert_false(run(list, ARRAY_LENGTH(list), &packet).may_accept);
	}
}

static void test_programs_that_make_no_sense_may_accept(void **state)
{
	static const struct bpf_insn programs[][3] = {
		{ JUMP(BPF_JMP | BPF_JA, 2, 0, 0), REJECT, REJECT }, /* behind the end */
		{ JUMP(BPF_JMP | BPF_JA, (uint32_t)-2, 0, 0), REJECT,
		  REJECT }, /* before it begins */
		{ JUMP(BPF_JMP | BPF_JA, INT32_MAX, 0, 0), REJECT, REJECT },
		{ JUMP(BPF_JMP | BPF_JEQ, 0, 200, 0), REJECT, REJECT },
		{ JUMP(BPF_JMP | 0xf0, 0, 0, 0), REJECT, REJECT },
		{ STATEMENT(BPF_ST, BPF_MEMWORDS), REJECT, REJECT },
		{ STATEMENT(BPF_ST, UINT32_MAX), REJECT, REJECT },
		{ STATEMENT(BPF_LD | BPF_MEM, BPF_MEMWORDS), REJECT, REJECT },
		{ STATEMENT(BPF_LD | 0xc0, 0), REJECT, REJECT },
		{ STATEMENT(BPF_LD | BPF_ABS | 0x18, 0), REJECT, REJECT },
		{ STATEMENT(BPF_ALU | 0xf0, 0), STATEMENT(BPF_RET | BPF_A, 0), REJECT },
		{ STATEMENT(BPF_LD | BPF_MEM, 3), STATEMENT(BPF_RET | BPF_A, 0), REJECT },
		{ STATEMENT(BPF_LD | BPF_IMM, 1), STATEMENT(BPF_LD | BPF_IMM, 1),
		  STATEMENT(BPF_LD | BPF_IMM, 1) }, /* and ends */
	};
	struct abstract_packet packet = unknown_packet();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(programs); i++)
		if (!run(programs[i], 3, &packet).may_accept)
			fail_msg("program %zu", i);
}

/* Each test of a byte leads on, whatever its outcome: 2^60 ways, of which one instruction remembers all. */
static void test_ways_that_meet_are_followed_once(void **state)
{
	struct bpf_insn list[2 * 60 + 1];
	struct abstract_packet packet = unknown_packet();
	struct abstract_result result;

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		list[2 * i] = (struct bpf_insn)STATEMENT(BPF_LD | BPF_ABS | BPF_B, i);
		list[2 * i + 1] = (struct bpf_insn)JUMP(BPF_JMP | BPF_JEQ, 1, 0, 0);
	}
	list[120] = (struct bpf_insn)REJECT;
	result = run(list, ARRAY_LENGTH(list), &packet);
	assert_false(result.may_accept);
	assert_in_range(result.steps, 121, 200);
}

/* With a number in a register for each way, and memory, they do not meet. */
static void test_what_takes_too_long_may_accept(void **state)
{
	struct bpf_insn list[4 * 30 + 1];
	struct abstract_packet packet = unknown_packet();
	struct abstract_result result;

	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		list[4 * i] = (struct bpf_insn)STATEMENT(BPF_LD | BPF_ABS | BPF_B, i);
		list[4 * i + 1] = (struct bpf_insn)JUMP(BPF_JMP | BPF_JEQ, 1, 0, 1);
		list[4 * i + 2] = (struct bpf_insn)STATEMENT(BPF_ST, 0);
		list[4 * i + 3] = (struct bpf_insn)STATEMENT(BPF_ST, 1);
	}
	list[120] = (struct bpf_insn)REJECT;
	result = run(list, ARRAY_LENGTH(list), &packet);
	assert_true(result.may_accept);
	assert_in_range(result.steps, 4000, 4001);
}

/* More branches wait than there is room for, and only the last of them accepts. */
static void test_too_many_branches_may_accept(void **state)
{
	enum {
		BRANCHES = 300
	};
	struct bpf_insn list[2 + 2 * BRANCHES + 2];
	const uint32_t end = 2 + 2 * BRANCHES;
	struct abstract_packet packet = unknown_packet();
	struct abstract_result result;

	(void)state;
	list[0] = (struct bpf_insn)STATEMENT(BPF_LD | BPF_ABS | BPF_W, 0);
	list[1] = (struct bpf_insn)STATEMENT(BPF_ST, 0); /* so that nothing is remembered */
	for (uint32_t i = 2; i < end; i += 2) {
		list[i] = (struct bpf_insn)JUMP(BPF_JMP | BPF_JEQ, i, 0, 1);
		list[i + 1] = (struct bpf_insn)JUMP(BPF_JMP | BPF_JA, end - i - 2, 0, 0);
	}
	list[end - 1].k++; /* to the acceptance */
	list[end] = (struct bpf_insn)REJECT;
	list[end + 1] = (struct bpf_insn)ACCEPT;
	result = run(list, ARRAY_LENGTH(list), &packet);
	assert_true(result.may_accept);
	assert_in_range(result.steps, 1, 3999);
}

/* The ways meet with another number in X. */
static void test_ways_that_differ_in_a_register_are_both_followed(void **state)
{
	static const struct bpf_insn of_x[] = {
		STATEMENT(BPF_LD | BPF_ABS | BPF_B, 0), STATEMENT(BPF_LDX | BPF_IMM, 0),
		JUMP(BPF_JMP | BPF_JEQ, 1, 0, 1),       STATEMENT(BPF_LDX | BPF_IMM, 1),
		JUMP(BPF_JMP | BPF_JA, 0, 0, 0),        STATEMENT(BPF_MISC | BPF_TXA, 0),
		STATEMENT(BPF_RET | BPF_A, 0),
	};
	static const struct bpf_insn of_a[] = {
		STATEMENT(BPF_LD | BPF_ABS | BPF_B, 0), JUMP(BPF_JMP | BPF_JEQ, 1, 2, 0),
		STATEMENT(BPF_LD | BPF_IMM, 0),         JUMP(BPF_JMP | BPF_JA, 2, 0, 0),
		STATEMENT(BPF_LD | BPF_IMM, 1),         JUMP(BPF_JMP | BPF_JA, 0, 0, 0),
		STATEMENT(BPF_RET | BPF_A, 0),
	};
	struct abstract_packet packet = unknown_packet();

	(void)state;
	assert_true(run(of_x, ARRAY_LENGTH(of_x), &packet).may_accept);
	assert_true(run(of_a, ARRAY_LENGTH(of_a), &packet).may_accept);
}

/* Can these bytes, and a mask, stand so to a number? */
static bool may_be(struct abstract_packet *packet, uint16_t comparison, uint16_t size, uint32_t at,
		   uint32_t mask, uint32_t number)
{
	const struct bpf_insn list[] = {
		STATEMENT((uint16_t)(BPF_LD | BPF_ABS | size), at),
		STATEMENT(BPF_ALU | BPF_AND | BPF_K, mask),
		JUMP((uint16_t)(BPF_JMP | BPF_K | comparison), number, 0, 1),
		ACCEPT,
		REJECT,
	};

	return run(list, ARRAY_LENGTH(list), packet).may_accept;
}

static bool may_equal(struct abstract_packet *packet, uint16_t size, uint32_t at, uint32_t mask,
		      uint32_t number)
{
	return may_be(packet, BPF_JEQ, size, at, mask, number);
}

/* Can they be another number? */
static bool may_differ(struct abstract_packet *packet, uint32_t at, uint32_t mask, uint32_t number)
{
	const struct bpf_insn list[] = {
		STATEMENT(BPF_LD | BPF_ABS | BPF_W, at),
		STATEMENT(BPF_ALU | BPF_AND | BPF_K, mask),
		JUMP(BPF_JMP | BPF_K | BPF_JEQ, number, 0, 1),
		REJECT,
		ACCEPT,
	};

	return run(list, ARRAY_LENGTH(list), packet).may_accept;
}

static void test_a_word_of_a_set(void **state)
{
	uint32_t words[] = { 0xc0a80101, 0x0a000001, 0xffffffff, 0x0a000102 };
	struct abstract_set set = { words, ARRAY_LENGTH(words), false },
			    empty = { words, 0, false };
	struct abstract_packet packet = unknown_packet();

	(void)state;
	packet.places = 1;
	packet.place_at[0] = 12;
	packet.facts.sets[0] = &set;
	assert_true(may_equal(&packet, BPF_W, 12, UINT32_MAX, 0x0a000001));
	assert_false(may_equal(&packet, BPF_W, 12, UINT32_MAX, 0x0a000002));
	assert_true(may_equal(&packet, BPF_W, 12, 0xffffff00, 0x0a000100));
	assert_true(may_equal(&packet, BPF_W, 12, 0xffffff00, 0xffffff00));
	assert_false(may_equal(&packet, BPF_W, 12, 0xffffff00, 0x0a000200));
	assert_false(may_equal(&packet, BPF_W, 12, 0xffffff00, 0x0a000101)); /* no bits there */
	assert_true(may_equal(&packet, BPF_W, 12, 0x000000ff, 0x77)); /* of no network: unknown */
	assert_true(may_equal(&packet, BPF_W, 12, 0, 0));
	assert_true(may_equal(&packet, BPF_B, 12, 0xff, 0x77));
	assert_true(may_equal(&packet, BPF_H, 14, 0xffff, 0x7777));
	assert_true(may_equal(&packet, BPF_W, 11, UINT32_MAX, 0x77777777));
	assert_true(may_differ(&packet, 12, UINT32_MAX, 0x0a000001));
	assert_true(may_differ(&packet, 12, 0x000000ff, 0x00000001)); /* of two */
	assert_true(may_differ(&packet, 12, 0xff000000, 0x0a000000));
	assert_false(may_differ(&packet, 12, 0, 0));
	set.count = 2; /* when they are sorted: 10.0.0.1 and 10.0.1.2 */
	assert_false(may_differ(&packet, 12, 0xffff0000, 0x0a000000));
	assert_true(may_differ(&packet, 12, 0x000000ff, 0x00000001)); /* of no network */
	packet.facts.sets[0] = &empty;
	assert_false(may_equal(&packet, BPF_W, 12, UINT32_MAX, 0x0a000001));
}

static void test_bits_of_which_one_is_set(void **state)
{
	struct abstract_packet packet = unknown_packet();

	(void)state;
	packet.nonzero_at = 20;
	packet.nonzero = 0x1fff;
	assert_false(may_equal(&packet, BPF_H, 20, 0x1fff, 0));
	assert_false(may_equal(&packet, BPF_H, 20, 0x3fff, 0));
	assert_true(may_equal(&packet, BPF_H, 20, 0x0fff, 0));
	assert_true(may_equal(&packet, BPF_H, 20, 0x1fff, 1));
	assert_true(may_equal(&packet, BPF_H, 19, 0x1fff, 0));
}

static void test_the_higher_port(void **state)
{
	struct abstract_packet packet = unknown_packet();

	(void)state;
	packet.higher_at = 36;
	packet.facts.higher_min = 443;
	packet.facts.hints = UINT16_MAX;
	assert_true(may_equal(&packet, BPF_H, 36, 0xffff, 443));
	assert_false(may_equal(&packet, BPF_H, 36, 0xffff, 442));
	assert_false(may_equal(&packet, BPF_H, 36, 0xffffffff, 65536));
	packet.facts.hints = key_port_hint(49152);
	assert_true(may_equal(&packet, BPF_H, 36, 0xffff, 49152));
	assert_true(may_equal(&packet, BPF_H, 36, 0xffff, 49152 + 14));
	assert_false(may_equal(&packet, BPF_H, 36, 0xffff, 49153));
	assert_false(may_equal(&packet, BPF_H, 36, 0xffff, 8080));
	assert_true(may_equal(&packet, BPF_B, 36, 0xff, 0x77));
	assert_true(may_equal(&packet, BPF_W, 36, UINT32_MAX, 0x77777777));
	assert_true(may_equal(&packet, BPF_H, 36, 0xff, 0xbb)); /* of it only the low byte */
	assert_true(may_be(&packet, BPF_JGE, BPF_H, 36, 0xffff, 65535));
	assert_true(may_be(&packet, BPF_JGE, BPF_H, 36, 0xffff, 32768));
	packet.facts.hints = key_port_hint(443);
	assert_true(may_be(&packet, BPF_JGE, BPF_H, 36, 0xffff, 32767));
	assert_false(may_be(&packet, BPF_JGT, BPF_H, 36, 0xffff, 32767));
}

/* Is it less than a number? */
static void test_the_higher_port_may_be_ephemeral_only(void **state)
{
	struct abstract_packet packet = unknown_packet();
	struct bpf_insn list[] = {
		STATEMENT(BPF_LD | BPF_ABS | BPF_H, 36),
		JUMP(BPF_JMP | BPF_K | BPF_JGE, 32768, 0, 1),
		REJECT,
		ACCEPT,
	};

	(void)state;
	packet.higher_at = 36;
	packet.facts.higher_min = 443;
	packet.facts.hints = key_port_hint(49152);
	assert_false(run(list, ARRAY_LENGTH(list), &packet).may_accept);
	list[1].k++;
	assert_true(run(list, ARRAY_LENGTH(list), &packet).may_accept);
	packet.facts.higher_min = 50000;
	assert_false(run(list, ARRAY_LENGTH(list), &packet).may_accept);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_random_program_accepts_nothing_that_was_ruled_out),
		cmocka_unit_test(test_a_jump_backwards_is_followed),
		cmocka_unit_test(test_nothing_is_divided_by_zero),
		cmocka_unit_test(test_programs_that_make_no_sense_may_accept),
		cmocka_unit_test(test_ways_that_meet_are_followed_once),
		cmocka_unit_test(test_what_takes_too_long_may_accept),
		cmocka_unit_test(test_too_many_branches_may_accept),
		cmocka_unit_test(test_a_word_of_a_set),
		cmocka_unit_test(test_ways_that_differ_in_a_register_are_both_followed),
		cmocka_unit_test(test_bits_of_which_one_is_set),
		cmocka_unit_test(test_the_higher_port),
		cmocka_unit_test(test_the_higher_port_may_be_ephemeral_only),
	};

	unit_add(tests, NULL, NULL);
}
