/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The interfaces of this machine: which there are, followed by netlink (links.h); which of them to record
 * (select.h); which one has the default route (default_route.h); and what the kernel counts of each
 * (netdev.h). Nothing here captures, or changes an interface.
 */

#include "netif/default_route.h"
#include "netif/links.h"
#include "netif/netdev.h"
#include "netif/select.h"
