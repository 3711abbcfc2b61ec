/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment/segment.h"

/* One row per field: its key, its type and its place. Times are nanoseconds in the struct. */
enum field_type {
	FIELD_TEXT,
	FIELD_NUMBER,
	FIELD_ORDINAL, /* a number from 1; empty: none */
	FIELD_TIME,
	FIELD_CRC
};

static const struct field {
	const char *key;
	enum field_type type;
	size_t offset, size;
	bool is_ours;  /* in our files only */
	bool is_fixed; /* there, of a fixed length */
	bool is_rare;  /* left out where there is nothing to say */
} fields[] = {
#define FIELD(key, type, field, ...)                                         \
	{                                                                    \
		key, type, offsetof(struct segment, field),                  \
			sizeof(((struct segment *)NULL)->field), __VA_ARGS__ \
	}
	FIELD("node", FIELD_TEXT, node),
	FIELD("interface", FIELD_TEXT, interface),
	FIELD("link-type", FIELD_TEXT, link_type),
	FIELD("filter", FIELD_TEXT, filter),
	FIELD("snaplen", FIELD_NUMBER, snaplen),
	FIELD("id", FIELD_TEXT, id),
	FIELD("sequence", FIELD_NUMBER, sequence),
	FIELD("start", FIELD_TIME, start_ns),
	FIELD("end", FIELD_TIME, end_ns),
	FIELD("first", FIELD_TIME, earliest_ns),
	FIELD("last", FIELD_TIME, latest_ns),
	FIELD("since", FIELD_TIME, since_ns),
	FIELD("previous", FIELD_ORDINAL, previous),
	FIELD("max-age", FIELD_NUMBER, max_age_s),
	FIELD("interfaces", FIELD_TEXT, interfaces),
	FIELD("clock", FIELD_TEXT, clock),
	FIELD("reason", FIELD_TEXT, reason),
	FIELD("packets", FIELD_NUMBER, packets, .is_fixed = true),
	FIELD("packets-own", FIELD_NUMBER, packets_own),
	FIELD("pcap-bytes", FIELD_NUMBER, pcap_bytes),
	FIELD("drops-kernel", FIELD_NUMBER, drops.count[DROP_KERNEL]),
	FIELD("drops-interface", FIELD_NUMBER, drops.count[DROP_INTERFACE]),
	FIELD("drops-budget", FIELD_NUMBER, drops.count[DROP_BUDGET]),
	FIELD("drops-disk", FIELD_NUMBER, drops.count[DROP_DISK]),
	FIELD("bytes", FIELD_NUMBER, bytes),
	FIELD("crc32c", FIELD_CRC, crc32c),
	FIELD("index", FIELD_TEXT, index, .is_rare = true),
	FIELD("data-bytes", FIELD_NUMBER, data_bytes, .is_ours = true, .is_rare = true),
	FIELD("link-type-value", FIELD_NUMBER, link_type_value, .is_ours = true),
	FIELD("time-digits", FIELD_NUMBER, time_digits, .is_ours = true),
	FIELD("losses-stated", FIELD_NUMBER, losses_stated, .is_ours = true),
	FIELD("rejected", FIELD_NUMBER, is_rejected, .is_ours = true),
#undef FIELD
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)
/* What version 0 kept for itself in its files; no attachment for others to see. */
#define OLD_KEY   "carried"

#define VALUE_MAX SEGMENT_ATTACHMENTS_MAX

static void format_value(const struct segment *segment, const struct field *field, int digits,
			 char value[VALUE_MAX])
{
	const void *place = (const char *)segment + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		(void)snprintf(value, VALUE_MAX, "%s", (const char *)place);
		break;
	case FIELD_ORDINAL:
		if (*(const uint64_t *)place == 0) {
			value[0] = '\0';
			break;
		}
		__attribute__((fallthrough));
	case FIELD_NUMBER:
		(void)snprintf(value, VALUE_MAX, "%0*ju", digits,
			       (uintmax_t) * (const uint64_t *)place);
		break;
	case FIELD_TIME:
		if (*(const uint64_t *)place == 0)
			value[0] = '\0';
		else
			text_format_time(*(const uint64_t *)place, value);
		break;
	case FIELD_CRC:
		(void)snprintf(value, VALUE_MAX, "%08x", *(const uint32_t *)place);
		break;
	}
}

static int parse_value(const struct field *field, const char *value, struct segment *segment)
{
	void *place = (char *)segment + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		(void)snprintf(place, field->size, "%s", value);
		return 0;
	case FIELD_NUMBER:
		return text_parse_number(value, place);
	case FIELD_ORDINAL:
	case FIELD_TIME:
		if (*value)
			return field->type == FIELD_TIME ? text_parse_time(value, place)
							 : text_parse_number(value, place);
		*(uint64_t *)place = 0;
		return 0;
	case FIELD_CRC:
		if (strlen(value) != 8 || strspn(value, "0123456789abcdefABCDEF") < 8)
			return -1;
		*(uint32_t *)place = (uint32_t)strtoul(value, NULL, 16);
		return 0;
	}
	return -1;
}

/* The line of this key among the attachments, or NULL. */
static const char *find_line(const char *lines, const char *key)
{
	size_t length = strlen(key);

	while (*lines) {
		if (strncmp(lines, key, length) == 0 && lines[length] == '=')
			return lines;
		lines += strcspn(lines, "\n");
		lines += *lines == '\n';
	}
	return NULL;
}

void segment_attachment(const struct segment *segment, const char *key, char *out, size_t capacity)
{
	const char *line = find_line(segment->attachments, key);
	size_t length;

	out[0] = '\0';
	if (!line)
		return;
	line += strlen(key) + 1;
	length = strcspn(line, "\n");
	if (length < capacity)
		(void)snprintf(out, capacity, "%.*s", (int)length, line);
}

bool segment_attach(struct segment *segment, const char *key, const char *value)
{
	char lines[SEGMENT_ATTACHMENTS_MAX];
	struct text text = text_over(lines, sizeof lines);
	const char *old = find_line(segment->attachments, key);
	size_t before = old ? (size_t)(old - segment->attachments) : strlen(segment->attachments);

	text_append(&text, "%.*s", (int)before, segment->attachments);
	if (old)
		text_append(&text, "%s", old + strcspn(old, "\n") + 1);
	if (*value)
		text_append(&text, "%s=%s\n", key, value);
	if (text.is_cut)
		return false;
	memcpy(segment->attachments, lines, text.length + 1);
	return true;
}

static void visit_fields(const struct segment *segment, bool is_for_us,
			 void (*visit)(void *context, const char *key, const char *value),
			 void *context)
{
	char text[VALUE_MAX], *rest = text, *line;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (fields[i].is_ours && !is_for_us)
			continue;
		format_value(segment, &fields[i],
			     is_for_us && fields[i].is_fixed ? SEGMENT_PACKETS_DIGITS : 1, text);
		if (!fields[i].is_rare || (*text != '\0' && strcmp(text, "0") != 0))
			visit(context, fields[i].key, text);
	}
	memcpy(text, segment->attachments, sizeof text);
	while ((line = strsep(&rest, "\n")) && *line) {
		char *equals = strchr(line, '=');

		*equals = '\0';
		visit(context, line, equals + 1);
	}
}

void segment_each_field(const struct segment *segment,
			void (*visit)(void *context, const char *key, const char *value),
			void *context)
{
	visit_fields(segment, false, visit, context);
}

static void append_line(void *context, const char *key, const char *value)
{
	struct text *out = context;

	text_append(out, "%s=", key);
	/* A filter may hold line ends; they mean a blank there. */
	for (const char *p = value; *p; p++)
		text_append(out, "%c", *p == '\n' || *p == '\r' ? ' ' : *p);
	text_append(out, "\n");
}

void segment_encode(const struct segment *segment, struct text *out)
{
	visit_fields(segment, true, append_line, out);
}

static bool is_key(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-")] &&
	       strcmp(key, OLD_KEY) != 0;
}

/* NULL: not ours. */
static const struct field *find_field(const char *key)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

bool segment_take_field(struct segment *segment, const char *key, const char *value)
{
	const struct field *field = find_field(key);
	char clean[VALUE_MAX];

	if (field && field->is_ours)
		return true;
	if (field && field->type != FIELD_TEXT)
		return parse_value(field, value, segment) == 0;
	(void)snprintf(clean, sizeof clean, "%s", value);
	/* Attachments are lines. */
	text_blank_controls(clean, "");
	if (field)
		return parse_value(field, clean, segment) == 0;
	if (is_key(key))
		(void)segment_attach(segment, key, clean);
	return true;
}

int segment_decode(const char *metadata, struct segment *ret_segment, struct error *err)
{
	struct segment segment = { 0 };

	while (*metadata) {
		size_t length = strcspn(metadata, "\n");
		char line[VALUE_MAX], *value;
		const struct field *field;

		if (length >= sizeof line)
			return error_set(err, ERROR_FATAL, "metadata: a line is too long");
		memcpy(line, metadata, length);
		line[length] = '\0';
		value = strchr(line, '=');
		if (!value)
			return error_set(err, ERROR_FATAL, "metadata: a line without '='");
		*value++ = '\0';
		field = find_field(line);
		if (!field) {
			if (is_key(line))
				(void)segment_attach(&segment, line, value);
		} else if (parse_value(field, value, &segment) < 0) {
			return error_set(err, ERROR_FATAL, "metadata: %s has the value '%s'",
					 field->key, value);
		}
		metadata += length + (metadata[length] == '\n');
	}
	*ret_segment = segment;
	return 0;
}
