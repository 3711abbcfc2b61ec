/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network interfaces of this machine: which there are, which of them to record, which one has the default
 * route, and what the kernel counts of each. Nothing here captures, blocks, or changes an interface.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/interface_words.h"

/*
 * links.c: a table that is read once by rtnetlink(7) and then follows the kernel's notifications. If they arrive
 * faster than they are read, the kernel reports that it dropped some, and the table is read again. Main thread only.
 */

/* Further interfaces are ignored. */
#define LINKS_MAX 16384

struct link {
	unsigned index; /* the kernel's number, which a rename does not change */
	char name[IF_NAMESIZE];
	bool is_up; /* administratively ("ip link set up"), with or without a carrier */
	bool is_loopback;
	bool is_tunnel; /* packets of another network travel in those that it makes: vxlan, geneve, gre … */
	bool is_listed; /* private to links.c: seen in the dump that is being read */
};

struct links;

/* Read the table; from now on notifications arrive at links_fd(). */
int links_open(struct links **ret_links, struct error *err) __attribute__((warn_unused_result));
void links_close(struct links *links);
/* Readable when there is something for links_read(). */
int links_fd(const struct links *links);
/* Follow default routes, too, or no longer. */
int links_watch_routes(struct links *links, bool is_wanted, struct error *err)
	__attribute__((warn_unused_result));

enum links_change {
	LINKS_LINK = 1 << 0,  /* a link appeared, disappeared, or changed its name or state */
	LINKS_ROUTE = 1 << 1, /* a default route was added or removed */
};
/* Process the notifications that have arrived. Returns what changed (enum links_change, or-ed). */
int links_read(struct links *links, struct error *err) __attribute__((warn_unused_result));

/* All links by ascending index; valid until the next links_read(). */
const struct link *links_list(const struct links *links, size_t *ret_count);
/* The link with this index, or NULL. */
const struct link *links_find(const struct links *links, unsigned index);

/* One that is up and a tunnel, or NULL. */
static inline const struct link *links_find_tunnel(const struct links *links)
{
	size_t count;
	const struct link *list = links_list(links, &count);

	for (size_t i = 0; i < count; i++)
		if (list[i].is_tunnel && list[i].is_up)
			return &list[i];
	return NULL;
}

/* select.c: the words of capture.interface against the links that there are. Pure. */

/* The current links, and the one that "auto" selects; "" if none. */
struct interfaces_view {
	struct links *links;
	char auto_name[IF_NAMESIZE];
};

/* Is this very name, or "any", one of the words? */
bool interfaces_have(const struct interface_words *words, const char *name);
/* Is an interface with this name to be recorded? auto_name is the one that "auto" selects, or "". */
bool interfaces_want(const struct interface_words *words, const char *name, const char *auto_name);

/*
 * The link that "auto" selects: that of the default route (route_name, or ""); without such a route the one
 * selected before (its index, or 0) while it exists; else the first that is up and no loopback; or NULL.
 */
const struct link *interfaces_auto(const struct link *links, size_t count, const char *route_name,
				   unsigned before);

/* Why a word that should select an interface selects none that is up, for people; NULL: it does, or need not. */
const char *interfaces_why_missing(const struct interface_words *words,
				   const struct interface_word *word, const struct link *links,
				   size_t count, const char *auto_name);
/* Is the word the name of one interface, and not excluded? */
bool interfaces_is_name(const struct interface_words *words, const struct interface_word *word);

/* proc_net.c: from the texts in /proc/net. Any thread. */

/* The interface of the default route, IPv4 before IPv6; "" if there is none. */
void default_route_read(char ret_name[IF_NAMESIZE]);
/*
 * That with the lowest metric in a table as /proc/net/route (IPv4) or /proc/net/ipv6_route has it. Pure;
 * false if there is none.
 */
bool default_route_find(const char *table, bool is_ipv6, char ret_name[IF_NAMESIZE]);
/* Packets in and out of an interface, in a text such as /proc/net/dev; "any" is their sum over all. Pure. */
bool netdev_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out);
