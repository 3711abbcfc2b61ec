/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From the plain bytes of a capture file to its records. What a checksum has not confirmed yet is held back, as far as
 * there is room. The bytes come in parts of any size. Used by one thread.
 */

#include "base/error.h"
#include "packet/packet.h"

/* Held back at most; twice as long as the longest packet, and as long as a member of ours. */
#define RECORDS_BYTES ((size_t)512 << 10)

/* is_nano: the file has its times in nanoseconds, not microseconds. The record is borrowed. */
typedef void records_take(void *context, const struct format_record *record, bool is_nano);

struct records {
	records_take *take;
	void *context;
	const struct format *format; /* NULL: not known yet */
	struct format_reader reader;
	bool is_order_known;
	uint64_t left_out; /* packets of the files before this one */
	uint8_t *plain;    /* RECORDS_BYTES, not taken yet */
	size_t length;
	size_t checked; /* of these, by the checksums of the members that they are of */
	size_t skipped; /* of what comes: the rest of a block that is of no use */
};

void records_begin(struct records *records, records_take *take, void *context);
void records_done(struct records *records);

/* The next bytes. ERROR_REJECTED: they are no capture file's; what was whole before has been taken. */
int records_push(struct records *records, const uint8_t *bytes, size_t length, struct error *err)
	__attribute__((warn_unused_result));
/* All bytes so far are right. */
void records_confirm(struct records *records);
/* Take the records that are whole and confirmed; is_end: no more bytes come. */
int records_flush(struct records *records, bool is_end, struct error *err);
/* No more bytes come, and all were right. ERROR_REJECTED: the file ends in the middle of something. */
int records_end(struct records *records, struct error *err) __attribute__((warn_unused_result));
