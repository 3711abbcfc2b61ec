/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what recorders of many nodes would have uploaded, as a folder, for the tests of searches; and all of the
 * packets once more, in a capture file for each type of link, for tcpdump to say what has to be found.
 *
 *     make_fleet BUCKET ORACLE SEED NODES OBJECTS PACKETS START_S [UNIT_NS]
 *
 * Each object is 60 s long and has so many packets. Formats, codecs, resolutions and link types are mixed; some files
 * have no index, or a damaged one; some are missing; packets are a little out of order, over the ends of members and
 * files, too. With UNIT_NS, times are multiples of it, so that many packets have the same. Prints one line of JSON.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "index/collector.h"
#include "index/decap.h"
#include "index/index.h"
#include "segment/codec.h"
#include "segment/deflate.h"
#include "segment/segment.h"

#define SECONDS     60
#define FRAME_MAX   600
#define MEMBERS     12 /* of an object */
#define MEMBER_MAX  ((size_t)1 << 20)
#define INTERFACES  2
#define LINK_TYPES  3
#define DISORDER_NS UINT64_C(30000000)

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };
static const uint32_t link_types[LINK_TYPES] = { LINK_ETHERNET, LINK_RAW, LINK_SLL2 };
static uint64_t random_state, time_unit_ns = 1;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % below;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "make_fleet: %s\n", what);
	exit(1);
}

/* Packets ---------------------------------------------------------------------------------------- */

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t length;
};

static void put(struct frame *frame, const void *bytes, size_t length)
{
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static void put16(struct frame *frame, uint32_t value)
{
	put(frame, (const uint8_t[2]){ (uint8_t)(value >> 8), (uint8_t)value }, 2);
}

static void put32(struct frame *frame, uint32_t value)
{
	put16(frame, value >> 16);
	put16(frame, value & 0xffff);
}

static void put_transport(struct frame *frame, uint8_t protocol, uint32_t flow, bool is_back)
{
	static const uint16_t services[] = { 53, 443, 5432, 8080, 6379, 10250 };
	uint32_t service = services[flow % 6], client = 32768 + flow * 7919 % 28000;
	static const uint8_t flags[] = { 0x10, 0x10, 0x18, 0x10, 0x02, 0x12, 0x11, 0x10 };

	put16(frame, is_back ? service : client);
	put16(frame, is_back ? client : service);
	if (protocol == PROTOCOL_TCP) {
		put32(frame, draw(1 << 30));
		put32(frame, draw(1 << 30));
		put16(frame, 0x5000U | (draw(300) == 0 ? 0x04 : flags[draw(8)]));
		put16(frame, 65535);
		put32(frame, 0);
	} else {
		put16(frame, 8 + 40);
		put16(frame, 0);
	}
}

/* An IP packet of one of the conversations that the node has; an address is a pod's, a host's or somebody's outside. */
static void put_ip(struct frame *frame, uint32_t node, uint32_t flow)
{
	bool is_back = draw(2), is_v6 = flow % 11 == 7;
	uint8_t protocol = flow % 13 == 5  ? PROTOCOL_ICMP
			   : flow % 3 == 1 ? PROTOCOL_UDP
					   : PROTOCOL_TCP;
	uint32_t pod = 0x0a000000U | node << 8 | (flow % 20 + 2);
	uint32_t peer = flow % 5 == 0 ? 0x65000000U | flow * 2654435761U % 0xffffff
				      : 0x0a000000U | flow * 31 % 20 << 8 | (flow % 17 + 2);
	uint32_t options = flow % 29 == 3 ? 4 : 0, fragment = draw(60) == 0 ? 100 : 0;
	uint32_t source = is_back ? peer : pod, destination = is_back ? pod : peer;

	if (is_v6 && protocol != PROTOCOL_ICMP) {
		put32(frame, 0x60000000U);
		put16(frame, 60);
		put16(frame, (uint32_t)protocol << 8 | 64);
		put32(frame, 0xfd000000U);
		put32(frame, 0);
		put32(frame, 0);
		put32(frame, source);
		put32(frame, 0xfd000000U);
		put32(frame, 0);
		put32(frame, 0);
		put32(frame, destination);
	} else {
		put16(frame, 0x4500U + (options / 4 << 8));
		put16(frame, 20 + options + 60);
		put16(frame, draw(65536));
		put16(frame, fragment);
		put16(frame, 64U << 8 | protocol);
		put16(frame, 0);
		put32(frame, source);
		put32(frame, destination);
		for (uint32_t i = 0; i < options; i++)
			put(frame, "\1", 1);
	}
	if (protocol == PROTOCOL_ICMP) {
		put16(frame, (flow % 2 ? 3U : is_back ? 0U : 8U) << 8);
		put16(frame, 0);
		put32(frame, flow);
	} else {
		put_transport(frame, protocol, flow, is_back);
	}
}

static void put_ethernet(struct frame *frame, uint32_t node, uint32_t ethertype)
{
	put16(frame, 0x0200);
	put32(frame, 1);
	put16(frame, 0x0200);
	put32(frame, node << 8 | 2);
	if (draw(12) == 0) {
		put16(frame, 0x8100);
		put16(frame, draw(4) + 100);
	}
	put16(frame, ethertype);
}

static uint32_t ethertype_of(uint32_t flow)
{
	return flow % 11 == 7 && flow % 13 != 5 ? 0x86dd : 0x0800;
}

/* VXLAN between two hosts, with a pod's packet inside. */
static void put_tunnel(struct frame *frame, uint32_t node, uint32_t flow)
{
	put_ethernet(frame, node, 0x0800);
	put16(frame, 0x4500);
	put16(frame, 120);
	put16(frame, 0);
	put16(frame, 0);
	put16(frame, 64U << 8 | PROTOCOL_UDP);
	put16(frame, 0);
	put32(frame, 0xc0a80000U | node);
	put32(frame, 0xc0a80000U | (flow % 20));
	put16(frame, 40000 + flow % 1000);
	put16(frame, DECAP_PORT_VXLAN_LINUX);
	put16(frame, 100);
	put16(frame, 0);
	put32(frame, 0x08000000U);
	put32(frame, 42U << 8);
	put_ethernet(frame, node, ethertype_of(flow));
	put_ip(frame, node, flow);
}

static void make_frame(struct frame *frame, uint32_t link_type, uint32_t node)
{
	uint32_t flow = draw(120) + node * 3, size;

	frame->length = 0;
	if (link_type == LINK_ETHERNET && draw(40) == 0) {
		put_ethernet(frame, node, 0x0806);
		put(frame, "\0\1\10\0\6\4\0\1", 8);
		for (uint32_t i = 0; i < 2; i++) {
			put16(frame, 0x0200);
			put32(frame, node);
			put32(frame, 0x0a000000U | node << 8 | (i + 2));
		}
	} else if (link_type == LINK_ETHERNET && draw(10) == 0) {
		put_tunnel(frame, node, flow);
	} else if (link_type == LINK_ETHERNET) {
		put_ethernet(frame, node, ethertype_of(flow));
		put_ip(frame, node, flow);
	} else if (link_type == LINK_SLL2) {
		put16(frame, ethertype_of(flow));
		put16(frame, 0);
		put32(frame, 2);
		put32(frame, 0x00010006U);
		put32(frame, 0x02000000U);
		put32(frame, node << 16);
		put_ip(frame, node, flow);
	} else {
		put_ip(frame, node, flow);
	}
	for (size = draw(100); size > 0 && frame->length < FRAME_MAX - 4; size--)
		put(frame, "abc", 1);
}

/* Files ------------------------------------------------------------------------------------------ */

struct file {
	const char *node, *interface;
	uint32_t node_number, link_type;
	uint64_t start_ns, sequence, previous, since_ns;
	const struct codec *codec;
	const struct format *format;
	bool is_nano, has_index, is_damaged;
	uint32_t snaplen;

	struct codec_state *state;
	struct index *index;
	struct index_pool pool;
	struct collector *collector;
	struct chunk_keys *keys;
	uint8_t *plain, *packed;
	int fd;
	uint64_t earliest_ns, latest_ns, packets, packets_sum;
};

static int oracles[LINK_TYPES];

static void write_or_die(int fd, const void *bytes, size_t length)
{
	struct error err;

	if (file_write_all(fd, bytes, length, &err) < 0)
		die(err.message);
}

static void write_member(struct file *file, size_t length, const struct index_member *times)
{
	struct index_member member = *times;
	size_t stored = length;

	if (file->codec->compress) {
		stored = file->codec->compress(file->state, file->codec->level_default, file->plain,
					       length, file->packed, file->codec->bound(length));
		write_or_die(file->fd, file->packed, stored);
	} else {
		write_or_die(file->fd, file->plain, length);
	}
	member.stored_bytes = stored;
	member.plain_bytes = length;
	if (file->index)
		index_add(file->index, &member, member.packets > 0 ? file->keys : NULL);
}

static void write_oracle(const struct file *file, uint64_t time_ns, const struct frame *frame,
			 uint32_t captured)
{
	uint8_t record[16 + FRAME_MAX];
	size_t length = format_pcap.encode_record(record, (uint32_t)(time_ns / CLOCK_NS_PER_S),
						  (uint32_t)(time_ns % CLOCK_NS_PER_S), captured,
						  (uint32_t)frame->length, frame->bytes);

	for (int i = 0; i < LINK_TYPES; i++)
		if (link_types[i] == file->link_type)
			write_or_die(oracles[i], record, length);
}

/* One packet of the time, as the file can say it. Returns how long its record is. */
static size_t add_packet(struct file *file, uint8_t *out, uint64_t time_ns,
			 struct index_member *member)
{
	struct frame frame;
	uint64_t unit = file->is_nano ? 1 : 1000;
	int64_t time = (int64_t)(time_ns / unit);
	uint32_t captured, fraction = (uint32_t)(time_ns % CLOCK_NS_PER_S / unit);

	make_frame(&frame, file->link_type, file->node_number);
	captured = (uint32_t)frame.length < file->snaplen ? (uint32_t)frame.length : file->snaplen;
	collector_add(file->collector, file->keys, file->link_type, frame.bytes, captured);
	if (member->packets++ == 0)
		member->earliest = member->latest = time;
	if (time < member->earliest)
		member->earliest = time;
	if (time > member->latest)
		member->latest = time;
	time_ns = (uint64_t)time * unit;
	if (file->packets++ == 0)
		file->earliest_ns = file->latest_ns = time_ns;
	if (time_ns < file->earliest_ns)
		file->earliest_ns = time_ns;
	if (time_ns > file->latest_ns)
		file->latest_ns = time_ns;
	write_oracle(file, time_ns, &frame, captured);
	return file->format->encode_record(out, (uint32_t)(time_ns / CLOCK_NS_PER_S), fraction,
					   captured, (uint32_t)frame.length, frame.bytes);
}

static void append_fact(void *context, const char *key, const char *value)
{
	text_append(context, "%s=%s\n", key, value);
}

static void write_index(struct file *file)
{
	char bytes[SEGMENT_METADATA_MAX];
	struct text facts = text_over(bytes, sizeof bytes);
	cleanup_free struct segment *segment = mem_calloc(1, sizeof *segment);
	cleanup_free uint8_t *copy = NULL;
	const uint8_t *index;
	size_t length, tail;

	segment->sequence = file->sequence;
	segment->previous = file->previous;
	segment->start_ns = file->start_ns;
	segment->end_ns = file->start_ns + SECONDS * CLOCK_NS_PER_S;
	segment->since_ns = file->since_ns;
	segment->earliest_ns = file->earliest_ns;
	segment->latest_ns = file->latest_ns;
	segment->packets = file->packets;
	segment->snaplen = file->snaplen;
	(void)snprintf(segment->node, sizeof segment->node, "%s", file->node);
	(void)snprintf(segment->interface, sizeof segment->interface, "%s", file->interface);
	(void)snprintf(segment->reason, sizeof segment->reason, "age");
	segment_each_field(segment, append_fact, &facts);
	text_append(&facts, "tunnels=%s\n", DECAP_TUNNELS);
	length = index_finish(file->index, bytes, &index, &tail);
	if (length == 0)
		die("no index");
	copy = mem_alloc(length);
	memcpy(copy, index, length);
	if (file->is_damaged)
		copy[length / 3] ^= 0x10;
	write_or_die(file->fd, copy, length);
}

static void write_packets(struct file *file, uint32_t packets)
{
	uint64_t step = SECONDS * CLOCK_NS_PER_S / (packets + 1), at = file->start_ns;
	uint32_t done = 0;

	for (uint32_t m = 0; m < MEMBERS; m++) {
		struct index_member member = { .packets = 0 };
		uint32_t until = packets * (m + 1) / MEMBERS;
		size_t length = 0;

		collector_begin(file->collector, file->keys);
		for (; done < until; done++) {
			uint64_t back = draw(20) == 0 ? draw((uint32_t)DISORDER_NS) : 0;

			at += draw((uint32_t)(2 * step));
			if (at > file->start_ns + SECONDS * CLOCK_NS_PER_S)
				at = file->start_ns + SECONDS * CLOCK_NS_PER_S;
			length += add_packet(file, file->plain + length,
					     (at - back) / time_unit_ns * time_unit_ns, &member);
		}
		if (length > 0)
			write_member(file, length, &member);
	}
}

static void write_file(struct file *file, uint32_t packets, const char *bucket)
{
	struct chunk_source source = { .link_type = file->link_type,
				       .snaplen = file->snaplen,
				       .is_nano = file->is_nano };
	const struct format_origin origin = { file->node, "", "", "" };
	const struct index_file about = {
		.wrapping = file->codec == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP,
		.link_type = (uint16_t)file->link_type,
		.snaplen = file->snaplen,
		.is_nano = file->is_nano,
		.is_pcapng = file->format == &format_pcapng,
	};
	char name[SEGMENT_NAME_MAX + 1], extension[32];
	cleanup_free char *path = NULL;

	(void)snprintf(source.interface, sizeof source.interface, "%s", file->interface);
	(void)snprintf(extension, sizeof extension, "%s%s", file->format->extension,
		       file->codec->extension);
	name_format(file->node, file->interface, file->start_ns, file->sequence, extension, name);
	path = mem_printf("%s/%s", bucket, file->node);
	(void)mkdir(path, 0755);
	free(path);
	path = mem_printf("%s/%s/%s", bucket, file->node, name);
	file->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file->fd < 0)
		die(path);
	file->state = file->codec->compress ? codec_state_new(file->codec) : NULL;
	if (file->has_index && file->codec->compress)
		file->index = index_new(&file->pool, &library, &about);
	write_member(file, file->format->encode_header(&source, &origin, file->plain),
		     &(struct index_member){ .packets = 0 });
	file->packets = 0;
	write_packets(file, packets);
	file->packets_sum += file->packets;
	if (file->index)
		write_index(file);
	file->index = index_free(file->index);
	if (file->state)
		codec_state_free(file->codec, file->state);
	(void)close(file->fd);
}

static void write_interface(struct file *file, uint32_t objects, uint32_t packets,
			    uint64_t start_ns, const char *bucket)
{
	static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd, &codec_gzip,
						      &codec_none };

	file->previous = 0;
	file->since_ns = start_ns;
	for (uint32_t i = 0; i < objects; i++) {
		uint32_t kind = draw(64);

		file->start_ns = start_ns + i * SECONDS * CLOCK_NS_PER_S;
		file->sequence++;
		if (i % 17 == 9) { /* the recorder was not there, and began anew */
			file->since_ns = file->start_ns + SECONDS * CLOCK_NS_PER_S;
			file->previous = 0;
			continue;
		}
		file->codec = codecs[kind % 4];
		file->format = kind / 4 % 3 == 0 ? &format_pcapng : &format_pcap;
		file->is_nano = file->format == &format_pcapng || kind / 16 % 2;
		file->snaplen = kind / 32 ? 262144 : 96;
		file->has_index = draw(10) > 0;
		file->is_damaged = draw(25) == 0;
		write_file(file, packets, bucket);
		file->previous = file->sequence;
	}
}

static uint64_t number(const char *text)
{
	uint64_t value;

	if (text_parse_number(text, &value) < 0)
		die("not a number");
	return value;
}

static void open_oracles(const char *folder)
{
	for (int i = 0; i < LINK_TYPES; i++) {
		const struct chunk_source source = { .link_type = link_types[i],
						     .snaplen = 262144,
						     .is_nano = true };
		cleanup_free char *path = mem_printf("%s-%u.pcap", folder, link_types[i]);
		uint8_t header[FORMAT_EDGE_BYTES_MAX];

		oracles[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (oracles[i] < 0)
			die(path);
		write_or_die(oracles[i], header, format_pcap.encode_header(&source, NULL, header));
	}
}

int main(int argc, char **argv)
{
	struct file file = { .plain = mem_alloc(MEMBER_MAX),
			     .packed = mem_alloc(2 * MEMBER_MAX),
			     .collector = mem_calloc(1, sizeof *file.collector),
			     .keys = mem_calloc(1, sizeof *file.keys) };

	if (argc != 8 && argc != 9)
		die("needs BUCKET ORACLE SEED NODES OBJECTS PACKETS START_S [UNIT_NS]");
	if (argc == 9)
		time_unit_ns = number(argv[8]);
	random_state = number(argv[3]);
	open_oracles(argv[2]);
	(void)mkdir(argv[1], 0755);
	collector_init(file.collector);
	index_pool_init(&file.pool, INDEX_POOL_BYTES);
	for (uint32_t node = 0; node < number(argv[4]); node++) {
		cleanup_free char *name = mem_printf("node-%02u", node);

		file.node = name;
		file.node_number = node;
		file.sequence = node * 1000;
		for (uint32_t i = 0; i < (node % 5 == 0 ? INTERFACES : 1); i++) {
			cleanup_free char *interface = mem_printf("eth%u", i);

			file.interface = interface;
			file.link_type = node % 7 == 3 && i == 0   ? LINK_RAW
					 : node % 7 == 5 && i == 0 ? LINK_SLL2
								   : LINK_ETHERNET;
			write_interface(&file, (uint32_t)number(argv[5]), (uint32_t)number(argv[6]),
					number(argv[7]) * CLOCK_NS_PER_S, argv[1]);
		}
	}
	(void)printf("{\"packets\": %ju}\n", (uintmax_t)file.packets_sum);
	free(file.plain);
	free(file.packed);
	free(file.collector);
	free(file.keys);
	return 0;
}
