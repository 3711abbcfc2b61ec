/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets like those of a node: flows that send in bursts, sequence numbers and time stamps that go on,
 * true checksums, and payload that compresses as real payload does (most of it is encrypted). At snaplen
 * 96, gzip -6 makes them 2.5 times smaller, as it does with captures of real networks.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "trace.h"

enum {
	ETHERNET_BYTES = 14,
	IP_BYTES = 20,
	TCP_BYTES = 32, /* with the time stamp option that all systems send */
	UDP_BYTES = 8,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	NODE_MACS = 3,
	RECORD_MAX = 16384, /* of TLS */
	TEXT_BYTES = 1 << 18,
	LINES_MAX = TEXT_BYTES / 32,
	MESSAGES = 200,
};

#define NUMBER_MAGIC "KNTtest!" /* what tests/e2e/packets.py looks for */

enum kind {
	KIND_TLS,
	KIND_HTTP,
	KIND_QUIC,
	KIND_DNS,
	KIND_ANNOUNCEMENT, /* the same again and again: service discovery, neighbours, health checks */
};

/* Of 100 flows; and of a flow's packets. */
static const unsigned kind_percent[] = { 30, 52, 1, 17 };
#define ACK_PERCENT   47
#define FULL_PERCENT  28
#define BURST_PERCENT 78 /* the next packet is of the same flow */
/* Of all packets; from so many senders that they are further apart than gzip's window. */
#define ANNOUNCEMENT_PERCENT 11
#define ANNOUNCERS           150

struct flow {
	enum kind kind;
	uint8_t mac[2][6], address[2][4]; /* client, server */
	uint16_t port[2];
	uint32_t sequence[2], stamp[2];
	uint16_t ip_id[2];
	uint32_t record_left[2]; /* bytes until the next TLS record */
	size_t text_offset;
	uint64_t seed; /* of an announcement */
};

struct model {
	uint64_t random;
	struct flow *flows; /* those of TCP and UDP, then ANNOUNCERS */
	const struct trace_model *wanted;
	char *text;                            /* of which HTTP flows send parts */
	uint32_t lines[LINES_MAX], line_count; /* where its lines begin */
};

/* xorshift64*: the same packets everywhere, and fast enough for gigabytes. */
static uint64_t next_random(struct model *model)
{
	model->random ^= model->random >> 12;
	model->random ^= model->random << 25;
	model->random ^= model->random >> 27;
	return model->random * UINT64_C(2685821657736338717);
}

static uint32_t below(struct model *model, uint32_t limit)
{
	return (uint32_t)((next_random(model) >> 32) * limit >> 32);
}

static void fill_random(struct model *model, uint8_t *out, size_t length)
{
	while (length > 0) {
		uint64_t value = next_random(model);
		size_t part = length < sizeof value ? length : sizeof value;

		memcpy(out, &value, part);
		out += part;
		length -= part;
	}
}

static void put_u16(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static void put_u32(uint8_t *out, uint32_t value)
{
	put_u16(out, value >> 16);
	put_u16(out + 2, value);
}

/* A line of text as servers send it, with numbers of all lengths. Returns its length. */
static size_t make_line(uint64_t dice, unsigned more, char *out, size_t size)
{
	unsigned number = (unsigned)(dice >> 50), few = (unsigned)(dice >> 16 & 0xffff);
	int length;

	switch (dice % 4) {
	case 0:
		length = snprintf(out, size,
				  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				  "Content-Length: %u\r\nX-Request-Id: %08x%08x\r\n\r\n",
				  number, more, few);
		break;
	case 1:
		length = snprintf(out, size,
				  "GET /api/v1/namespaces/%u/pods/%08x-%x HTTP/1.1\r\n"
				  "Host: apiserver.internal\r\nAccept: application/json\r\n\r\n",
				  number, more, few);
		break;
	case 2:
		length = snprintf(out, size,
				  "{\"id\":%u,\"uid\":\"%08x-%04x\",\"phase\":\"Running\","
				  "\"labels\":{\"app\":\"web\",\"tier\":\"front\"}},",
				  number, more, few);
		break;
	default:
		length = snprintf(out, size,
				  "<tr><td>%u</td><td class=\"n\">%x</td><td>%x</td></tr>\n",
				  number, more, few);
		break;
	}
	return (size_t)length;
}

static void make_text(struct model *model)
{
	size_t length = 0;

	model->text = mem_alloc(TEXT_BYTES);
	while (length < TEXT_BYTES) {
		char line[256];
		uint64_t dice = next_random(model);
		size_t wanted = make_line(dice, (unsigned)next_random(model), line, sizeof line);
		size_t part = wanted < TEXT_BYTES - length ? wanted : TEXT_BYTES - length;

		model->lines[model->line_count++] = (uint32_t)length;
		memcpy(model->text + length, line, part);
		length += part;
	}
}

static enum kind choose_kind(struct model *model)
{
	uint32_t dice = below(model, 100), kind = 0;

	while (dice >= kind_percent[kind])
		dice -= kind_percent[kind++];
	return (enum kind)kind;
}

static void make_flow(struct model *model, enum kind kind, struct flow *flow)
{
	static const uint16_t ports[] = { [KIND_TLS] = 443,
					  [KIND_HTTP] = 8080,
					  [KIND_QUIC] = 443,
					  [KIND_DNS] = 53,
					  [KIND_ANNOUNCEMENT] = 5353 };
	*flow = (struct flow){ .kind = kind, .seed = next_random(model) };
	for (int side = 0; side < 2; side++) {
		/* The node's side is one of a few pods, the other one anybody behind the gateway. */
		bool is_node = side == (int)below(model, 2);
		const uint8_t mac[6] = {
			2, 0, 0, 0, is_node ? (uint8_t)0x99 : 0x98, (uint8_t)below(model, NODE_MACS)
		};

		memcpy(flow->mac[side], mac, sizeof mac);
		flow->address[side][0] = 10;
		flow->address[side][1] = is_node ? 4 : (uint8_t)below(model, 40);
		flow->address[side][2] = is_node ? 1 : (uint8_t)below(model, 256);
		flow->address[side][3] = (uint8_t)below(model, is_node ? 60 : 256);
		flow->port[side] = (uint16_t)(side ? ports[kind] : 32768 + below(model, 28232));
		flow->sequence[side] = (uint32_t)next_random(model);
		flow->stamp[side] = (uint32_t)next_random(model);
		flow->ip_id[side] = (uint16_t)next_random(model);
	}
	flow->text_offset = below(model, TEXT_BYTES);
}

static void fill_tls(struct model *model, struct flow *flow, int side, uint8_t *out, size_t length)
{
	while (length > 0) {
		uint32_t *left = &flow->record_left[side];
		size_t part;

		if (*left == 0 && length >= 5) {
			*left = 64 + below(model, RECORD_MAX - 64);
			memcpy(out, "\x17\x03\x03", 3);
			put_u16(out + 3, *left);
			out += 5;
			length -= 5;
		}
		part = *left > 0 && *left < length ? *left : length;
		fill_random(model, out, part);
		*left -= *left > 0 ? (uint32_t)part : 0;
		out += part;
		length -= part;
	}
}

static void fill_text(struct model *model, struct flow *flow, uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = (uint8_t)model->text[(flow->text_offset + i) % TEXT_BYTES];
	flow->text_offset = (flow->text_offset + length) % TEXT_BYTES;
}

/* A question for one of some names; an answer repeats it and adds an address. */
static void fill_dns(struct model *model, uint8_t *out, size_t length)
{
	static const uint8_t head[] = { 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	char name[64];
	size_t name_bytes = (size_t)snprintf(name, sizeof name,
					     "\x06web-%02u\x07"
					     "default\x03svc\x07"
					     "cluster\x05local",
					     below(model, 40)) +
			    1;

	memset(out, 0, length);
	if (length < 2 + sizeof head)
		return;
	put_u16(out, (uint32_t)next_random(model));
	memcpy(out + 2, head, sizeof head);
	memcpy(out + 2 + sizeof head, name,
	       name_bytes < length - 2 - sizeof head ? name_bytes : length - 2 - sizeof head);
}

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (; length > 1; bytes += 2, length -= 2)
		sum += (uint32_t)bytes[0] << 8 | bytes[1];
	return length ? sum + ((uint32_t)bytes[0] << 8) : sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum ^ 0xffff;
}

static void put_ip(struct flow *flow, int side, uint8_t *packet, uint32_t length, uint8_t protocol)
{
	uint8_t *ip = packet + ETHERNET_BYTES;

	memcpy(packet, flow->mac[!side], 6);
	memcpy(packet + 6, flow->mac[side], 6);
	put_u16(packet + 12, 0x0800);
	memset(ip, 0, IP_BYTES);
	ip[0] = 0x45;
	put_u16(ip + 2, length - ETHERNET_BYTES);
	put_u16(ip + 4, protocol == PROTOCOL_TCP ? flow->ip_id[side]++ : 0);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, flow->address[side], 4);
	memcpy(ip + 16, flow->address[!side], 4);
	put_u16(ip + 10, fold(add_words(0, ip, IP_BYTES)));
}

/* Over the pseudo header, the transport header and the payload. */
static void put_checksum(uint8_t *packet, uint32_t length, uint8_t protocol, uint32_t offset)
{
	uint8_t *transport = packet + ETHERNET_BYTES + IP_BYTES;
	uint32_t bytes = length - ETHERNET_BYTES - IP_BYTES;
	uint32_t sum = add_words(protocol + bytes, packet + ETHERNET_BYTES + 12, 8);

	put_u16(transport + offset, fold(add_words(sum, transport, bytes)));
}

static void make_tcp(struct model *model, struct flow *flow, int side, uint8_t *packet,
		     uint32_t length)
{
	uint8_t *tcp = packet + ETHERNET_BYTES + IP_BYTES, *payload = tcp + TCP_BYTES;
	size_t payload_bytes = length - ETHERNET_BYTES - IP_BYTES - TCP_BYTES;

	put_ip(flow, side, packet, length, PROTOCOL_TCP);
	put_u16(tcp, flow->port[side]);
	put_u16(tcp + 2, flow->port[!side]);
	put_u32(tcp + 4, flow->sequence[side]);
	put_u32(tcp + 8, flow->sequence[!side]);
	put_u16(tcp + 12, payload_bytes ? 0x8018 : 0x8010);
	put_u16(tcp + 14, 501 - (payload_bytes ? 0 : below(model, 8)));
	put_u32(tcp + 16, 0);
	put_u32(tcp + 20, 0x0101080a);
	put_u32(tcp + 24, flow->stamp[side] += below(model, 3));
	put_u32(tcp + 28, flow->stamp[!side]);
	/* What is smaller than a full packet begins a message; the same ones are sent over and over. */
	if (payload_bytes > 0 && length < TRACE_PACKET_MAX) {
		flow->record_left[side] = 0;
		flow->text_offset =
			model->lines[below(model, MESSAGES) * (model->line_count / MESSAGES)];
	}
	if (flow->kind == KIND_TLS)
		fill_tls(model, flow, side, payload, payload_bytes);
	else
		fill_text(model, flow, payload, payload_bytes);
	flow->sequence[side] += (uint32_t)payload_bytes;
	put_checksum(packet, length, PROTOCOL_TCP, 16);
}

static void make_udp(struct model *model, struct flow *flow, int side, uint8_t *packet,
		     uint32_t length)
{
	uint8_t *udp = packet + ETHERNET_BYTES + IP_BYTES, *payload = udp + UDP_BYTES;
	size_t payload_bytes = length - ETHERNET_BYTES - IP_BYTES - UDP_BYTES;

	put_ip(flow, side, packet, length, PROTOCOL_UDP);
	put_u16(udp, flow->port[side]);
	put_u16(udp + 2, flow->port[!side]);
	put_u16(udp + 4, length - ETHERNET_BYTES - IP_BYTES);
	put_u16(udp + 6, 0);
	if (flow->kind == KIND_DNS) {
		fill_dns(model, payload, payload_bytes);
	} else if (flow->kind == KIND_ANNOUNCEMENT) {
		struct model same = { .random = flow->seed };

		fill_random(&same, payload, payload_bytes);
	} else {
		fill_random(model, payload, payload_bytes);
	}
	put_checksum(packet, length, PROTOCOL_UDP, 6);
}

/* A UDP packet whose payload is MAGIC, the number, then text. No checksum: the number changes. */
static void make_numbered(struct model *model, struct flow *flow, uint8_t *packet, uint32_t length)
{
	uint8_t *payload = packet + ETHERNET_BYTES + IP_BYTES + UDP_BYTES;

	flow->port[1] = model->wanted->stream;
	make_udp(model, flow, 0, packet, length);
	put_u16(payload - 2, 0);
	memcpy(payload, NUMBER_MAGIC, 8);
	memset(payload + 8, 0, 8);
	fill_text(model, flow, payload + 16, length - ETHERNET_BYTES - IP_BYTES - UDP_BYTES - 16);
}

static bool is_tcp(const struct flow *flow)
{
	return flow->kind == KIND_TLS || flow->kind == KIND_HTTP;
}

static uint32_t choose_size(struct model *model, const struct flow *flow, size_t number)
{
	const struct trace_model *wanted = model->wanted;
	uint32_t dice = below(model, 100), head = ETHERNET_BYTES + IP_BYTES + TCP_BYTES;

	if (wanted->size_count > 0)
		return wanted->sizes[number % wanted->size_count];
	if (flow->kind == KIND_DNS)
		return 84 + below(model, 90);
	if (flow->kind == KIND_ANNOUNCEMENT)
		return 90 + (uint32_t)(flow->seed & 255);
	if (flow->kind == KIND_QUIC)
		return dice < 50 ? 1292 : 70 + below(model, 200);
	if (dice < ACK_PERCENT)
		return head;
	if (dice < ACK_PERCENT + FULL_PERCENT)
		return TRACE_PACKET_MAX;
	/* Anything in between, small ones more often. */
	return head + 1 + (below(model, 1447) >> below(model, 6));
}

/* Whose packet comes after one of `flow`, NULL at the beginning: a few flows send most. */
static struct flow *choose_flow(struct model *model, struct flow *flow)
{
	uint64_t u = below(model, 1 << 20);

	if (below(model, 100) < ANNOUNCEMENT_PERCENT)
		return &model->flows[model->wanted->flows + below(model, ANNOUNCERS)];
	if (flow && flow->kind != KIND_ANNOUNCEMENT && below(model, 100) < BURST_PERCENT)
		return flow;
	return &model->flows[((u * u >> 20) * u >> 20) * model->wanted->flows >> 20];
}

void trace_make(const struct trace_model *wanted, struct trace *ret_trace)
{
	struct model model = { .random = UINT64_C(0x9e3779b97f4a7c15), .wanted = wanted };
	struct trace trace = {
		.packets = mem_calloc(wanted->packets, sizeof *trace.packets),
		.bytes = mem_alloc(wanted->packets * (size_t)TRACE_PACKET_MAX),
		.number_offset = wanted->is_numbered ? ETHERNET_BYTES + IP_BYTES + UDP_BYTES + 8
						     : 0,
	};
	struct flow *flow = NULL;
	uint8_t *end = trace.bytes;

	make_text(&model);
	model.flows = mem_calloc(wanted->flows + ANNOUNCERS, sizeof *model.flows);
	for (size_t i = 0; i < wanted->flows; i++)
		make_flow(&model, choose_kind(&model), &model.flows[i]);
	for (size_t i = 0; i < ANNOUNCERS; i++)
		make_flow(&model, KIND_ANNOUNCEMENT, &model.flows[wanted->flows + i]);
	for (size_t i = 0; i < wanted->packets; i++) {
		uint32_t length;
		int side;

		flow = choose_flow(&model, flow);
		side = flow->kind == KIND_ANNOUNCEMENT ? 0 : (int)below(&model, 2);
		length = choose_size(&model, flow, i);
		if (wanted->is_numbered)
			make_numbered(&model, flow, end, length);
		else if (is_tcp(flow) && length >= ETHERNET_BYTES + IP_BYTES + TCP_BYTES)
			make_tcp(&model, flow, side, end, length);
		else
			make_udp(&model, flow, side, end, length);
		trace.packets[trace.count++] = (struct trace_packet){ end, length };
		end += length;
	}
	free(model.flows);
	free(model.text);
	*ret_trace = trace;
}

void trace_number(const struct trace *trace, struct trace_packet *packet, uint64_t number)
{
	uint8_t *out = packet->bytes + trace->number_offset;

	put_u32(out, (uint32_t)(number >> 32));
	put_u32(out + 4, (uint32_t)number);
}
