/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/segment.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"

/* One character per position: d is a digit, anything else itself. */
static const char start_shape[] = "ddddddddTdddddd.dddZ";
#define START_LENGTH (sizeof start_shape - 1)

/* A longer name of a node, which may have 253 characters, does not fit into that of a file with all the rest. */
#define NODE_MAX 128

static void append_node(struct text *name, const char *node)
{
	size_t length = strlen(node);

	if (length <= NODE_MAX)
		text_append(name, "%s", node);
	else
		text_append(name, "%.*s-%08x", NODE_MAX - (int)strlen("-12345678"), node,
			    crc32c_update(0, node, length));
}

void name_format_interface(const char *interface, char out[SEGMENT_INTERFACE_MAX + 1])
{
	size_t length = 0;

	for (const char *p = interface; *p && length < SEGMENT_INTERFACE_MAX; p++)
		out[length++] = isalnum((unsigned char)*p) || strchr("._-", *p) ? *p : '-';
	out[length] = '\0';
}

void name_format(const char *node, const char *interface, uint64_t start_ns, uint64_t sequence,
		 const char *extension, char out[SEGMENT_NAME_MAX + 1])
{
	struct text name = text_over(out, SEGMENT_NAME_MAX + 1);
	char start[TEXT_TIME_MAX], allowed[SEGMENT_INTERFACE_MAX + 1];

	text_format_rfc3339(start_ns, start);
	name_format_interface(interface, allowed);
	append_node(&name, node);
	text_append(&name, "_");
	for (const char *p = start; *p; p++) /* a colon is a separator in some tools */
		if (*p != '-' && *p != ':')
			text_append(&name, "%c", *p);
	text_append(&name, "_%s_%08ju%s", allowed, (uintmax_t)sequence, extension);
}

static bool has_start_shape(const char *text)
{
	for (size_t i = 0; i < START_LENGTH; i++)
		if (start_shape[i] == 'd' ? !isdigit((unsigned char)text[i])
					  : text[i] != start_shape[i])
			return false;
	return true;
}

bool name_parse(const char *name, struct name_parts *ret_parts)
{
	struct name_parts parts = { 0 };
	const char *before_sequence, *digits;

	for (const char *p = strchr(name, '_'); p; p = strchr(p + 1, '_'))
		if (p > name && has_start_shape(p + 1) && p[1 + START_LENGTH] == '_') {
			parts.node_length = (size_t)(p - name);
			parts.start = p + 1;
			break;
		}
	if (!parts.start)
		return false;
	parts.interface = parts.start + START_LENGTH + 1;
	/* The interface may hold '_' and '.'; the sequence is the last '_' that digits and '.' follow. */
	before_sequence = strrchr(parts.interface, '_');
	if (!before_sequence || before_sequence == parts.interface)
		return false;
	parts.interface_length = (size_t)(before_sequence - parts.interface);
	for (digits = before_sequence + 1; isdigit((unsigned char)*digits); digits++)
		if (__builtin_mul_overflow(parts.sequence, 10, &parts.sequence) ||
		    __builtin_add_overflow(parts.sequence, (uint64_t)(*digits - '0'),
					   &parts.sequence))
			return false;
	if (digits == before_sequence + 1 || *digits != '.')
		return false;
	*ret_parts = parts;
	return true;
}

uint64_t name_start_ns(const char *name)
{
	struct name_parts parts;
	char time[TEXT_TIME_MAX];
	uint64_t start_ns;
	const char *s;

	if (!name_parse(name, &parts))
		return 0;
	s = parts.start;
	(void)snprintf(time, sizeof time, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%.3sZ", s, s + 4, s + 6,
		       s + 9, s + 11, s + 13, s + 16);
	return text_parse_time(time, &start_ns) < 0 ? 0 : start_ns;
}

int name_compare(const char *a, const char *b)
{
	struct name_parts left, right;
	bool a_is_name = name_parse(a, &left), b_is_name = name_parse(b, &right);
	int order;

	if (!a_is_name || !b_is_name)
		return a_is_name != b_is_name ? a_is_name - b_is_name : strcmp(a, b);
	order = strncmp(left.start, right.start, START_LENGTH);
	if (order == 0)
		order = (left.sequence > right.sequence) - (left.sequence < right.sequence);
	return order != 0 ? order : strcmp(a, b);
}

void name_object(const char *prefix, enum conf_upload_layout layout, const char *node,
		 const char *name, struct text *out)
{
	struct name_parts parts;
	const char *s;

	text_append(out, "%s%s", prefix, *prefix ? "/" : "");
	if (layout == CONF_LAYOUT_TIME && name_parse(name, &parts)) {
		s = parts.start; /* 20261123T083000.123Z; of the minutes, the tens and 0 or 5 */
		text_append(out, "%.4s/%.2s/%.2s/%.3s%c/%s", s, s + 4, s + 6, s + 9,
			    s[12] < '5' ? '0' : '5', name);
	} else {
		text_append(out, "%s/%s", node, name);
	}
}
