/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Raw deflate (RFC 1951), without a header or checksum, of small things: an index. Pure but for memory while it works. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that this many bytes can become. */
size_t deflate_bound(size_t length);
/* Returns how many bytes came out; 0 if they do not fit. */
size_t deflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t capacity);
/* True if all of it becomes exactly out_bytes. */
bool inflate_raw(const uint8_t *bytes, size_t length, uint8_t *out, size_t out_bytes);
