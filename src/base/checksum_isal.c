/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <isa-l/crc.h>

#define STEP_MAX (UINT32_C(1) << 30) /* the library's length is an int */

uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length)
{
	/* The library's prototype lacks const, but it only reads. */
	unsigned char *p = (unsigned char *)(uintptr_t)bytes;

	crc = ~crc;
	while (length > 0) {
		size_t step = length < STEP_MAX ? length : STEP_MAX;

		crc = crc32_iscsi(p, (int)step, crc);
		p += step;
		length -= step;
	}
	return ~crc;
}
