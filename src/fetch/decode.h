/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the bytes of a capture file, ours or another tool's, to its packets: any codec, pcap or pcapng, in either byte
 * order, also several files in one (as after `cat one two`), and what a server packed once more. The bytes come in
 * parts of any size. Used by one thread; memory is bounded, whatever the bytes say.
 */

#include "index/index.h"
#include "packet/packet.h"

struct decode;

/* is_nano: the file has its times in nanoseconds, not microseconds. The record is borrowed. */
typedef void decode_take(void *context, const struct format_record *record, bool is_nano);

/* A file from its first byte on: what it is, its bytes say. */
struct decode *decode_file(decode_take *take, void *context);
/* Members from the middle of a file that has an index. */
struct decode *decode_members(const struct index_file *file, decode_take *take, void *context);
struct decode *decode_free(struct decode *decode);

/* The next bytes. ERROR_REJECTED: they are damaged; what was whole before has been taken. */
int decode_push(struct decode *decode, const uint8_t *bytes, size_t length, struct error *err)
	__attribute__((warn_unused_result));
/* There are no more. ERROR_REJECTED: the file ends in the middle of something. */
int decode_end(struct decode *decode, struct error *err) __attribute__((warn_unused_result));
