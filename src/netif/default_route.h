/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The interface of the default route. Any thread; reads files of /proc only, so it does not block. */

#include <net/if.h>
#include <stdbool.h>

/* From the routing tables, IPv4 before IPv6; "" if there is none. */
void default_route_read(char ret_name[IF_NAMESIZE]);
/*
 * That with the lowest metric in a table as /proc/net/route (IPv4) or /proc/net/ipv6_route has it. Pure;
 * false if there is none.
 */
bool default_route_ipv4(const char *table, char ret_name[IF_NAMESIZE]);
bool default_route_ipv6(const char *table, char ret_name[IF_NAMESIZE]);
