/* SPDX-License-Identifier: Apache-2.0 */
#include "netif/default_route.h"

#include <fcntl.h>
#include <limits.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define ROUTE_TABLE_MAX ((size_t)16 << 20) /* a node with 100,000 routes has less */
#define ROUTE_MAX       512                /* one of them, in bytes */

/* The next line of a table, copied: sscanf() would measure all that follows, again for each route. */
static bool next_route(const char **table, char line[ROUTE_MAX])
{
	size_t length = strcspn(*table, "\n");

	if (!**table)
		return false;
	(void)snprintf(line, ROUTE_MAX, "%.*s", (int)length, *table);
	*table += length + ((*table)[length] == '\n');
	return true;
}

bool default_route_ipv4(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;
	char line[ROUTE_MAX];

	/* Name, destination, gateway, flags, two counts, metric, mask; no number is in the heading. */
	while (next_route(&table, line)) {
		char name[IF_NAMESIZE];
		unsigned long destination, flags, metric, mask;

		if (sscanf(line, "%15s %lx %*x %lx %*d %*d %lu %lx", name, &destination, &flags,
			   &metric, &mask) == 5 &&
		    destination == 0 && mask == 0 && (flags & RTF_UP) && !(flags & RTF_REJECT) &&
		    metric < best) {
			best = metric;
			memcpy(ret_name, name, sizeof name);
		}
	}
	return best != ULONG_MAX;
}

bool default_route_ipv6(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;
	char line[ROUTE_MAX];

	/* Destination, its length, source, its length, next hop, metric, two counts, flags, name. */
	while (next_route(&table, line)) {
		char name[IF_NAMESIZE], destination[33];
		unsigned long length, metric, flags;

		if (sscanf(line, "%32s %lx %*s %*x %*s %lx %*x %*x %lx %15s", destination, &length,
			   &metric, &flags, name) == 5 &&
		    length == 0 && strspn(destination, "0") == 32 && (flags & RTF_UP) &&
		    !(flags & RTF_REJECT) && strcmp(name, "lo") != 0 && metric < best) {
			best = metric;
			memcpy(ret_name, name, sizeof name);
		}
	}
	return best != ULONG_MAX;
}

static bool find_by_route(const char *path, bool (*find)(const char *, char[IF_NAMESIZE]),
			  char ret_name[IF_NAMESIZE])
{
	cleanup_free char *table = NULL;
	struct error err;
	size_t length;

	/* Without IPv6, say, there is no such file: then there is no such route either. */
	return file_read_text(AT_FDCWD, path, ROUTE_TABLE_MAX, &table, &length, &err) == 0 &&
	       find(table, ret_name);
}

void default_route_read(char ret_name[IF_NAMESIZE])
{
	if (!find_by_route("/proc/net/route", default_route_ipv4, ret_name) &&
	    !find_by_route("/proc/net/ipv6_route", default_route_ipv6, ret_name))
		*ret_name = '\0';
}
