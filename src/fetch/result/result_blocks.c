/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/result/result_blocks.h"

#include <stdio.h>

#include "base/text.h"
#include "packet/packet.h"
#include "packet/pcapng.h"
#include "segment/segment.h"

#define COMMENT_MAX 4000
#define NS_PER_US   1000

/* At most so many bytes, none of them a control character. */
static uint8_t *put_words(uint8_t *out, uint16_t code, const char *words)
{
	char text[COMMENT_MAX + 1];

	(void)snprintf(text, sizeof text, "%s", words);
	text_blank_controls(text, "\n");
	return *text ? pcapng_put_option(out, code, text, strlen(text)) : out;
}

size_t result_encode_section(const char *comment, uint8_t out[RESULT_BLOCK_MAX])
{
	const struct pcapng_section section = {
		.magic = PCAPNG_MAGIC,
		.major = 1,
		.length = PCAPNG_LENGTH_UNKNOWN,
	};
	uint8_t *end = out + sizeof section;

	memcpy(out, &section, sizeof section);
	end = put_words(end, PCAPNG_OPTION_COMMENT, comment);
	end = pcapng_put_text(end, PCAPNG_SECTION_APPLICATION, PACKAGE_NAME " " PACKAGE_VERSION);
	return pcapng_end_block(out, end, PCAPNG_SECTION);
}

size_t result_encode_interface(const struct result_source *source, uint8_t out[RESULT_BLOCK_MAX])
{
	/* libpcap refuses a file in which they differ. */
	const struct pcapng_interface interface = {
		.link_type = source->link_type,
		.snaplen = FORMAT_CAPTURED_MAX,
	};
	const uint8_t resolution = source->is_nano ? PCAPNG_RESOLUTION_NANO
						   : PCAPNG_RESOLUTION_MICRO;
	char name[512], filter[1 + SEGMENT_FILTER_MAX] = { PCAPNG_FILTER_TEXT };
	uint8_t *end = out + sizeof interface;

	memcpy(out, &interface, sizeof interface);
	(void)snprintf(name, sizeof name, "%s/%s", source->node, source->interface);
	end = put_words(end, PCAPNG_INTERFACE_NAME, name);
	end = put_words(end, PCAPNG_INTERFACE_DESCRIPTION, source->folder);
	end = pcapng_put_option(end, PCAPNG_INTERFACE_RESOLUTION, &resolution, sizeof resolution);
	(void)snprintf(filter + 1, sizeof filter - 1, "%s", source->filter);
	if (filter[1])
		end = pcapng_put_option(end, PCAPNG_INTERFACE_FILTER, filter,
					1 + strlen(filter + 1));
	return pcapng_end_block(out, end, PCAPNG_INTERFACE);
}

size_t result_encode_statistics(uint32_t interface, bool is_nano,
				const struct result_statistics *statistics,
				uint8_t out[RESULT_BLOCK_MAX])
{
	uint64_t unit = is_nano ? 1 : NS_PER_US;
	uint64_t start = statistics->start_ns / unit, finish = statistics->end_ns / unit;
	const struct pcapng_statistics block = {
		.interface = interface,
		.time_high = (uint32_t)(finish >> 32),
		.time_low = (uint32_t)finish,
	};
	uint8_t *end = out + sizeof block;

	memcpy(out, &block, sizeof block);
	if (statistics->comment)
		end = put_words(end, PCAPNG_OPTION_COMMENT, statistics->comment);
	if (statistics->start_ns > 0)
		end = pcapng_put_time(end, PCAPNG_STATISTICS_START, start);
	if (statistics->end_ns > 0)
		end = pcapng_put_time(end, PCAPNG_STATISTICS_END, finish);
	end = pcapng_put_number(end, PCAPNG_STATISTICS_DROPPED, statistics->drops);
	return pcapng_end_block(out, end, PCAPNG_STATISTICS);
}

size_t result_packet_bytes(uint32_t captured)
{
	return PCAPNG_PACKET_BYTES + pcapng_align(captured);
}

void result_encode_packet(uint32_t interface, uint64_t ticks, uint32_t captured, uint32_t original,
			  const uint8_t *packet, uint8_t *out)
{
	uint32_t length = (uint32_t)result_packet_bytes(captured);
	const struct pcapng_packet block = {
		.block = { PCAPNG_PACKET, length },
		.interface = interface,
		.time_high = (uint32_t)(ticks >> 32),
		.time_low = (uint32_t)ticks,
		.captured = captured,
		.original = original,
	};
	uint8_t *end = out + length - PCAPNG_LENGTH_BYTES;

	/* Clear the last four bytes before the length first, so that padding is 0. */
	memset(end - PCAPNG_LENGTH_BYTES, 0, PCAPNG_LENGTH_BYTES);
	memcpy(out, &block, sizeof block);
	memcpy(out + sizeof block, packet, captured);
	memcpy(end, &length, PCAPNG_LENGTH_BYTES);
}
