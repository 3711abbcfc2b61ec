/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text: conversion of numbers, sizes and times, and a buffer of fixed size that truncates and never overruns.
 * Pure (except for UUIDs): no allocation, no I/O, no locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text in a caller's array; always NUL-terminated. Text that does not fit is truncated and is_cut set. */
struct text {
	char *bytes;
	size_t length;
	size_t capacity;
	bool is_cut;
};

struct text text_over(char *bytes, size_t capacity);
void text_append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Append a JSON string with its quotes. Control characters are escaped, and bytes that are not UTF-8 are
 * replaced by U+FFFD, so that the result is always valid. */
void text_append_json(struct text *text, const char *value);

/* Put blanks for control characters, also U+0080 to U+009F, which control terminals, too; all but those allowed. */
void text_blank_controls(char *text, const char *allowed);

/* A random UUID (RFC 9562, version 4). */
#define TEXT_UUID_LENGTH 36
void text_make_uuid(char out[TEXT_UUID_LENGTH + 1]);

#define TEXT_TIME_MAX 32

/* "2026-11-23T08:30:00.123Z" (UTC, milliseconds). out has TEXT_TIME_MAX bytes. */
void text_format_rfc3339(uint64_t real_ns, char *out);

/*
 * RFC 3339 with the shortest exact fraction: "2026-11-23T08:30:00.123456789Z", and back. Parsing returns -1
 * for text that does not have exactly this form (UTC, 'T', 'Z', 0 to 9 digits of fraction).
 */
void text_format_time(uint64_t real_ns, char *out);
int text_parse_time(const char *text, uint64_t *ret_real_ns) __attribute__((warn_unused_result));

/* Parse digits only, without sign or blanks; -1 if it is not a number or exceeds 64 bits. */
int text_parse_number(const char *text, uint64_t *ret_number) __attribute__((warn_unused_result));

/*
 * Parse a size: digits, then nothing (times plain_unit), B (bytes), k/M/G (powers of 1000) or KiB/MiB/GiB
 * (powers of 1024). Returns -1 if it is not a size or exceeds 64 bits.
 */
int text_parse_size(const char *text, uint64_t plain_unit, uint64_t *ret_bytes)
	__attribute__((warn_unused_result));

/* "1.5 MB" for people; out has TEXT_SIZE_MAX bytes. */
#define TEXT_SIZE_MAX 32
void text_format_size(uint64_t bytes, char *out);
