/* SPDX-License-Identifier: Apache-2.0 */
#include "netif/netdev.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One line: "  eth0: BYTES PACKETS 6 more, BYTES PACKETS …". */
static bool parse_line(const char *line, const char *interface, uint64_t *in, uint64_t *out)
{
	const char *name = line + strspn(line, " ");
	const char *end = name + strcspn(name, "\n");
	const char *colon = NULL;

	for (const char *p = name; p < end; p++) /* the last one: an alias has one in its name */
		if (*p == ':')
			colon = p;
	if (!colon)
		return false;
	if (strcmp(interface, "any") != 0 &&
	    (strlen(interface) != (size_t)(colon - name) ||
	     strncmp(name, interface, (size_t)(colon - name)) != 0))
		return false;
	return sscanf(colon + 1, "%*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, in, out) ==
	       2;
}

bool netdev_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out)
{
	bool is_found = false;

	*ret_in = *ret_out = 0;
	for (const char *line = table; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		uint64_t in, out;

		if (!parse_line(line, interface, &in, &out))
			continue;
		is_found = true;
		*ret_in += in;
		*ret_out += out;
	}
	return is_found;
}
