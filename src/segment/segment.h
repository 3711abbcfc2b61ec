/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known of a segment, a capture file of one interface and one interval. It is written next to the
 * file, so that it survives a restart, and sent with it as the object's metadata. Pure: text in, text out.
 *
 * A file and its object are called NODE_20261123T083000.123Z_INTERFACE_00000042.pcap.gz. Names sort by time
 * within a node, never repeat (the sequence number does not, not even across restarts and clock steps), and hold
 * no colon, blank or slash.
 *
 * Beside it: losses.h (what happened to other files), segment_file.h (the file itself), codec.h (how its
 * members are compressed).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/drops.h"
#include "base/error.h"
#include "base/text.h"
#include "conf/conf.h"

#define SEGMENT_NAME_MAX        255 /* as file systems have it */
#define SEGMENT_INTERFACE_MAX   63
#define SEGMENT_FILTER_MAX      1024 /* longer filters are cut here, not in the capture */
#define SEGMENT_ATTACHMENTS_MAX 4096
/* All of it as text; a GCS object's metadata may hold as much. */
#define SEGMENT_METADATA_MAX 8192
/* In our own files the line "packets=" has so many digits: another number can be written in their place. */
#define SEGMENT_PACKETS_DIGITS 20

struct segment {
	char node[254];
	char interface[SEGMENT_INTERFACE_MAX + 1];
	char link_type[32]; /* "EN10MB": the field's name for it */
	char filter[SEGMENT_FILTER_MAX];
	/* Why it ended: size, age, clock, signal, reload, stop, interface, disk, budget, recovered. */
	char reason[16];
	/* When it ended: whether a time source sets the clock, and how wrong it can be; see clock_sync.h. */
	char clock[48];
	/* Those that were recorded then, with a blank between two; where they do not fit, "... +12 more". */
	char interfaces[256];
	char id[TEXT_UUID_LENGTH + 1]; /* of this very segment, nowhere else; "": not known */
	uint64_t sequence;
	uint64_t snaplen;
	/* For a file header that was damaged: the LINKTYPE_ value; digits of a second, 0: not known. For the spool alone. */
	uint64_t link_type_value, time_digits;
	uint64_t start_ns, end_ns; /* real time: what the segment covers */
	/* Of its packets, which are not quite in order; "first" and "last". 0 when there is none. */
	uint64_t earliest_ns, latest_ns;
	/* When it began, its interface was recorded without a break since then. Real time. */
	uint64_t since_ns;
	uint64_t previous;  /* sequence number of the last segment that ended since then; 0: none */
	uint64_t max_age_s; /* segment.age; 0: none */
	uint64_t packets;
	uint64_t packets_own; /* of our own uploads, left out */
	uint64_t pcap_bytes;  /* before compression */
	struct drops drops;   /* packets of its interface and interval that are missing from it */
	uint64_t bytes;       /* of the file */
	/* VERSION:BYTES:TAIL of its index, of which the last TAIL bytes are all but conversations; "": there is none. */
	char index[48];
	/* Where its packets end, noted before anything is written behind them; 0: not yet. For the spool alone. */
	uint64_t data_bytes;
	uint32_t crc32c; /* of the file */
	/* Losses up to the record of this number are stated in it; see spool/ledger.c. For the spool alone. */
	uint64_t losses_stated;
	/* 1: it was counted as rejected, whatever happens to its file. For the spool alone. */
	uint64_t is_rejected;
	/* What else is known, as lines "key=value": see segment_attach(). */
	char attachments[SEGMENT_ATTACHMENTS_MAX];
};

/* All of it as lines "key=value"; keys are lower-case words with dashes. */
void segment_encode(const struct segment *segment, struct text *out);
/* Read them back: what is missing is 0 or ""; keys that are not known become attachments. */
int segment_decode(const char *metadata, struct segment *ret_segment, struct error *err)
	__attribute__((warn_unused_result));

/* Call visit for each field that is of use elsewhere, in the order of segment_encode. */
void segment_each_field(const struct segment *segment,
			void (*visit)(void *context, const char *key, const char *value),
			void *context);

/*
 * Take one field as segment_each_field() told it, of a segment that somebody else describes; begin with one that is
 * zero. Text is cut to fit and has blanks for control characters; fields for the spool alone are left out. False, with
 * nothing changed: a field of this name has no such value.
 */
bool segment_take_field(struct segment *segment, const char *key, const char *value)
	__attribute__((warn_unused_result));

/*
 * Attach a field that is known to whoever writes and reads it alone; it goes wherever the others go. In place
 * of one with the same key; "" removes it. False, with nothing changed, if there is no room for it.
 */
bool segment_attach(struct segment *segment, const char *key, const char *value);
/* What is attached under this key, or "" if there is nothing or it does not fit. */
void segment_attachment(const struct segment *segment, const char *key, char *out, size_t capacity);

/* An interface's name as file names have it: characters that are not allowed become '-'. */
void name_format_interface(const char *interface, char out[SEGMENT_INTERFACE_MAX + 1]);
/* Write the file name into out. A long name of a node is cut, and has a checksum. */
void name_format(const char *node, const char *interface, uint64_t start_ns, uint64_t sequence,
		 const char *extension, char out[SEGMENT_NAME_MAX + 1]);

/* The parts of a name, pointing into it. */
struct name_parts {
	size_t node_length; /* from the beginning of the name */
	const char *start;  /* 20261123T083000.123Z */
	const char *interface;
	size_t interface_length;
	uint64_t sequence;
};

/* Take a name apart; false if it has another shape. */
bool name_parse(const char *name, struct name_parts *ret_parts);

/* When the segment of this name begins (real time); 0 if the name has another shape. */
uint64_t name_start_ns(const char *name);

/* Order by start time, then sequence, whatever the node; names of other shapes first. As for qsort. */
int name_compare(const char *a, const char *b);

/*
 * Append [PREFIX/]NODE/NAME, or by time [PREFIX/]YYYY/MM/DD/HHMM/NAME: the five minutes (UTC) in which the segment of
 * this name begins. A name that says no time has its place by node. The prefix may be "".
 */
void name_object(const char *prefix, enum conf_upload_layout layout, const char *node,
		 const char *name, struct text *out);
