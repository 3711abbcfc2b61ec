/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* CRC32C (Castagnoli), as GCS and others compare it. Pure. */

#include <stddef.h>
#include <stdint.h>

/* The CRC of what came before (0 at the beginning) and these bytes: "123456789" gives 0xe3069283. */
uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length);
