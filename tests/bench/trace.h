/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The packets that generate sends, in memory: made up like those of a busy node, or read from a capture
 * file. The same arguments give the same packets. Everything is done before the first one is sent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	TRACE_PACKET_MIN = 60, /* Ethernet's least, without its checksum */
	TRACE_PACKET_MAX = 1514,
	TRACE_SIZES_MAX = 32,
	TRACE_FLOWS_MAX = 65536,
	TRACE_PACKETS_MAX = 1048576,
};

struct trace_packet {
	uint8_t *bytes;
	uint32_t length;
};

struct trace {
	struct trace_packet *packets;
	size_t count;
	uint8_t *bytes;         /* of all packets, one after the other */
	uint32_t number_offset; /* where a numbered packet bears its number; 0: there is none */
};

struct trace_model {
	size_t packets, flows;
	size_t size_count; /* 0: the sizes of a node's traffic, about 590 bytes on average */
	uint32_t sizes[TRACE_SIZES_MAX];
	bool is_numbered;
	uint16_t stream; /* of numbered packets: their destination port */
};

void trace_make(const struct trace_model *model, struct trace *ret_trace);
/* Ethernet captures that libpcap reads; packets that an interface would not send are left out. */
int trace_read(const char *path, struct trace *ret_trace, struct error *err)
	__attribute__((warn_unused_result));
/* As a capture file with that many packets a second, each cut to snaplen. */
int trace_write(const struct trace *trace, const char *path, double rate, uint32_t snaplen,
		struct error *err) __attribute__((warn_unused_result));
void trace_done(struct trace *trace);

/* Give a numbered packet its number. */
void trace_number(const struct trace *trace, struct trace_packet *packet, uint64_t number);
