/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which interfaces to record: the words of capture.interface (conf/interface_words.h) against the links that
 * there are. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "conf/interface_words.h"
#include "netif/links.h"

/* The current links, and the one that "auto" selects; "" if none. */
struct interfaces_view {
	const struct links *links;
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

/* Visit each word that should select an interface and selects none that is up; the reason is for people. */
void interfaces_each_missing(const struct interface_words *words, const struct link *links,
			     size_t count, const char *auto_name,
			     void (*visit)(void *context, const char *word, const char *reason),
			     void *context);

/* Visit each word that is the name of one interface and is not excluded. */
void interfaces_each_name(const struct interface_words *words,
			  void (*visit)(void *context, const char *name), void *context);
