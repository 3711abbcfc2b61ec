/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Frames for the tests of the index: written as hexadecimal digits, blanks anywhere. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "index/collector.h"
#include "index/index.h"
#include "segment/deflate.h"

#define FRAME_MAX 512

#define ETHERNET  "020000000002 020000000001 "
#define ADDRESSES "0a000001 0a000002 "
/* 10.0.0.1 to 10.0.0.2; the total length does not matter to anybody here. */
#define IPV4_OF(protocol)    "45000054 00000000 40" protocol "0000 " ADDRESSES
#define IPV6_ADDRESSES       "20010db8000000000000000000000002 20010db8000000000000000000000001 "
#define IPV6_OF(protocol)    "60000000 0040" protocol "40 " IPV6_ADDRESSES
#define TCP_SYN              "c000 01bb 00000000 00000000 5002 ffff 0000 0000 " /* 49152 to 443 */
#define UDP_TO(port)         "c000 " port " 0000 0000 "
#define VXLAN                "08000000 00002a00 "
#define INNER_ADDRESSES      "0af40101 0af40102 "
#define INNER_IPV4(protocol) "45000054 00000000 40" protocol "0000 " INNER_ADDRESSES

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

/* Returns how many bytes there are. */
static inline size_t frame_of(const char *digits, uint8_t out[FRAME_MAX])
{
	size_t length = 0;

	for (const char *p = digits; *p; p++) {
		char pair[3] = { 0 };

		if (isspace((unsigned char)*p))
			continue;
		pair[0] = p[0];
		pair[1] = p[1];
		assert_true(isxdigit((unsigned char)pair[0]) && isxdigit((unsigned char)pair[1]));
		assert_true(length < FRAME_MAX);
		out[length++] = (uint8_t)strtoul(pair, NULL, 16);
		p++;
	}
	return length;
}

/* In a block of exactly its size, so that a sanitizer sees every step too far. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return copy;
}

static inline uint64_t type_of(uint16_t ethertype, uint8_t kind, uint8_t vlan, uint8_t protocol,
			       uint8_t flags)
{
	return (uint64_t)ethertype << 32 | (uint64_t)kind << 24 | (uint64_t)vlan << 16 |
	       (uint64_t)protocol << 8 | flags;
}
