/* SPDX-License-Identifier: Apache-2.0 */
/* Capture files that a crash cut, that are damaged, or that another tool wrote: what recovery reads. */
#include "fuzz.h"
#include "packet/packet.h"

/* All records, within the bytes; returns how many bytes are whole. */
static size_t count(const struct format *format, const uint8_t *bytes, size_t size,
		    uint64_t *ret_packets, enum format_state *ret_state)
{
	struct format_reader reader = { 0 };
	struct format_record record;
	size_t offset = 0, before = 0;

	*ret_packets = 0;
	while ((*ret_state = format->next(&reader, bytes, size, &offset, &record)) ==
	       FORMAT_RECORD) {
		fuzz_require(offset >= before + format->record_fields_bytes + record.captured);
		fuzz_require(record.packet >= bytes + before &&
			     record.packet + record.captured <= bytes + offset);
		before = offset;
		++*ret_packets;
	}
	fuzz_require(offset <= size && (*ret_state != FORMAT_END || offset == size));
	return offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct format *const formats[] = { &format_pcap, &format_pcapng };
	/* Exactly as large, so that one byte too many is noticed. */
	cleanup_free uint8_t *copy = mem_alloc(size ? size : 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	for (size_t i = 0; i < 2; i++) {
		enum format_state state;
		uint64_t packets, again;
		size_t whole = count(formats[i], copy, size, &packets, &state);

		/* What was found whole stays so without the rest. */
		fuzz_require(count(formats[i], copy, whole, &again, &state) == whole);
		fuzz_require(again == packets && state == FORMAT_END);
	}
	return 0;
}
