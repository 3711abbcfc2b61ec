/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network interfaces of this machine, by rtnetlink(7): a table that is read once and then follows the
 * kernel's notifications. If notifications arrive faster than they are read, the kernel reports that it
 * dropped some, and the table is read again. Main thread only; never blocks.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Further interfaces are ignored. */
#define LINKS_MAX 16384

struct link {
	unsigned index; /* the kernel's number, which a rename does not change */
	char name[IF_NAMESIZE];
	bool is_up; /* administratively ("ip link set up"), with or without a carrier */
	bool is_loopback;
	bool is_listed; /* private to links.c: seen in the dump that is being read */
};

struct links;

/* Read the table; from now on notifications arrive at links_fd(). */
int links_open(struct links **ret_links, struct error *err) __attribute__((warn_unused_result));
struct links *links_close(struct links *links);
/* Readable when there is something for links_read(). */
int links_fd(const struct links *links);
/* Follow default routes, too, or no longer. */
int links_watch_routes(struct links *links, bool is_wanted, struct error *err)
	__attribute__((warn_unused_result));

/* Process the notifications that have arrived, and say what changed. */
struct links_changes {
	bool has_links; /* a link appeared, disappeared, or changed its name or state */
	bool has_route; /* a default route was added or removed */
};
int links_read(struct links *links, struct links_changes *ret_changes, struct error *err)
	__attribute__((warn_unused_result));

/* All links by ascending index; valid until the next links_read(). */
const struct link *links_list(const struct links *links, size_t *ret_count);
/* The link with this index, or NULL. */
const struct link *links_find(const struct links *links, unsigned index);
