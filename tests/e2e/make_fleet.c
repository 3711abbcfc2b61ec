/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what recorders of many nodes would have uploaded, as a folder, for the tests of searches; and all of the
 * packets once more, in a capture file for each type of link, for tcpdump to say what has to be found.
 *
 *     make_fleet BUCKET ORACLE SEED NODES OBJECTS PACKETS START_S [WORD[=NUMBER]...]
 *
 * Each object is 60 s long and has so many packets. Formats, codecs, resolutions and link types are mixed; some files
 * have no index, or a damaged one; some are missing; packets are a little out of order, over the ends of members and
 * files, too. The metadata that the objects would have are in ORACLE.facts, as lines "key=value" behind the object's
 * name, with an empty line behind each. Prints one line of JSON.
 *
 * Words: see struct recipe.
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
#define FRAME_MAX   2048
#define MEMBER_MAX  ((size_t)2 << 20)
#define INTERFACES  2
#define LINK_TYPES  3
#define DISORDER_NS UINT64_C(30000000)

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };
static const uint32_t link_types[LINK_TYPES] = { LINK_ETHERNET, LINK_RAW, LINK_SLL2 };
static uint64_t random_state;
static FILE *facts_file;

/* What the words at the end of the command line say. */
static struct recipe {
	uint64_t
		plain; /* 1: all files are there, classic pcap of Ethernet in gzip, with an index */
	uint64_t clean;   /* 1: no IP options, fragments, tags or tunnels, as in a data centre */
	uint64_t time;    /* 1: layout by time */
	uint64_t members; /* of an object */
	uint64_t flows;   /* conversations of a node at a time */
	uint64_t drift;   /* so many others in the next member */
	uint64_t fill;    /* bytes that cannot be compressed, in each packet */
	uint64_t drops;   /* packets that the kernel dropped in the third file of node-00's eth0 */
	uint64_t tick;    /* times are multiples of so many nanoseconds */
	uint64_t reset;   /* there is one RST in all, on node-01, in this object (from 1) */
} recipe = { .members = 12, .flows = 120 };

static const struct word {
	const char *word;
	uint64_t *number;
} words[] = {
	{ "plain", &recipe.plain },     { "clean", &recipe.clean }, { "time", &recipe.time },
	{ "members", &recipe.members }, { "flows", &recipe.flows }, { "drift", &recipe.drift },
	{ "fill", &recipe.fill },       { "drops", &recipe.drops }, { "reset", &recipe.reset },
	{ "tick", &recipe.tick },
};

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

/* The one reset that is hidden, and where the next packet would be it. */
static bool is_reset_due;

static uint32_t draw_flags(uint32_t flow)
{
	static const uint8_t flags[] = { 0x10, 0x10, 0x18, 0x10, 0x02, 0x12, 0x11, 0x10 };
	uint32_t drawn = draw(300) == 0 ? 0x04 : flags[draw(8)];

	if (recipe.reset == 0)
		return drawn;
	/* To a pod, and by IPv4: tcp[…] means no other. */
	if (!is_reset_due || flow % 6 != 2 || flow % 5 == 0 || flow % 11 == 7)
		return drawn & ~0x04U;
	is_reset_due = false;
	return 0x14;
}

static void put_transport(struct frame *frame, uint8_t protocol, uint32_t flow, bool is_back)
{
	static const uint16_t services[] = { 53, 443, 5432, 8080, 6379, 10250 };
	uint32_t service = services[flow % 6], client = 32768 + flow * 7919 % 28000;

	put16(frame, is_back ? service : client);
	put16(frame, is_back ? client : service);
	if (protocol == PROTOCOL_TCP) {
		put32(frame, draw(1 << 30));
		put32(frame, draw(1 << 30));
		put16(frame, 0x5000U | draw_flags(flow));
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
	uint32_t options = flow % 29 == 3 && !recipe.clean ? 4 : 0;
	uint32_t fragment = draw(60) == 0 && !recipe.clean ? 100 : 0;
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
	if (draw(12) == 0 && !recipe.clean) {
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

static void fill_frame(struct frame *frame)
{
	for (uint64_t left = recipe.fill; left >= 8 && frame->length < FRAME_MAX - 200; left -= 8) {
		random_state = random_state * UINT64_C(6364136223846793005) +
			       UINT64_C(1442695040888963407);
		put(frame, (const uint32_t[2]){ (uint32_t)(random_state >> 32), draw(1U << 31) },
		    8);
	}
}

static void make_frame(struct frame *frame, uint32_t link_type, uint32_t node, uint32_t member)
{
	uint32_t flow = draw((uint32_t)recipe.flows) + node * 3 + member * (uint32_t)recipe.drift;
	uint32_t size;

	frame->length = 0;
	if (link_type == LINK_ETHERNET && draw(40) == 0) {
		put_ethernet(frame, node, 0x0806);
		put(frame, "\0\1\10\0\6\4\0\1", 8);
		for (uint32_t i = 0; i < 2; i++) {
			put16(frame, 0x0200);
			put32(frame, node);
			put32(frame, 0x0a000000U | node << 8 | (i + 2));
		}
	} else if (link_type == LINK_ETHERNET && draw(10) == 0 && !recipe.clean) {
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
	fill_frame(frame);
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
	uint32_t snaplen, member;
	uint64_t drops, bytes, index_bytes, index_tail;

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
	file->bytes += stored;
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
	int64_t time;
	uint32_t captured, fraction;

	if (recipe.tick > 0)
		time_ns -= time_ns % recipe.tick;
	time = (int64_t)(time_ns / unit);
	fraction = (uint32_t)(time_ns % CLOCK_NS_PER_S / unit);
	make_frame(&frame, file->link_type, file->node_number, file->member);
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

static void describe(const struct file *file, struct segment *segment)
{
	segment->sequence = file->sequence;
	segment->previous = file->previous;
	segment->start_ns = file->start_ns;
	segment->end_ns = file->start_ns + SECONDS * CLOCK_NS_PER_S;
	segment->since_ns = file->since_ns;
	segment->earliest_ns = file->earliest_ns;
	segment->latest_ns = file->latest_ns;
	segment->packets = file->packets;
	segment->snaplen = file->snaplen;
	segment->max_age_s = SECONDS;
	segment->drops.count[DROP_KERNEL] = file->drops;
	segment->bytes = file->bytes;
	(void)snprintf(segment->node, sizeof segment->node, "%s", file->node);
	(void)snprintf(segment->interface, sizeof segment->interface, "%s", file->interface);
	(void)snprintf(segment->interfaces, sizeof segment->interfaces, "%s",
		       file->node_number % 5 == 0 ? "eth0 eth1" : "eth0");
	(void)snprintf(segment->reason, sizeof segment->reason, "age");
}

static void write_index(struct file *file)
{
	char bytes[SEGMENT_METADATA_MAX];
	struct text facts = text_over(bytes, sizeof bytes);
	cleanup_free struct segment *segment = mem_calloc(1, sizeof *segment);
	cleanup_free uint8_t *copy = NULL;
	const uint8_t *index;
	size_t length, tail;

	describe(file, segment);
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
	file->bytes += length;
	file->index_bytes = length;
	file->index_tail = tail;
}

static void write_fact(void *context, const char *key, const char *value)
{
	(void)context;
	(void)fprintf(facts_file, "%s=%s\n", key, value);
}

static void write_facts(const struct file *file, const char *name)
{
	cleanup_free struct segment *segment = mem_calloc(1, sizeof *segment);

	describe(file, segment);
	if (file->index_bytes > 0)
		(void)snprintf(segment->index, sizeof segment->index, "1:%ju:%ju",
			       (uintmax_t)file->index_bytes, (uintmax_t)file->index_tail);
	(void)fprintf(facts_file, "%s\n", name);
	segment_each_field(segment, write_fact, NULL);
	(void)fputc('\n', facts_file);
}

static void write_packets(struct file *file, uint32_t packets)
{
	uint64_t step = SECONDS * CLOCK_NS_PER_S / (packets + 1), at = file->start_ns;
	uint32_t done = 0;

	for (uint32_t m = 0; m < recipe.members; m++) {
		struct index_member member = { .packets = 0 };
		uint32_t until = (uint32_t)((uint64_t)packets * (m + 1) / recipe.members);
		size_t length = 0;

		file->member = m;
		collector_begin(file->collector, file->keys);
		for (; done < until; done++) {
			uint64_t back = draw(20) == 0 ? draw((uint32_t)DISORDER_NS) : 0;

			at += draw((uint32_t)(2 * step));
			if (at > file->start_ns + SECONDS * CLOCK_NS_PER_S)
				at = file->start_ns + SECONDS * CLOCK_NS_PER_S;
			length += add_packet(file, file->plain + length, at - back, &member);
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
	char name[SEGMENT_NAME_MAX + 1], extension[32], object_bytes[1024];
	struct text object = text_over(object_bytes, sizeof object_bytes);
	cleanup_free char *path = NULL;
	struct error err;

	(void)snprintf(source.interface, sizeof source.interface, "%s", file->interface);
	(void)snprintf(extension, sizeof extension, "%s%s", file->format->extension,
		       file->codec->extension);
	name_format(file->node, file->interface, file->start_ns, file->sequence, extension, name);
	name_object("", recipe.time ? CONF_LAYOUT_TIME : CONF_LAYOUT_NODE, file->node, name,
		    &object);
	path = mem_printf("%s/%s", bucket, object_bytes);
	*strrchr(path, '/') = '\0';
	if (file_make_folders(path, 0755, &err) < 0)
		die(err.message);
	path[strlen(path)] = '/';
	file->bytes = file->index_bytes = file->index_tail = 0;
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
	write_facts(file, object_bytes);
	file->index = index_free(file->index);
	if (file->state)
		codec_state_free(file->codec, file->state);
	(void)close(file->fd);
}

static void choose_plain(struct file *file)
{
	file->codec = &codec_gzip;
	file->format = &format_pcap;
	file->is_nano = file->has_index = true;
	file->is_damaged = false;
	file->snaplen = 262144;
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
		is_reset_due = recipe.reset == i + 1 && file->node_number == 1;
		if (i % 17 == 9 && !recipe.plain) { /* the recorder was not there, and began anew */
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
		file->drops = i == 2 && file->node_number == 0 && file->interface[3] == '0'
				      ? recipe.drops
				      : 0;
		if (recipe.plain)
			choose_plain(file);
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
	cleanup_free char *facts = mem_printf("%s.facts", folder);

	facts_file = fopen(facts, "we");
	if (!facts_file)
		die(facts);
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

static void take_word(char *word)
{
	const char *value = strchr(word, '=');
	size_t length = value ? (size_t)(value - word) : strlen(word);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncmp(words[i].word, word, length) == 0 && !words[i].word[length]) {
			*words[i].number = value ? number(value + 1) : 1;
			return;
		}
	die(word);
}

static void take_words(char **list)
{
	for (; *list; list++)
		take_word(*list);
}

static uint32_t link_type_of(uint32_t node, uint32_t interface)
{
	if (recipe.plain || interface > 0)
		return LINK_ETHERNET;
	return node % 7 == 3 ? LINK_RAW : node % 7 == 5 ? LINK_SLL2 : LINK_ETHERNET;
}

int main(int argc, char **argv)
{
	struct file file = { .plain = mem_alloc(MEMBER_MAX),
			     .packed = mem_alloc(2 * MEMBER_MAX),
			     .collector = mem_calloc(1, sizeof *file.collector),
			     .keys = mem_calloc(1, sizeof *file.keys) };

	if (argc < 8)
		die("needs BUCKET ORACLE SEED NODES OBJECTS PACKETS START_S");
	take_words(argv + 8);
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
			file.link_type = link_type_of(node, i);
			write_interface(&file, (uint32_t)number(argv[5]), (uint32_t)number(argv[6]),
					number(argv[7]) * CLOCK_NS_PER_S, argv[1]);
		}
	}
	if (fclose(facts_file) != 0)
		die("facts");
	(void)printf("{\"packets\": %ju}\n", (uintmax_t)file.packets_sum);
	free(file.plain);
	free(file.packed);
	free(file.collector);
	free(file.keys);
	return 0;
}
