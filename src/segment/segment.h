/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known of a segment. Written next to it when it is published, so that it survives a restart, and
 * sent with it as the object's custom metadata. Pure: text in, text out.
 */

#include <stdint.h>

#include "base/counters.h"
#include "base/error.h"
#include "base/text.h"

#define SEGMENT_NAME_MAX   255  /* as file systems have it */
#define SEGMENT_FILTER_MAX 1024 /* longer filters are cut here, not in the capture */
#define SEGMENT_FACTS_MAX \
	4096 /* all facts as text: half of what a GCS object's metadata may hold */

struct segment {
	char node[254];
	char interface[64];
	char link_type[32]; /* "EN10MB": the field's name for it */
	char filter[SEGMENT_FILTER_MAX];
	char reason
		[16]; /* why it ended: size, age, clock, signal, reload, stop, interface, disk, recovered */
	char id[TEXT_UUID_LENGTH + 1]; /* of this very segment, nowhere else; "": not known */
	uint64_t sequence;
	uint64_t snaplen;
	uint64_t start_ns, end_ns;  /* real time: what the segment covers */
	uint64_t first_ns, last_ns; /* of its packets; 0 when there is none */
	uint64_t packets;
	uint64_t packets_own; /* of our own uploads, left out */
	uint64_t pcap_bytes;  /* before compression */
	struct drops drops;
	uint64_t
		carried; /* number of the carried drops that are among them: not for other people */
	uint64_t bytes;  /* of the file */
	uint32_t crc32c; /* of the file */
};

/* The facts as lines "key=value"; keys are lower-case words with dashes. */
void segment_encode(const struct segment *segment, struct text *out);
/* Read them back: unknown keys are skipped (a newer version wrote them), missing ones are 0 or "". */
int segment_decode(const char *facts, struct segment *ret_segment, struct error *err)
	__attribute__((warn_unused_result));

/* Call visit for each fact that is of use elsewhere, in the order of segment_encode. */
void segment_each_fact(const struct segment *segment,
		       void (*visit)(void *context, const char *key, const char *value),
		       void *context);
