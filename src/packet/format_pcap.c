/* SPDX-License-Identifier: Apache-2.0 */
/* The classic capture file, in this machine's byte order (draft-ietf-opsawg-pcap). */
#include <string.h>

#include "base/clock.h"
#include "packet/packet.h"

#define MAGIC_MICRO UINT32_C(0xa1b2c3d4)
#define MAGIC_NANO  UINT32_C(0xa1b23c4d)

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen;
	uint32_t link_type;
};

struct record_header {
	uint32_t seconds, fraction;
	uint32_t captured, original;
};

static size_t encode_pcap_header(const struct chunk_source *source,
				 const struct format_origin *origin,
				 uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	struct file_header header = {
		.magic = source->is_nano ? MAGIC_NANO : MAGIC_MICRO,
		.major = 2,
		.minor = 4,
		.snaplen = source->snaplen,
		.link_type = source->link_type,
	};

	(void)origin; /* the header has no field for it */
	memcpy(out, &header, sizeof header);
	return sizeof header;
}

static size_t encode_pcap_record(uint8_t *out, uint32_t seconds, uint32_t fraction,
				 uint32_t captured, uint32_t original, const uint8_t *packet)
{
	struct record_header header = { seconds, fraction, captured, original };

	memcpy(out, &header, sizeof header);
	memcpy(out + sizeof header, packet, captured);
	return sizeof header + captured;
}

static enum format_state next_pcap_record(struct format_reader *reader, const uint8_t *bytes,
					  size_t length, size_t *offset,
					  struct format_record *ret_record)
{
	static const struct record_header
		zeros; /* as a power failure leaves at the end of a file */
	struct record_header header;
	uint32_t captured;

	if (!reader->has_header) {
		struct file_header file;

		if (length - *offset < sizeof file)
			return length == *offset ? FORMAT_END : FORMAT_TRUNCATED;
		memcpy(&file, bytes + *offset, sizeof file);
		reader->is_swapped = file.magic == __builtin_bswap32(MAGIC_MICRO) ||
				     file.magic == __builtin_bswap32(MAGIC_NANO);
		file.magic = format_in_order(reader, file.magic);
		if (file.magic != MAGIC_MICRO && file.magic != MAGIC_NANO)
			return FORMAT_CORRUPT;
		reader->has_header = true;
		reader->interfaces = 1;
		/* The upper bits tell of frame check sequences. */
		reader->interface[0].link_type = (uint16_t)format_in_order(reader, file.link_type);
		reader->interface[0].resolution = file.magic == MAGIC_NANO ? 9 : 6;
		*offset += sizeof file;
	}
	if (length - *offset < sizeof header)
		return length == *offset ? FORMAT_END : FORMAT_TRUNCATED;
	memcpy(&header, bytes + *offset, sizeof header);
	captured = format_in_order(reader, header.captured);
	if (memcmp(&header, &zeros, sizeof header) == 0 || captured > FORMAT_CAPTURED_MAX)
		return FORMAT_CORRUPT;
	if (captured > length - *offset - sizeof header)
		return FORMAT_TRUNCATED;
	*ret_record = (struct format_record){
		.time_ns = format_in_order(reader, header.seconds) * CLOCK_NS_PER_S +
			   (uint64_t)format_in_order(reader, header.fraction) *
				   (reader->interface[0].resolution == 9 ? 1 : 1000),
		.captured = captured,
		.original = format_in_order(reader, header.original),
		.packet = bytes + *offset + sizeof header,
		.link_type = reader->interface[0].link_type,
	};
	*offset += sizeof header + captured;
	return FORMAT_RECORD;
}

const struct format format_pcap = {
	.name = "pcap",
	.extension = ".pcap",
	.header_bytes_min = sizeof(struct file_header),
	.record_fields_bytes = sizeof(struct record_header),
	.record_align_bytes = 1,
	.encode_header = encode_pcap_header,
	.encode_record = encode_pcap_record,
	.next = next_pcap_record,
};
