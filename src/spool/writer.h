/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The producer's handle: a segment in the making, from its first byte to ready/. A recorder begins, appends,
 * notes and finishes one; recovery takes one that nobody writes any more. Each is used by one thread, blocks
 * on the disk, and ends with spool_finish(), spool_drop(), spool_quarantine() or spool_leave_for_recovery().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "segment/segment.h"
#include "segment/segment_file.h"

struct spool;
struct spool_entry;

struct spool_writer {
	struct spool *spool;
	struct spool_entry *entry; /* the spool's own */
	const char *name;
	struct segment_file file;
	/*
	 * What is known of it. The spool sets sequence, id, bytes, checksum and pcap_bytes; the rest is its
	 * user's, who may change it until the end.
	 */
	struct segment segment;
	uint64_t noted_packets, noted_drops, noted_ms; /* on the disk, and since when (monotonic) */
	bool is_recovered;                             /* an earlier writer left it */
	bool is_settled;                               /* see spool_settle() */
	unsigned failures;                             /* how often it was left */
};

/*
 * A new file capturing/NAME, named after the segment, with its metadata. ERROR_TRANSIENT: there is no room
 * within the budget; others: the disk.
 */
int spool_begin(struct spool *spool, const struct segment *segment, const char *extension,
		struct spool_writer **ret_writer, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Append one member, which holds plain_bytes of packets. Deletes what the policy allows for it, and fails as
 * spool_begin(); the file is then as before, or as it can be: finish it.
 */
int spool_append(struct spool_writer *writer, const void *member, size_t length,
		 uint64_t plain_bytes, struct error *err) __attribute__((warn_unused_result));
/*
 * The packets end here, and something is to follow: make them durable, with how many bytes they are and all losses that
 * were not stated yet, so that a recovery ends there, too. As spool_note(). What is appended from then on makes no room:
 * nothing is deleted for it; and if it cannot be made durable, spool_finish() cuts it off.
 */
int spool_settle(struct spool_writer *writer, struct error *err)
	__attribute__((warn_unused_result));
/* Write down what is known so far, for a recovery. */
int spool_note(struct spool_writer *writer, struct error *err);
/*
 * The same if packets or drops were added, once a second at most, so that what is missing after a crash can be
 * counted. Packets alone are noted without a sync, which costs next to nothing. A failure is logged.
 */
void spool_note_progress(struct spool_writer *writer);
/*
 * Make it durable and move it to ready/, with all losses that were not stated yet. -1, logged: the disk does
 * not take it, and recovery will; or somebody has deleted it, and its packets are counted as lost.
 */
int spool_finish(struct spool_writer *writer);
/* No packet is in it: delete it. What it lacks is stated by another segment. As spool_finish(). */
int spool_drop(struct spool_writer *writer);

/* The next file in capturing/ that nobody writes and that is due, opened for reading and writing; or NULL. */
struct spool_writer *spool_take_unfinished(struct spool *spool);
/*
 * It is damaged: an empty file for what can be read of it, with room for so many bytes, for which nothing is deleted
 * that waits: ERROR_TRANSIENT if there is none. spool_replace() has that take its place, and keeps the damaged one as
 * rejected/NAME.damaged while there is room; its packets count with the file that took its place. Until then, and
 * after an error, everything is as it was.
 */
int spool_begin_copy(struct spool_writer *writer, uint64_t bytes, struct segment_file *ret_copy,
		     struct error *err) __attribute__((warn_unused_result));
int spool_replace(struct spool_writer *writer, struct segment_file *copy, struct error *err)
	__attribute__((warn_unused_result));
/* Nothing of it can be read: to rejected/, for a person to look at; its packets count. As spool_finish(). */
int spool_quarantine(struct spool_writer *writer);
/*
 * It cannot be finished now, for this reason: recovery takes it again, after a pause that grows. Logged. NULL: it could
 * be, and the program ends.
 */
void spool_leave_for_recovery(struct spool_writer *writer, const struct error *reason);

/* Packets of an interface that no segment could be begun for. */
void spool_add_loss(struct spool *spool, const char *interface, uint64_t from_ns, uint64_t to_ns,
		    const struct drops *drops);
/* The disk has no room, whatever the budget says: delete the oldest. True if a segment was deleted. */
bool spool_evict_one(struct spool *spool);
/* How large a file may become, for the budget's sake. */
uint64_t spool_segment_bytes_max(struct spool *spool);
