/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a segment, and the drops that are carried to the next one, as read from files that a crash, an
 * operator or another version left.
 */
#include "fuzz.h"
#include "segment/segment.h"
#include "spool/spool_private.h"

static void read_carried(const uint8_t *bytes, size_t size)
{
	cleanup_free char *text = fuzz_text(bytes, size);
	const char *end = text + strlen(text), *deleting;
	struct spool_carried carried;

	if (spool_carried_parse(text, &carried, &deleting) == 0)
		fuzz_require(deleting > text && deleting <= end && !strchr(deleting, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *facts = fuzz_text(bytes, size);
	char first_bytes[SEGMENT_FACTS_MAX], again_bytes[SEGMENT_FACTS_MAX];
	struct text first = text_over(first_bytes, sizeof first_bytes);
	struct text again = text_over(again_bytes, sizeof again_bytes);
	struct segment segment, decoded;
	struct error err = { 0 };

	read_carried(bytes, size);
	if (segment_decode(facts, &segment, &err) < 0) {
		fuzz_require(err.kind != ERROR_NONE);
		return 0;
	}
	/* What was understood survives being written and read. */
	segment_encode(&segment, &first);
	fuzz_require(!first.is_cut);
	fuzz_require(segment_decode(first_bytes, &decoded, &err) == 0);
	segment_encode(&decoded, &again);
	fuzz_require(strcmp(first_bytes, again_bytes) == 0);
	return 0;
}
