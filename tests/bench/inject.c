/* SPDX-License-Identifier: Apache-2.0 */
#include "inject.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* Not in the headers of older kernels. Without a batch's size, 64 packets arrive at a time. */
#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

enum {
	HEADS = 16384, /* different packets; a power of two */
	TRIES = 2000,  /* looks at the clock at most, until a packet is due: 20 ns each */
	WORDS = INJECT_OWN_BYTES / 8,
	INTERVAL_NS_MAX = TRIES * 10,
};

/* What the program keeps from packet to packet. */
struct state {
	uint64_t due_ns; /* of the next packet; monotonic */
	uint64_t injected;
};

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int map_open(uint32_t value_bytes, uint32_t entries, struct error *err)
{
	union bpf_attr attributes = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = value_bytes,
		.max_entries = entries,
	};
	int fd = bpf(BPF_MAP_CREATE, &attributes);

	return fd < 0 ? error_errno(err, "BPF map") : fd;
}

static int map_call(int command, int map_fd, uint32_t key, const void *value)
{
	union bpf_attr attributes = {
		.map_fd = (uint32_t)map_fd,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)value,
	};

	return bpf(command, &attributes);
}

/* The program, an instruction a call. Destination registers first, as in Documentation/bpf/standardization. */
struct assembly {
	struct bpf_insn code[64];
	uint32_t length;
};

static uint32_t put(struct assembly *out, int code, int destination, int source, int offset,
		    int immediate)
{
	out->code[out->length] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(destination & 15),
		.src_reg = (uint8_t)(source & 15),
		.off = (int16_t)offset,
		.imm = immediate,
	};
	return out->length++;
}

static void move(struct assembly *out, int destination, int source)
{
	put(out, BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0);
}

static void add(struct assembly *out, int destination, int number)
{
	put(out, BPF_ALU64 | BPF_ADD | BPF_K, destination, 0, 0, number);
}

static void load(struct assembly *out, int size, int destination, int source, int offset)
{
	put(out, BPF_LDX | BPF_MEM | size, destination, source, offset, 0);
}

static void store(struct assembly *out, int size, int destination, int offset, int source)
{
	put(out, BPF_STX | BPF_MEM | size, destination, source, offset, 0);
}

/* A jump whose offset land() fills in. */
static uint32_t jump(struct assembly *out, int condition, int destination, int source)
{
	return put(out, BPF_JMP | condition | BPF_X, destination, source, 0, 0);
}

static void land(struct assembly *out, uint32_t jump_at)
{
	out->code[jump_at].off = (int16_t)(out->length - jump_at - 1);
}

/* Register 0 becomes the address of the entry whose number is in the stack's first word, or NULL. */
static void look_up(struct assembly *out, int map_fd)
{
	put(out, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd);
	put(out, 0, 0, 0, 0, 0); /* the upper half of the immediate */
	move(out, BPF_REG_2, BPF_REG_10);
	add(out, BPF_REG_2, -4);
	put(out, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
}

/* if (!r0) goto the end */
static uint32_t jump_if_null(struct assembly *out)
{
	return put(out, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
}

/*
 * For each packet: wait until it is due, count it, and copy the next head over it. With an interval of 0 it is
 * always due.
 */
static void assemble(struct assembly *out, int state_fd, int heads_fd, int interval_ns)
{
	uint32_t exits[3], is_due, loop;

	move(out, BPF_REG_6, BPF_REG_1); /* struct xdp_md * */
	put(out, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0);
	look_up(out, state_fd);
	exits[0] = jump_if_null(out);
	move(out, BPF_REG_7, BPF_REG_0);
	load(out, BPF_DW, BPF_REG_8, BPF_REG_7, (int)offsetof(struct state, due_ns));
	put(out, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_9, 0, 0, 0);
	loop = out->length;
	put(out, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns);
	is_due = jump(out, BPF_JGE, BPF_REG_0, BPF_REG_8);
	add(out, BPF_REG_9, 1);
	put(out, BPF_JMP | BPF_JLT | BPF_K, BPF_REG_9, 0, (int)loop - (int)out->length - 1, TRIES);
	land(out, is_due);
	add(out, BPF_REG_8, interval_ns);
	store(out, BPF_DW, BPF_REG_7, (int)offsetof(struct state, due_ns), BPF_REG_8);
	load(out, BPF_DW, BPF_REG_1, BPF_REG_7, (int)offsetof(struct state, injected));
	move(out, BPF_REG_2, BPF_REG_1);
	add(out, BPF_REG_2, 1);
	store(out, BPF_DW, BPF_REG_7, (int)offsetof(struct state, injected), BPF_REG_2);
	put(out, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, HEADS - 1);
	store(out, BPF_W, BPF_REG_10, -4, BPF_REG_1);
	look_up(out, heads_fd);
	exits[1] = jump_if_null(out);
	load(out, BPF_W, BPF_REG_1, BPF_REG_6, (int)offsetof(struct xdp_md, data));
	load(out, BPF_W, BPF_REG_2, BPF_REG_6, (int)offsetof(struct xdp_md, data_end));
	move(out, BPF_REG_3, BPF_REG_1);
	add(out, BPF_REG_3, INJECT_OWN_BYTES);
	exits[2] = jump(out, BPF_JGT, BPF_REG_3, BPF_REG_2);
	for (int i = 0; i < WORDS; i++) {
		load(out, BPF_DW, BPF_REG_4, BPF_REG_0, 8 * i);
		store(out, BPF_DW, BPF_REG_1, 8 * i, BPF_REG_4);
	}
	for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
		land(out, exits[i]);
	put(out, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS);
	put(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int load_program(int state_fd, int heads_fd, int interval_ns, struct error *err)
{
	struct assembly assembly = { .length = 0 };
	union bpf_attr attributes = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)assembly.code,
		.license = (uintptr_t) "Apache-2.0",
	};
	int fd;

	assemble(&assembly, state_fd, heads_fd, interval_ns);
	attributes.insn_cnt = assembly.length;
	fd = bpf(BPF_PROG_LOAD, &attributes);
	return fd < 0 ? error_errno(err, "BPF program") : fd;
}

static int fill(const struct trace *trace, int state_fd, int heads_fd, struct error *err)
{
	struct state state = { .due_ns = clock_monotonic_ns() };

	if (map_call(BPF_MAP_UPDATE_ELEM, state_fd, 0, &state) < 0)
		return error_errno(err, "BPF map");
	for (uint32_t i = 0; i < HEADS; i++) {
		uint8_t head[INJECT_OWN_BYTES] = { 0 };
		const struct trace_packet *packet = &trace->packets[i % trace->count];

		memcpy(head, packet->bytes,
		       packet->length < sizeof head ? packet->length : sizeof head);
		if (map_call(BPF_MAP_UPDATE_ELEM, heads_fd, i, head) < 0)
			return error_errno(err, "BPF map");
	}
	return 0;
}

int inject(const struct trace *trace, unsigned interface, uint64_t rate, uint64_t count,
	   uint64_t *ret_injected, struct error *err)
{
	struct xdp_md context = { .data_end = trace->packets[0].length,
				  .ingress_ifindex = interface };
	uint64_t interval_ns = rate ? CLOCK_NS_PER_S / rate : 0;
	cleanup_close int state_fd = -1, heads_fd = -1, program_fd = -1;
	union bpf_attr run = { .test = {
				       .repeat = (uint32_t)count,
				       .data_in = (uintptr_t)trace->packets[0].bytes,
				       .data_size_in = trace->packets[0].length,
				       .ctx_in = (uintptr_t)&context,
				       .ctx_size_in = sizeof context,
				       .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			       } };
	struct state state;

	if (count == 0 || count > UINT32_MAX || interval_ns > INTERVAL_NS_MAX ||
	    trace->packets[0].length < INJECT_OWN_BYTES)
		return error_set(
			err, ERROR_USAGE,
			"to inject, give --count, --sizes of %d or more, and a --rate of %d or more",
			INJECT_OWN_BYTES, (int)(CLOCK_NS_PER_S / INTERVAL_NS_MAX));
	state_fd = map_open(sizeof state, 1, err);
	if (state_fd < 0)
		return -1;
	heads_fd = map_open(INJECT_OWN_BYTES, HEADS, err);
	if (heads_fd < 0)
		return -1;
	program_fd = load_program(state_fd, heads_fd, (int)interval_ns, err);
	if (program_fd < 0 || fill(trace, state_fd, heads_fd, err) < 0)
		return -1;
	run.test.prog_fd = (uint32_t)program_fd;
	if (bpf(BPF_PROG_TEST_RUN, &run) < 0 && errno != EINTR)
		return error_errno(err, "inject packets");
	if (map_call(BPF_MAP_LOOKUP_ELEM, state_fd, 0, &state) < 0)
		return error_errno(err, "BPF map");
	*ret_injected = state.injected;
	return 0;
}
