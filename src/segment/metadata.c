/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* One row per fact: its key, its type and its place. Times are nanoseconds in the struct. */
enum fact_type {
	FACT_TEXT,
	FACT_NUMBER,
	FACT_TIME,
	FACT_CRC
};

static const struct fact {
	const char *key;
	enum fact_type type;
	size_t offset, size;
	bool is_ours; /* in our files only */
} facts[] = {
#define FACT_OF(key, type, field, is_ours)                               \
	{                                                                \
		key, type, offsetof(struct segment, field),              \
			sizeof(((struct segment *)NULL)->field), is_ours \
	}
#define FACT(key, type, field) FACT_OF(key, type, field, false)
	FACT("node", FACT_TEXT, node),
	FACT("interface", FACT_TEXT, interface),
	FACT("link-type", FACT_TEXT, link_type),
	FACT("filter", FACT_TEXT, filter),
	FACT("snaplen", FACT_NUMBER, snaplen),
	FACT("id", FACT_TEXT, id),
	FACT("sequence", FACT_NUMBER, sequence),
	FACT("start", FACT_TIME, start_ns),
	FACT("end", FACT_TIME, end_ns),
	FACT("first", FACT_TIME, first_ns),
	FACT("last", FACT_TIME, last_ns),
	FACT("reason", FACT_TEXT, reason),
	FACT("packets", FACT_NUMBER, packets),
	FACT("packets-own", FACT_NUMBER, packets_own),
	FACT("pcap-bytes", FACT_NUMBER, pcap_bytes),
	FACT("drops-kernel", FACT_NUMBER, drops.count[DROP_KERNEL]),
	FACT("drops-interface", FACT_NUMBER, drops.count[DROP_INTERFACE]),
	FACT("drops-budget", FACT_NUMBER, drops.count[DROP_BUDGET]),
	FACT("drops-disk", FACT_NUMBER, drops.count[DROP_DISK]),
	FACT("bytes", FACT_NUMBER, bytes),
	FACT("crc32c", FACT_CRC, crc32c),
	FACT_OF("carried", FACT_NUMBER, carried, true),
#undef FACT
#undef FACT_OF
};

#define VALUE_MAX (SEGMENT_FILTER_MAX + 1)

static void format_value(const struct segment *segment, const struct fact *fact,
			 char value[VALUE_MAX])
{
	const void *field = (const char *)segment + fact->offset;

	switch (fact->type) {
	case FACT_TEXT:
		(void)snprintf(value, VALUE_MAX, "%s", (const char *)field);
		break;
	case FACT_NUMBER:
		(void)snprintf(value, VALUE_MAX, "%ju", (uintmax_t) * (const uint64_t *)field);
		break;
	case FACT_TIME:
		if (*(const uint64_t *)field == 0)
			value[0] = '\0';
		else
			text_format_time(*(const uint64_t *)field, value);
		break;
	case FACT_CRC:
		(void)snprintf(value, VALUE_MAX, "%08x", *(const uint32_t *)field);
		break;
	}
}

static int parse_value(const struct fact *fact, const char *value, struct segment *segment)
{
	void *field = (char *)segment + fact->offset;
	uint64_t number;

	switch (fact->type) {
	case FACT_TEXT:
		(void)snprintf(field, fact->size, "%s", value);
		return 0;
	case FACT_NUMBER:
		return text_parse_number(value, field);
	case FACT_TIME:
		*(uint64_t *)field = 0;
		return *value ? text_parse_time(value, field) : 0;
	case FACT_CRC:
		if (text_parse_hex(value, &number) < 0 || number > UINT32_MAX)
			return -1;
		*(uint32_t *)field = (uint32_t)number;
		return 0;
	}
	return -1;
}

void segment_each_fact(const struct segment *segment,
		       void (*visit)(void *context, const char *key, const char *value),
		       void *context)
{
	char value[VALUE_MAX];

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		if (facts[i].is_ours)
			continue;
		format_value(segment, &facts[i], value);
		visit(context, facts[i].key, value);
	}
}

static void append_line(void *context, const char *key, const char *value)
{
	struct text *out = context;

	text_append(out, "%s=", key);
	for (const char *p = value; *p;
	     p++) /* a filter may hold line ends; they mean a blank there */
		text_append(out, "%c", *p == '\n' || *p == '\r' ? ' ' : *p);
	text_append(out, "\n");
}

void segment_encode(const struct segment *segment, struct text *out)
{
	char value[VALUE_MAX];

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		format_value(segment, &facts[i], value);
		append_line(out, facts[i].key, value);
	}
}

static const struct fact *find_fact(const char *key, size_t length)
{
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		if (strlen(facts[i].key) == length && memcmp(facts[i].key, key, length) == 0)
			return &facts[i];
	return NULL;
}

int segment_decode(const char *text, struct segment *ret_segment, struct error *err)
{
	struct segment segment = { 0 };

	while (*text) {
		size_t length = strcspn(text, "\n");
		const char *equals = memchr(text, '=', length);
		const struct fact *fact;
		char value[VALUE_MAX];
		size_t value_length;

		if (!equals)
			return error_set(err, ERROR_FATAL, "facts: a line without '='");
		value_length = length - (size_t)(equals + 1 - text);
		if (value_length >= sizeof value)
			return error_set(err, ERROR_FATAL, "facts: a line is too long");
		memcpy(value, equals + 1, value_length);
		value[value_length] = '\0';
		fact = find_fact(text, (size_t)(equals - text));
		if (fact && parse_value(fact, value, &segment) < 0)
			return error_set(err, ERROR_FATAL, "facts: %s has the value '%s'",
					 fact->key, value);
		text += length + (text[length] == '\n');
	}
	*ret_segment = segment;
	return 0;
}
