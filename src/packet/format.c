/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/format.h"

#include <string.h>

static const struct format *const formats[] = { &format_pcap };

const struct format *format_of_name(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		const char *extension = formats[i]->extension;
		const char *found = strstr(name, extension);

		for (; found; found = strstr(found + 1, extension)) {
			char after = found[strlen(extension)];

			if (after == '\0' || after == '.')
				return formats[i];
		}
	}
	return NULL;
}
