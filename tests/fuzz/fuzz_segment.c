/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata of a segment, and the losses that it states, as read from files that a crash, an operator or another
 * version left.
 */
#include "fuzz.h"
#include "segment/losses.h"

/* What it states is the same when it is stated again; all of it fits. */
static void check_losses(const struct segment *segment)
{
	struct segment other = { .packets = 0 };
	struct losses losses, again;

	losses_of_segment(segment, &losses);
	fuzz_require(losses.count <= LOSSES_MAX);
	fuzz_require(losses_state(&losses, &other));
	losses_of_segment(&other, &again);
	fuzz_require(losses_packets(&again) == losses_packets(&losses));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *metadata = fuzz_text(bytes, size);
	char first_bytes[SEGMENT_METADATA_MAX], again_bytes[SEGMENT_METADATA_MAX];
	struct text first = text_over(first_bytes, sizeof first_bytes);
	struct text again = text_over(again_bytes, sizeof again_bytes);
	struct segment segment, decoded;
	struct error err = { 0 };

	if (segment_decode(metadata, &segment, &err) < 0) {
		fuzz_require(err.kind != ERROR_NONE);
		return 0;
	}
	check_losses(&segment);
	/* What was understood survives being written and read. */
	segment_encode(&segment, &first);
	fuzz_require(!first.is_cut);
	fuzz_require(segment_decode(first_bytes, &decoded, &err) == 0);
	segment_encode(&decoded, &again);
	fuzz_require(strcmp(first_bytes, again_bytes) == 0);
	return 0;
}
