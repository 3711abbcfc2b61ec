/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network interfaces that there are, as the kernel tells it (rtnetlink(7)): a table that is read once
 * and then follows the kernel's messages. If those come faster than they are read, the kernel says that
 * some are lost, and the table is read again. Main thread only; never blocks.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* More interfaces than that are not looked at. */
#define LINKS_MAX 16384

struct link {
	unsigned index; /* the kernel's number for it, which outlives a rename */
	char name[IF_NAMESIZE];
	bool is_up; /* as "ip link set up" has it, whether or not there is a carrier */
	bool is_loopback;
	bool is_listed; /* links.c: seen while the table is read again */
};

struct links;

/* Read the table; from now on changes wait at links_fd(). */
int links_open(struct links **ret_links, struct error *err) __attribute__((warn_unused_result));
struct links *links_close(struct links *links);
/* Readable when there is something for links_read(). */
int links_fd(const struct links *links);
/* Also tell about default routes, or no longer. */
int links_watch_routes(struct links *links, bool is_wanted, struct error *err)
	__attribute__((warn_unused_result));

/* What has come; the table is changed accordingly. */
struct links_changes {
	bool has_links; /* a link came, went, or is another now */
	bool has_route; /* a default route came or went */
};
int links_read(struct links *links, struct links_changes *ret_changes, struct error *err)
	__attribute__((warn_unused_result));

/* All there are, by growing index; until the next links_read(). */
const struct link *links_list(const struct links *links, size_t *ret_count);
/* The one of this index, or NULL. */
const struct link *links_find(const struct links *links, unsigned index);
