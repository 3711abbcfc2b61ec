/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* CRC32C (Castagnoli), the checksum of GCS and other storage services. Pure. */

#include <stddef.h>
#include <stdint.h>

/* Extend a CRC (initially 0) by these bytes: "123456789" gives 0xe3069283. */
uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length);
