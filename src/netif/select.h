/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which network interfaces to record: the words of capture.interface against the links that there are.
 * Pure, but for interfaces_default_route().
 *
 *   NAME   that interface          eth*   all whose names match (glob(7))
 *   any    all of them at once     auto   that of the default route
 *   !NAME, !eth*                   but not these, whatever the others say
 */

#include <stdbool.h>
#include <stddef.h>

#include "netif/links.h"

/* The links as they are now, and what "auto" stands for among them ("" if for nothing). */
struct interfaces_view {
	const struct links *links;
	char auto_name[IF_NAMESIZE];
};

/* Is this word ("any", "auto", a name) one of them? */
bool interfaces_have(const char *words, const char *word);
/* Is an interface of this name to be recorded? auto_name: what "auto" stands for, "" if for nothing. */
bool interfaces_want(const char *words, const char *name, const char *auto_name);

/*
 * What "auto" stands for: the interface of the default route (route_name, "" if there is none); without
 * one, that of before (its index; 0: none) as long as it is there; else the first that is up. NULL: none.
 */
const struct link *interfaces_auto(const struct link *links, size_t count, const char *route_name,
				   unsigned before);

/*
 * Visit each word that asks for interfaces and has none: no link that is up is wanted by it. reason tells
 * why, for people.
 */
void interfaces_each_missing(const char *words, const struct link *links, size_t count,
			     const char *auto_name,
			     void (*visit)(void *context, const char *word, const char *reason),
			     void *context);

/*
 * Visit each word that is the exact name of one interface and not excluded; none where "any" records all
 * of them anyway.
 */
void interfaces_each_name(const char *words, void (*visit)(void *context, const char *name),
			  void *context);

/* Read the routing tables: the interface of the default route, IPv4 before IPv6; "" if there is none. */
void interfaces_default_route(char ret_name[IF_NAMESIZE]);
/*
 * The interface of the default route with the lowest metric in a table of the form of /proc/net/route
 * (IPv4) or /proc/net/ipv6_route. Pure; false if there is none.
 */
bool interfaces_default_ipv4(const char *table, char ret_name[IF_NAMESIZE]);
bool interfaces_default_ipv6(const char *table, char ret_name[IF_NAMESIZE]);
