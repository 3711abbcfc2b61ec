/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacked members of a file that a crash cut, or worse: what recovery reads. */
#include "fuzz.h"
#include "packet/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct format *const formats[] = { &format_pcap, &format_pcapng };
	/* Exactly as large, so that one byte too many is noticed. */
	cleanup_free uint8_t *copy = mem_alloc(size ? size : 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	for (size_t i = 0; i < 2; i++) {
		struct format_summary summary = { 0 }, again = { 0 };
		bool is_nano = false;
		size_t header = formats[i]->decode_header(copy, size, &is_nano), whole;

		fuzz_require(header <= size);
		whole = formats[i]->summarize(copy + header, size - header, is_nano, &summary);
		fuzz_require(header + whole <= size);
		fuzz_require(summary.packets * formats[i]->record_fields_bytes <= whole);
		/* What was found whole stays so without the rest. */
		fuzz_require(formats[i]->summarize(copy + header, whole, is_nano, &again) == whole);
		fuzz_require(again.packets == summary.packets);
	}
	return 0;
}
