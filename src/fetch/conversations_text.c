/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations for people and for scripts. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "fetch/conversations.h"
#include "fetch/json_text.h"
#include "index/decap.h"
#include "index/key.h"

#define PROTOCOL_TEXT_MAX 32

static void format_addresses(const struct conversation *conversation, char low[INET6_ADDRSTRLEN],
			     char high[INET6_ADDRSTRLEN])
{
	int family = key_kind(conversation->type) == HEADERS_IPV6 ? AF_INET6 : AF_INET;

	if (key_kind(conversation->type) == HEADERS_OPAQUE) {
		low[0] = high[0] = '-';
		low[1] = high[1] = '\0';
		return;
	}
	(void)inet_ntop(family, conversation->low, low, INET6_ADDRSTRLEN);
	(void)inet_ntop(family, conversation->high, high, INET6_ADDRSTRLEN);
}

/* "tcp", "icmp", "arp", "ip-proto-99", "0x88cc" */
static void format_protocol(uint64_t type, char out[PROTOCOL_TEXT_MAX])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { PROTOCOL_TCP, "tcp" },   { PROTOCOL_UDP, "udp" },
		      { PROTOCOL_ICMP, "icmp" }, { PROTOCOL_ICMPV6, "icmp6" },
		      { PROTOCOL_SCTP, "sctp" }, { PROTOCOL_GRE, "gre" } };
	uint8_t protocol = (uint8_t)(type >> 8), kind = key_kind(type);
	struct text text = text_over(out, PROTOCOL_TEXT_MAX);

	if (kind == HEADERS_ARP)
		text_append(&text, "arp");
	else if (kind == HEADERS_OPAQUE && type >> 32 == 0)
		text_append(&text, "llc");
	else if (kind == HEADERS_OPAQUE)
		text_append(&text, "0x%04x", (unsigned)(type >> 32));
	else
		text_append(&text, "ip-proto-%u", protocol);
	for (size_t i = 0;
	     (kind == HEADERS_IPV4 || kind == HEADERS_IPV6) && i < sizeof names / sizeof *names;
	     i++)
		if (names[i].number == protocol) {
			text = text_over(out, PROTOCOL_TEXT_MAX);
			text_append(&text, "%s", names[i].name);
		}
}

void conversations_write(const struct conversations *conversations, FILE *out)
{
	char low[INET6_ADDRSTRLEN], high[INET6_ADDRSTRLEN], protocol[PROTOCOL_TEXT_MAX];

	(void)fprintf(out, "%-15s  %-15s  %-8s  %5s  %7s  %7s  %7s\n", "ADDRESS", "ADDRESS",
		      "PROTOCOL", "PORT", "MEMBERS", "SYN", "RST");
	for (size_t i = 0; i < conversations->count; i++) {
		const struct conversation *conversation = &conversations->list[i];

		format_addresses(conversation, low, high);
		format_protocol(conversation->type, protocol);
		(void)fprintf(out, "%-15s  %-15s  %-8s  %5u  %7u  %7u  %7u%s\n", low, high,
			      protocol, conversation->port, conversation->members,
			      conversation->with_syn, conversation->with_rst,
			      conversation->type & KEY_FLAG_INNER ? "  in a tunnel" : "");
	}
}

json_t *conversations_json(const struct conversations *conversations)
{
	char low[INET6_ADDRSTRLEN], high[INET6_ADDRSTRLEN], protocol[PROTOCOL_TEXT_MAX];
	json_t *list = json_array();

	for (size_t i = 0; i < conversations->count; i++) {
		const struct conversation *conversation = &conversations->list[i];
		json_t *row = json_object(), *addresses = json_array();

		format_addresses(conversation, low, high);
		format_protocol(conversation->type, protocol);
		if (json_array_append_new(addresses, json_string(low)) < 0 ||
		    json_array_append_new(addresses, json_string(high)) < 0)
			abort();
		json_set(row, "addresses", addresses);
		json_set(row, "protocol", json_string(protocol));
		json_set(row, "port", json_integer(conversation->port));
		json_set(row, "members", json_integer(conversation->members));
		json_set(row, "with_syn", json_integer(conversation->with_syn));
		json_set(row, "with_rst", json_integer(conversation->with_rst));
		json_set(row, "with_fin", json_integer(conversation->with_fin));
		json_set(row, "in_tunnel", json_boolean(conversation->type & KEY_FLAG_INNER));
		if (!list || json_array_append_new(list, row) < 0)
			abort();
	}
	return list;
}
