/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/interfaces.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define ROUTE_TABLE_MAX ((size_t)16 << 20) /* a node with 100,000 routes has less */

bool interfaces_default_ipv4(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;

	/* Name, destination, gateway, flags, two counts, metric, mask; the first line is a heading. */
	for (const char *line = strchr(table, '\n'); line && line[1];
	     line = strchr(line + 1, '\n')) {
		char name[IF_NAMESIZE];
		unsigned long destination, flags, metric, mask;

		if (sscanf(line + 1, "%15s %lx %*x %lx %*d %*d %lu %lx", name, &destination, &flags,
			   &metric, &mask) == 5 &&
		    destination == 0 && mask == 0 && (flags & RTF_UP) && !(flags & RTF_REJECT) &&
		    metric < best) {
			best = metric;
			memcpy(ret_name, name, sizeof name);
		}
	}
	return best != ULONG_MAX;
}

bool interfaces_default_ipv6(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;

	/* Destination, its length, source, its length, next hop, metric, two counts, flags, name. */
	for (const char *line = table; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
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

static bool find_first_up(char ret_name[IF_NAMESIZE])
{
	struct ifaddrs *list;
	bool is_found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (struct ifaddrs *item = list; item && !is_found; item = item->ifa_next)
		if ((item->ifa_flags & IFF_UP) && !(item->ifa_flags & IFF_LOOPBACK)) {
			(void)snprintf(ret_name, IF_NAMESIZE, "%s", item->ifa_name);
			is_found = true;
		}
	freeifaddrs(list);
	return is_found;
}

static int resolve_one(const struct conf *conf, const char *word, char ret_name[IF_NAMESIZE],
		       struct error *err)
{
	if (strcmp(word, "auto") == 0) {
		if (find_by_route("/proc/net/route", interfaces_default_ipv4, ret_name) ||
		    find_by_route("/proc/net/ipv6_route", interfaces_default_ipv6, ret_name) ||
		    find_first_up(ret_name))
			return 0;
		return error_set(
			err, ERROR_FATAL,
			"no default route, and no interface but the loopback is up; name one "
			"with -i, or wait for the network");
	}
	if (strcmp(word, "any") != 0 && if_nametoindex(word) == 0)
		return conf_error(
			conf, CONF_capture_interface, err,
			"no interface '%s'; allowed: a name that 'ip link' shows, any, auto", word);
	(void)snprintf(ret_name, IF_NAMESIZE, "%s", word);
	return 0;
}

int interfaces_resolve(const struct conf *conf, struct interfaces *ret_interfaces,
		       struct error *err)
{
	cleanup_free char *words = mem_strdup(conf->capture_interface);
	struct interfaces interfaces = { 0 };
	char *rest = words, *word;

	while ((word = strsep(&rest, ","))) {
		char name[IF_NAMESIZE] = "";
		bool is_known = false;

		if (resolve_one(conf, word, name, err) < 0)
			return -1;
		for (size_t i = 0; i < interfaces.count; i++)
			is_known |= strcmp(interfaces.names[i], name) == 0;
		if (is_known)
			continue; /* named twice, or found by "auto" too: recorded once */
		if (interfaces.count == INTERFACES_MAX)
			return conf_error(conf, CONF_capture_interface, err,
					  "too many interfaces; allowed: %d", INTERFACES_MAX);
		memcpy(interfaces.names[interfaces.count++], name, sizeof name);
	}
	*ret_interfaces = interfaces;
	return 0;
}
