/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which network interfaces to record: the names that are configured, with "auto" looked up. */

#include <net/if.h>
#include <stddef.h>

#include "base/error.h"
#include "conf/conf.h"

#define INTERFACES_MAX 16

struct interfaces {
	char names[INTERFACES_MAX][IF_NAMESIZE];
	size_t count;
};

/*
 * Resolve capture.interface. A name that is not there: ERROR_CONFIG or ERROR_USAGE. "auto" that finds
 * nothing: ERROR_FATAL, because a network may come up a little later.
 */
int interfaces_resolve(const struct conf *conf, struct interfaces *ret_interfaces,
		       struct error *err) __attribute__((warn_unused_result));

/*
 * The interface of the default route with the lowest metric in a table of the form of /proc/net/route
 * (IPv4) or /proc/net/ipv6_route. Pure; false if there is none.
 */
bool interfaces_default_ipv4(const char *table, char ret_name[IF_NAMESIZE]);
bool interfaces_default_ipv6(const char *table, char ret_name[IF_NAMESIZE]);
