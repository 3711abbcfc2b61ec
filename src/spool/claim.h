/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The consumer's handle: a claim on one finished segment, which no other thread sends meanwhile. Used by the
 * workers of the uploader; all of it may block on the disk, but spool_wake(),
 * spool_set_spread(), spool_hurry() and spool_sequence().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "segment/segment.h"

struct spool;
struct spool_entry;

enum spool_order {
	SPOOL_OLDEST_FIRST,
	SPOOL_NEWEST_FIRST
};

/* A segment being sent: the caller's until released, rejected or removed. */
struct spool_claim {
	char name[SEGMENT_NAME_MAX + 1];
	struct segment segment;
	int fd;                    /* read only; closed by whatever ends the claim */
	struct spool_entry *entry; /* the spool's own */
};

/*
 * Claim a ready segment, waiting up to timeout_ms for one. Returns 1 with a claim, 0 if there
 * was none (or spool_wake() was called), -1 on errors. A segment without metadata gets size and CRC32C by
 * reading it. After an error, a file that cannot be read lets others go first, as after spool_release().
 */
int spool_claim(struct spool *spool, enum spool_order order, unsigned timeout_ms,
		struct spool_claim *ret_claim, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Claim what ends by age not before a moment within so many seconds from its end, which depends on node and interface;
 * 0: at once. Holds also for what waits already. Never blocks.
 */
void spool_set_spread(struct spool *spool, uint64_t seconds);
/* But what has begun by now, at once, also if it ends later. Never blocks. */
void spool_hurry(struct spool *spool);
/* Let everybody who waits in spool_claim() return. */
void spool_wake(struct spool *spool);

/*
 * What the next attempt to send a claimed segment has to know; a secret, at most SPOOL_UPLOAD_STATE_MAX
 * bytes. Durable, and gone with the segment. NULL: nothing. After an error the attempts of this run know it
 * anyway, and the next run (if the disk takes that) that there was one.
 */
#define SPOOL_UPLOAD_STATE_MAX 8192
int spool_save_upload_state(struct spool *spool, const struct spool_claim *claim, const char *text,
			    struct error *err) __attribute__((warn_unused_result));
/*
 * What the last attempt left behind, in any run; "" if its process ended in the middle of it; NULL if there
 * is nothing. The caller frees.
 */
char *spool_load_upload_state(struct spool *spool, const struct spool_claim *claim);

/*
 * The sink proved that it holds the same bytes: to kept/, or away. After an error the file is left to spool_maintain(), and never
 * claimed again in this run.
 */
int spool_remove(struct spool *spool, struct spool_claim *claim, struct error *err)
	__attribute__((warn_unused_result));
/*
 * It may work later: back to ready/. One that has failed (and was not broken off by ourselves) three
 * times or more lets others go first for a while.
 */
int spool_release(struct spool *spool, struct spool_claim *claim, bool has_failed,
		  struct error *err) __attribute__((warn_unused_result));
/* It never will: to rejected/, its packets counted as discarded and dropped. */
int spool_reject(struct spool *spool, struct spool_claim *claim, struct error *err)
	__attribute__((warn_unused_result));

/*
 * Segments that have this number or a later one, and begin at this real time or later, are recorded for this
 * destination, a URL. Those of earlier ones that wait
 * are sent there, too, if its scheme is theirs; else they are kept back until spool_send_kept_back(). Both is logged.
 */
void spool_set_destination(struct spool *spool, const char *name, uint64_t first,
			   uint64_t since_ns);
/* The number that the next segment may have. Never blocks. */
uint64_t spool_sequence(const struct spool *spool);
/* What took a segment there: see sink_receipt. Durable; forgotten when the destination changes. */
void spool_note_identity(struct spool *spool, const char *name, const char *identity);
/* What was noted last, in any run; "": nothing. The caller frees. */
char *spool_known_identity(struct spool *spool, const char *name);
/* The same of a spool that is not open, in this folder; "" also where that cannot be read. */
char *spool_read_identity(const char *directory, const char *name);
