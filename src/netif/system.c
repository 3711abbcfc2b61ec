/* SPDX-License-Identifier: Apache-2.0 */
#include "netif/system.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/mem.h"

/* One line: "  eth0: BYTES PACKETS 6 more, BYTES PACKETS …". */
static bool parse_line(const char *line, const char *interface, uint64_t *in, uint64_t *out)
{
	const char *name = line + strspn(line, " ");
	const char *end = name + strcspn(name, "\n");
	const char *colon = NULL;

	for (const char *p = name; p < end; p++) /* a name may hold one, an alias does */
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

bool system_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out)
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

bool system_is_up(const char *interface)
{
	struct ifreq request = { .ifr_flags = 0 };
	cleanup_close int fd = -1;

	if (strcmp(interface, "any") == 0)
		return true;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true; /* it is not known to be down */
	(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}
