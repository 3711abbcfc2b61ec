/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel counts of each interface, to compare with what we see of it. Pure; any thread. */

#include <stdbool.h>
#include <stdint.h>

/* Packets in and out of an interface, in a text such as /proc/net/dev; "any" is their sum over all. */
bool netdev_packets(const char *table, const char *interface, uint64_t *ret_in, uint64_t *ret_out);
