/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text: numbers, sizes and times to and from characters, and a buffer of fixed size that is cut, never
 * overrun. Pure (but for random numbers): no allocation, no I/O, no locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters over somebody's array; always NUL-terminated. What does not fit is cut and is_cut set. */
struct text {
	char *bytes;
	size_t length;
	size_t capacity;
	bool is_cut;
};

struct text text_over(char *bytes, size_t capacity);
void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As a JSON string with its quotes; control characters are escaped, and a byte that is not UTF-8 is
 * told as U+FFFD, so that the result is always valid. */
void text_append_json(struct text *text, const char *value);
/* End with a newline, in place of the last character when there is no room. */
void text_end_line(struct text *text);

/* A random UUID (RFC 9562, version 4). */
#define TEXT_UUID_LENGTH 36
void text_make_uuid(char out[TEXT_UUID_LENGTH + 1]);

#define TEXT_TIME_MAX 32

/* "2026-11-23T08:30:00.123Z" (UTC, milliseconds). out has TEXT_TIME_MAX bytes. */
void text_format_rfc3339(uint64_t real_ns, char *out);
/* "20261123T083000.123Z": the same instant, for file names: sorts by time, no colon. */
void text_format_compact(uint64_t real_ns, char *out);

/*
 * RFC 3339 with the shortest exact fraction: "2026-11-23T08:30:00.123456789Z", and back. A text that is
 * not of exactly this form (UTC, 'T', 'Z', 0 to 9 digits of fraction) is -1.
 */
void text_format_time(uint64_t real_ns, char *out);
int text_parse_time(const char *text, uint64_t *ret_real_ns) __attribute__((warn_unused_result));

/* All digits, no sign, no blank, fits 64 bits: 0, else -1. */
int text_parse_number(const char *text, uint64_t *ret_number) __attribute__((warn_unused_result));

/* The same for 1 to 16 hexadecimal digits. */
int text_parse_hex(const char *text, uint64_t *ret_number) __attribute__((warn_unused_result));

/*
 * A size: digits, then nothing (times plain_unit), B (bytes), k/M/G (powers of 1000) or KiB/MiB/GiB
 * (powers of 1024). 0 and bytes in ret_bytes, or -1 (not a size, or more than 64 bits hold).
 */
int text_parse_size(const char *text, uint64_t plain_unit, uint64_t *ret_bytes)
	__attribute__((warn_unused_result));

/* "1.5 MB" for people; out has TEXT_SIZE_MAX bytes. */
#define TEXT_SIZE_MAX 32
void text_format_size(uint64_t bytes, char *out);
