/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the bytes of a capture file, ours or another tool's, to its packets: any codec, pcap or pcapng, in either byte
 * order, also several files in one (as after `cat one two`), and what a server packed once more. The bytes come in
 * parts of any size. Used by one thread; memory is bounded, whatever the bytes say.
 */

#include "base/thread.h"
#include "fetch/records.h"
#include "index/index.h"

struct decode;

/* Memory that one takes: of members, and of a file; and with zstd in it, of other tools, beside that. */
#define DECODE_BYTES      ((size_t)1 << 20)
#define DECODE_ZSTD_BYTES ((size_t)8 << 20)

/*
 * A file from its first byte on: what it is, its bytes say. large: held by whoever meets zstd and has not expected it,
 * until decode_free(): of all that share it, one at a time takes DECODE_ZSTD_BYTES that nobody has counted.
 */
struct decode *decode_file(bool expects_zstd, pthread_mutex_t *large, records_take *take,
			   void *context);
/* Members from the middle of a file that has an index. */
struct decode *decode_members(const struct index_file *file, records_take *take, void *context);
struct decode *decode_free(struct decode *decode);

/* The next bytes. ERROR_REJECTED: they are damaged; what was whole before has been taken. */
int decode_push(struct decode *decode, const uint8_t *bytes, size_t length, struct error *err)
	__attribute__((warn_unused_result));
/* There are no more. ERROR_REJECTED: the file ends in the middle of something. */
int decode_end(struct decode *decode, struct error *err) __attribute__((warn_unused_result));
