/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a segment, as read from a file that a crash, an operator or another version left. */
#include "fuzz.h"
#include "spool/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *facts = fuzz_text(bytes, size);
	char first_bytes[SEGMENT_FACTS_MAX], again_bytes[SEGMENT_FACTS_MAX];
	struct text first = text_over(first_bytes, sizeof first_bytes);
	struct text again = text_over(again_bytes, sizeof again_bytes);
	struct segment segment, decoded;
	struct error err = { 0 };

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
