/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The blocks of a result of many interfaces, see packet/pcapng.h. Pure: each returns its length. */

#include <stddef.h>

#include "fetch/result/result_source.h"

/* Large enough for each of these but a packet. */
#define RESULT_BLOCK_MAX 8192

size_t result_encode_section(const char *comment, uint8_t out[RESULT_BLOCK_MAX]);
size_t result_encode_interface(const struct result_source *source, uint8_t out[RESULT_BLOCK_MAX]);
size_t result_encode_statistics(uint32_t interface, bool is_nano,
				const struct result_statistics *statistics,
				uint8_t out[RESULT_BLOCK_MAX]);

/* Of this captured length. */
size_t result_packet_bytes(uint32_t captured);
/* Exactly as long as that. */
void result_encode_packet(uint32_t interface, uint64_t ticks, uint32_t captured, uint32_t original,
			  const uint8_t *packet, uint8_t *out);
