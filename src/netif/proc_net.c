/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells in the texts of /proc/net. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "netif/netif.h"

#define ROUTE_TABLE_MAX ((size_t)16 << 20) /* a node with 100,000 routes has less */
#define LINE_MAX_BYTES  512

struct route {
	char name[IF_NAMESIZE];
	unsigned long flags, metric;
};

/* The next line of a table, copied: sscanf() would measure all that follows, again for each line. */
static bool next_line(const char **table, char line[LINE_MAX_BYTES])
{
	size_t length = strcspn(*table, "\n");

	if (!**table)
		return false;
	(void)snprintf(line, LINE_MAX_BYTES, "%.*s", (int)length, *table);
	*table += length + ((*table)[length] == '\n');
	return true;
}

/* Name, destination, gateway, flags, two counts, metric, mask; no number is in the heading. */
static bool parse_ipv4(const char *line, struct route *route)
{
	unsigned long destination, mask;

	return sscanf(line, "%15s %lx %*x %lx %*d %*d %lu %lx", route->name, &destination,
		      &route->flags, &route->metric, &mask) == 5 &&
	       destination == 0 && mask == 0;
}

/* Destination, its length, source, its length, next hop, metric, two counts, flags, name. */
static bool parse_ipv6(const char *line, struct route *route)
{
	char destination[33];
	unsigned long length;

	return sscanf(line, "%32s %lx %*s %*x %*s %lx %*x %*x %lx %15s", destination, &length,
		      &route->metric, &route->flags, route->name) == 5 &&
	       length == 0 && strspn(destination, "0") == 32 && strcmp(route->name, "lo") != 0;
}

bool default_route_find(const char *table, bool is_ipv6, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;
	char line[LINE_MAX_BYTES];
	struct route route;

	while (next_line(&table, line))
		if ((is_ipv6 ? parse_ipv6 : parse_ipv4)(line, &route) && (route.flags & RTF_UP) &&
		    !(route.flags & RTF_REJECT) && route.metric < best) {
			best = route.metric;
			memcpy(ret_name, route.name, sizeof route.name);
		}
	return best != ULONG_MAX;
}

void default_route_read(char ret_name[IF_NAMESIZE])
{
	static const char *const paths[] = { "/proc/net/route", "/proc/net/ipv6_route" };

	*ret_name = '\0';
	for (size_t i = 0; i < 2 && !*ret_name; i++) {
		cleanup_free char *table = NULL;
		struct error err;
		size_t length;

		/* Without IPv6, say, there is no such file: then there is no such route either. */
		if (file_read_text(AT_FDCWD, paths[i], ROUTE_TABLE_MAX, &table, &length, &err) == 0)
			(void)default_route_find(table, i == 1, ret_name);
	}
}

bool netdev_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out)
{
	bool is_any = strcmp(interface, "any") == 0, is_found = false;
	char line[LINE_MAX_BYTES];
	uint64_t in, out;

	*ret_in = *ret_out = 0;
	/* "  eth0: BYTES PACKETS 6 more, BYTES PACKETS …"; an alias has a colon in its name. */
	while (next_line(&table, line)) {
		char *name = line + strspn(line, " "), *colon = strrchr(name, ':');

		if (!colon)
			continue;
		*colon = '\0';
		if ((!is_any && strcmp(name, interface) != 0) ||
		    sscanf(colon + 1, "%*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &in,
			   &out) != 2)
			continue;
		is_found = true;
		*ret_in += in;
		*ret_out += out;
	}
	return is_found;
}
