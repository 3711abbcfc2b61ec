/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/object_name.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

static const char reserved[] = "incidents";
static const char minutes_shape[] = "dddd/dd/dd/dddd/"; /* d is a digit */

/* How name_format() ends a name that has this interface, the number 0 and no extension. */
#define NAME_TAIL  "_x_00000000"
#define START_TEXT "20261123T083000.123Z"

static bool is_below(const char *text, const char *shape)
{
	for (; *shape; text++, shape++)
		if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
			return false;
	return true;
}

static bool is_folder_of(const struct object_place *place)
{
	char node[OBJECT_NAME_NODE_MAX + 1], in_names[SEGMENT_NAME_MAX + 1];

	if (place->folder_length > OBJECT_NAME_NODE_MAX)
		return false;
	memcpy(node, place->folder, place->folder_length);
	node[place->folder_length] = '\0';
	object_name_node(node, in_names);
	return strlen(in_names) == place->parts.node_length &&
	       memcmp(in_names, place->file, place->parts.node_length) == 0;
}

enum object_kind object_name_parse(const char *prefix, const char *name,
				   struct object_place *ret_place)
{
	struct object_place place = { .folder = name + strlen(prefix) };
	bool is_by_time = is_below(place.folder, minutes_shape);

	place.folder_length = strcspn(place.folder, "/");
	if (place.folder_length == strlen(reserved) &&
	    memcmp(place.folder, reserved, place.folder_length) == 0)
		return OBJECT_RESERVED;
	if (place.folder_length == 0 || !place.folder[place.folder_length])
		return OBJECT_FOREIGN;
	place.file = place.folder + (is_by_time ? strlen(minutes_shape) : place.folder_length + 1);
	if (strchr(place.file, '/') || !name_parse(place.file, &place.parts))
		return OBJECT_FOREIGN;
	place.start_ns = name_start_ns(place.file);
	if (place.start_ns == 0 || (!is_by_time && !is_folder_of(&place)))
		return OBJECT_FOREIGN;
	*ret_place = place;
	return is_by_time ? OBJECT_BY_TIME : OBJECT_BY_NODE;
}

/* "NODE_TIME" */
static void format_beginning(const char *node, uint64_t real_ns, char out[SEGMENT_NAME_MAX + 1])
{
	name_format(node, "x", real_ns, 0, "", out);
	out[strlen(out) - strlen(NAME_TAIL)] = '\0';
}

void object_name_node(const char *node, char out[SEGMENT_NAME_MAX + 1])
{
	format_beginning(node, 0, out);
	out[strlen(out) - strlen("_" START_TEXT)] = '\0';
}

char *object_name_of_node(const char *prefix, const char *node)
{
	char in_names[SEGMENT_NAME_MAX + 1];

	object_name_node(node, in_names);
	return mem_printf("%s%s/%s_", prefix, node, in_names);
}

char *object_name_since(const char *prefix, const char *node, uint64_t real_ns)
{
	char beginning[SEGMENT_NAME_MAX + 1];

	format_beginning(node, real_ns, beginning);
	return mem_printf("%s%s/%s", prefix, node, beginning);
}

char *object_name_minutes(const char *prefix, uint64_t real_ns)
{
	char file[SEGMENT_NAME_MAX + 1], folder[SEGMENT_NAME_MAX + sizeof minutes_shape];
	struct text text = text_over(folder, sizeof folder);

	name_format("x", "x", real_ns, 0, ".", file); /* a dot: an extension, or it is no name */
	name_object("", CONF_LAYOUT_TIME, "x", file, &text);
	*strrchr(folder, '/') = '\0';
	return mem_printf("%s%s", prefix, folder);
}
