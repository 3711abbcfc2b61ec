/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter accepts, its plan admits. The first byte is the link type, and whether inner packets are judged; the next
 * two choose the filter; then a packet, which is the only one of a file.
 */
#include "fuzz.h"
#include "index/headers.h"
#include "match_fixture.h"

/* Each filter that was met, as it is and for inner packets. */
static struct match *open_filter(size_t number, bool is_inner)
{
	static struct match **matches;
	struct match **match;
	struct error err;

	if (!matches)
		matches = mem_calloc(2 * match_filters_count, sizeof *matches);
	match = &matches[2 * number + is_inner];
	if (!*match)
		fuzz_require(match_open(match_filters[number], is_inner, match, &err) == 0);
	return *match;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint16_t link_types[] = { LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_SLL2, 147 };
	const uint8_t *packet = bytes + 3;
	uint32_t captured = (uint32_t)size - 3;
	struct indexed_file *file;
	struct match *match;
	uint16_t link_type;

	if (size < 3)
		return 0;
	link_type = link_types[(bytes[0] & 0x7f) % 5];
	match = open_filter((size_t)(bytes[1] << 8 | bytes[2]) % match_filters_count,
			    bytes[0] >> 7);
	if (!match_packet(match, link_type, packet, captured, captured))
		return 0;
	file = indexed_file_new(link_type);
	indexed_file_add_packet(file, packet, captured);
	indexed_file_end_member(file);
	indexed_file_finish(file);
	fuzz_require(indexed_file_plan(file, match, NULL)[1]);
	(void)indexed_file_free(file);
	return 0;
}
