/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the system says of the interfaces by itself, to hold beside what we see of them. Never blocks. */

#include <stdbool.h>
#include <stdint.h>

/* The packets in and out of an interface in a text of the form of /proc/net/dev; "any" is all of them. */
bool system_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out);
/* Is it there, and up? libpcap keeps a capture open on one that is down, and waits. */
bool system_is_up(const char *interface);
