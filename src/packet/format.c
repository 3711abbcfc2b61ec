/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/packet.h"

#include <string.h>

/* In the order of the option's words. */
static const struct format *const formats[] = {
	[CONF_FORMAT_PCAP] = &format_pcap,
	[CONF_FORMAT_PCAPNG] = &format_pcapng,
};

const struct format *format_choose(const struct conf *conf)
{
	return formats[conf->capture_format];
}

const struct format *format_of_name(const char *name)
{
	/* Node and interface, which may contain anything, end at the last '_'; a number follows it. */
	const char *number = strrchr(name, '_');
	const char *extension = strchr(number ? number : name, '.');

	for (size_t i = 0; extension && i < sizeof formats / sizeof *formats; i++) {
		size_t length = strlen(formats[i]->extension);

		if (strncmp(extension, formats[i]->extension, length) == 0 &&
		    (extension[length] == '\0' || extension[length] == '.'))
			return formats[i];
	}
	return NULL;
}
