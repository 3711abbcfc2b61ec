/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an answer is worth: of each node and interface, which part of the window the bucket's files cover, and why the
 * rest is not there. Derived from what the files say of themselves; silence is claimed only where two files that are
 * both in the bucket say that nothing was between them. Knows nothing of the bucket, reads no packet. For one thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"
#include "fetch/when.h"
#include "segment/segment.h"

enum coverage_state {
	COVERAGE_COVERED,     /* by files that were read */
	COVERAGE_SILENT,      /* recorded, without a packet */
	COVERAGE_MISSING,     /* a file of then is not in the bucket */
	COVERAGE_NOT_RUNNING, /* the recorder or the interface was away */
	COVERAGE_UNKNOWN,     /* nothing says what was then */
	COVERAGE_NEWER,       /* behind the last file of the bucket */
	COVERAGE_LOST, /* a file cannot be read; or packets are in no file: budget, disk, rejected */
	COVERAGE_DROPS, /* packets that kernel or interface dropped; beside the states above */
	COVERAGE_STATES
};

/* "covered", "silent", …: as in JSON. */
extern const char *const coverage_state_names[COVERAGE_STATES];

struct coverage_interval {
	const char *node, *interface; /* without control characters; interface "*": several */
	uint64_t from_ns,
		to_ns; /* of losses and drops: of their files, not cut to the window; 0: not known */
	enum coverage_state state;
	/* In the files of the interval, or lost or dropped with them; those of the whole file, where it is cut. */
	uint64_t packets;
	char detail[192]; /* "" or a reason for people */
};

struct coverage;

/* window is copied. */
struct coverage *coverage_new(const struct window *window, uint64_t now_ns)
	__attribute__((warn_unused_result, returns_nonnull));
void coverage_free(struct coverage *coverage);
/* The files are those that the node itself has, not a bucket's. */
void coverage_set_here(struct coverage *coverage);

/*
 * A file of the bucket, in any order, also from before and behind the window: those say what gaps are. is_known: by
 * its metadata; else only node, interface, sequence and start are looked at, as its name has them. Twice is once.
 */
void coverage_add(struct coverage *coverage, const struct segment *segment, bool is_known);
/* A file that was listed but could not be read, whether or not it was added; known if its end is. */
void coverage_lose(struct coverage *coverage, const struct segment *segment, const char *why);
/* A node (and its interface, if not NULL) that was asked for: without a file, that is said. */
void coverage_expect(struct coverage *coverage, const char *node, const char *interface);

/* Call visit for every interval, in order of node, interface and time. Both texts of it live as long as coverage. */
void coverage_each(struct coverage *coverage,
		   void (*visit)(void *context, const struct coverage_interval *interval),
		   void *context);
/* Nothing is missing, lost or dropped. */
bool coverage_is_complete(struct coverage *coverage);
/* The earliest beginning of all files that were added; 0: none was. */
uint64_t coverage_earliest_ns(const struct coverage *coverage);

/* What statistics of a result's interface say. */
struct coverage_totals {
	uint64_t start_ns, end_ns; /* covered, with gaps between; both 0: nothing is */
	uint64_t drops;            /* at most, with losses */
	char comment[1024];        /* the gaps, or "" */
};
void coverage_of(struct coverage *coverage, const char *node, const char *interface,
		 struct coverage_totals *ret_totals);

/*
 * "recorded only 'port 53', 96 bytes of each packet", where an answer may be empty because of that; else nothing. Of
 * known files that touch the window.
 */
void coverage_describe_recording(const struct coverage *coverage, struct text *out);

/* The filter that all of them were recorded with; "": none, or not the same one. */
const char *coverage_filter(const struct coverage *coverage);

/*
 * "coverage: 19 of 20 nodes complete", then a line for each interval that is not covered, 50 at most; is_verbose: all,
 * and what is covered, too.
 */
void coverage_write_text(struct coverage *coverage, FILE *out, bool is_verbose);
/* The same facts, all of them. The caller owns the object. */
struct json_t *coverage_write_json(struct coverage *coverage) __attribute__((warn_unused_result));
