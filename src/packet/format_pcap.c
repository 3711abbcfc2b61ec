/* SPDX-License-Identifier: Apache-2.0 */
/* The classic capture file, in this machine's byte order (draft-ietf-opsawg-pcap). */
#include <string.h>

#include "base/clock.h"
#include "packet/format.h"

#define MAGIC_MICRO  UINT32_C(0xa1b2c3d4)
#define MAGIC_NANO   UINT32_C(0xa1b23c4d)

#define CAPTURED_MAX UINT32_C(262144) /* readers refuse more */

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

static size_t decode_pcap_header(const uint8_t *bytes, size_t length, bool *ret_is_nano)
{
	struct file_header header;

	if (length < sizeof header)
		return 0;
	memcpy(&header, bytes, sizeof header);
	if (header.magic != MAGIC_MICRO && header.magic != MAGIC_NANO)
		return 0;
	*ret_is_nano = header.magic == MAGIC_NANO;
	return sizeof header;
}

static size_t summarize_pcap(const uint8_t *bytes, size_t length, bool is_nano,
			     struct format_summary *ret_summary)
{
	static const struct record_header
		zeros; /* what a power failure leaves at the end of a file */
	struct format_summary summary = { 0 };
	size_t offset = 0;

	while (length - offset >= sizeof(struct record_header)) {
		struct record_header header;
		uint64_t time_ns;

		memcpy(&header, bytes + offset, sizeof header);
		if (memcmp(&header, &zeros, sizeof header) == 0 || header.captured > CAPTURED_MAX ||
		    header.captured > length - offset - sizeof header)
			break;
		time_ns = header.seconds * CLOCK_NS_PER_S + header.fraction * (is_nano ? 1 : 1000);
		if (summary.packets++ == 0)
			summary.first_ns = time_ns;
		summary.last_ns = time_ns;
		offset += sizeof header + header.captured;
	}
	*ret_summary = summary;
	return offset;
}

const struct format format_pcap = {
	.name = "pcap",
	.extension = ".pcap",
	.header_bytes_min = sizeof(struct file_header),
	.record_fields_bytes = sizeof(struct record_header),
	.record_align_bytes = 1,
	.encode_header = encode_pcap_header,
	.encode_record = encode_pcap_record,
	.decode_header = decode_pcap_header,
	.summarize = summarize_pcap,
};
