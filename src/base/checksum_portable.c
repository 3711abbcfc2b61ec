/* SPDX-License-Identifier: Apache-2.0 */
/* Without ISA-L: table-driven, one byte at a time (polynomial: RFC 3720, appendix B.4). */
#include "base/checksum.h"

#include <pthread.h>

#define POLYNOMIAL_REFLECTED UINT32_C(0x82f63b78)

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
		table[i] = crc;
	}
}

uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	(void)pthread_once(&table_once, make_table);
	crc = ~crc;
	while (length-- > 0)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}
