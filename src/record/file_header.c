/* SPDX-License-Identifier: Apache-2.0 */
#include "record/file_header.h"

#include <stdio.h>
#include <sys/utsname.h>

#define DIGITS_MICRO 6
#define DIGITS_NANO  9

size_t file_header_encode(const char *node, const struct chunk_source *source,
			  uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	struct utsname system;
	char os[sizeof system.sysname + sizeof system.release];
	const struct format_origin origin = { node, system.machine, os,
					      PACKAGE_NAME " " PACKAGE_VERSION };

	(void)uname(&system); /* cannot fail for a valid pointer */
	(void)snprintf(os, sizeof os, "%s %s", system.sysname, system.release);
	return source->format->encode_header(source, &origin, out);
}

void file_header_note(const struct chunk_source *source, struct segment *segment)
{
	(void)snprintf(segment->interface, sizeof segment->interface, "%s", source->interface);
	(void)snprintf(segment->link_type, sizeof segment->link_type, "%s", source->link_type_name);
	(void)snprintf(segment->filter, sizeof segment->filter, "%s", source->filter);
	segment->snaplen = source->snaplen;
	segment->link_type_value = source->link_type;
	segment->time_digits = source->is_nano ? DIGITS_NANO : DIGITS_MICRO;
}

size_t file_header_again(const struct segment *segment, const struct format *format,
			 uint8_t out[FORMAT_EDGE_BYTES_MAX])
{
	struct chunk_source source = {
		.snaplen = (uint32_t)segment->snaplen,
		.is_nano = segment->time_digits == DIGITS_NANO,
		.format = format,
	};

	if (segment->time_digits == 0)
		return 0;
	source.link_type = (uint32_t)segment->link_type_value;
	(void)snprintf(source.interface, sizeof source.interface, "%s", segment->interface);
	(void)snprintf(source.filter, sizeof source.filter, "%s", segment->filter);
	return file_header_encode(segment->node, &source, out);
}
