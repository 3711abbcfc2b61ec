/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Random packets of a few hosts and ports: of every kind that the index has a key for, and of others. */

#include <stddef.h>
#include <stdint.h>

#define MADE_MAX 512

/* Returns how many bytes there are; at times cut short, or with changed bytes. */
size_t make_packet(uint32_t link_type, uint8_t out[MADE_MAX]);

uint32_t random_below(uint32_t limit);
