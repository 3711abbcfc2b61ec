/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"

struct text text_over(char *bytes, size_t capacity)
{
	bytes[0] = '\0';
	return (struct text){ .bytes = bytes, .capacity = capacity };
}

void text_append(struct text *text, const char *format, ...)
{
	size_t room = text->capacity - text->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->bytes + text->length, room, format, args);
	va_end(args);
	if (length < 0)
		return;
	if ((size_t)length >= room) {
		text->length = text->capacity - 1;
		text->is_cut = true;
	} else {
		text->length += (size_t)length;
	}
}

/* Length of the UTF-8 sequence at p, 0 if invalid; RFC 3629, section 4. */
static int utf8_length(const unsigned char *p)
{
	/* By first byte: the length, and the allowed range of the second byte. */
	static const struct {
		unsigned char first, last, second_min, second_max;
		int length;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].length > 1 &&
		    (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (int j = 2; j < forms[i].length; j++)
			if ((p[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

void text_append_json(struct text *text, const char *value)
{
	int length;

	text_append(text, "\"");
	for (const unsigned char *p = (const unsigned char *)value; *p;
	     p += length > 0 ? length : 1) {
		length = utf8_length(p);
		if (length == 0)
			text_append(text, "\\ufffd");
		else if (*p == '"' || *p == '\\')
			text_append(text, "\\%c", *p);
		else if (*p < ' ' || *p == 0x7f)
			text_append(text, "\\u%04x", *p);
		else if (*p == 0xc2 && p[1] < 0xa0) /* U+0080 to U+009F control terminals, too */
			text_append(text, "\\u%04x", p[1]);
		else
			text_append(text, "%.*s", length, (const char *)p);
	}
	text_append(text, "\"");
}

/* Whole seconds in UTC, without the zone: "2026-11-23T08:30:00". */
static void format_seconds(uint64_t real_ns, char *out, size_t capacity)
{
	time_t seconds = (time_t)(real_ns / CLOCK_NS_PER_S);
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(out, capacity, "%Y-%m-%dT%H:%M:%S", &tm);
}

void text_format_rfc3339(uint64_t real_ns, char *out)
{
	unsigned milliseconds = (unsigned)(real_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS);
	char whole[TEXT_TIME_MAX - 8];

	format_seconds(real_ns, whole, sizeof whole);
	(void)snprintf(out, TEXT_TIME_MAX, "%s.%03uZ", whole, milliseconds);
}

void text_format_compact(uint64_t real_ns, char *out)
{
	char full[TEXT_TIME_MAX];

	text_format_rfc3339(real_ns, full);
	for (const char *p = full; *p; p++)
		if (*p != '-' && *p != ':')
			*out++ = *p;
	*out = '\0';
}

void text_format_time(uint64_t real_ns, char *out)
{
	unsigned fraction = (unsigned)(real_ns % CLOCK_NS_PER_S);
	int digits = 9;
	char whole[TEXT_TIME_MAX - 11];

	format_seconds(real_ns, whole, sizeof whole);
	if (fraction == 0) {
		(void)snprintf(out, TEXT_TIME_MAX, "%sZ", whole);
		return;
	}
	for (; fraction % 10 == 0; digits--)
		fraction /= 10;
	(void)snprintf(out, TEXT_TIME_MAX, "%s.%0*uZ", whole, digits, fraction);
}

int text_parse_time(const char *text, uint64_t *ret_real_ns)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t fraction = 0, unit = CLOCK_NS_PER_S;
	time_t seconds;

	if (!p)
		return -1;
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p) && unit > 1; p++) {
			unit /= 10;
			fraction += (uint64_t)(*p - '0') * unit;
		}
	}
	seconds = timegm(&tm);
	if (strcmp(p, "Z") != 0 || seconds < 0)
		return -1;
	*ret_real_ns = (uint64_t)seconds * CLOCK_NS_PER_S + fraction;
	return 0;
}

/* Parse digits at *text and advance it past them. */
static int parse_digits(const char **text, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -1; /* strtoull() takes blanks and signs, too */
	errno = 0;
	number = strtoull(*text, &end, 10);
	if (errno)
		return -1;
	*text = end;
	*ret_number = number;
	return 0;
}

int text_parse_number(const char *text, uint64_t *ret_number)
{
	uint64_t number;

	if (parse_digits(&text, &number) < 0 || *text)
		return -1;
	*ret_number = number;
	return 0;
}

int text_parse_hex(const char *text, uint64_t *ret_number)
{
	size_t length = strlen(text);

	if (length == 0 || length > 16 || strspn(text, "0123456789abcdefABCDEF") < length)
		return -1;
	*ret_number = strtoull(text, NULL, 16);
	return 0;
}

int text_parse_size(const char *text, uint64_t plain_unit, uint64_t *ret_bytes)
{
	static const struct {
		const char *suffix;
		uint64_t unit;
	} suffixes[] = {
		{ "B", 1 },          { "k", 1000 },   { "K", 1000 },      { "M", 1000000 },
		{ "G", 1000000000 }, { "KiB", 1024 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
	};
	uint64_t number, unit = 0;

	if (parse_digits(&text, &number) < 0)
		return -1;
	if (!*text)
		unit = plain_unit;
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		if (strcmp(text, suffixes[i].suffix) == 0)
			unit = suffixes[i].unit;
	if (unit == 0 || __builtin_mul_overflow(number, unit, &number))
		return -1;
	*ret_bytes = number;
	return 0;
}

void text_format_size(uint64_t bytes, char *out)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
		value /= 1000;
	(void)snprintf(out, TEXT_SIZE_MAX, unit == 0 || value >= 99.5 ? "%.0f %s" : "%.1f %s",
		       value, units[unit]);
}

void text_make_uuid(char out[TEXT_UUID_LENGTH + 1])
{
	struct text uuid = text_over(out, TEXT_UUID_LENGTH + 1);
	unsigned char b[16];

	if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
		abort(); /* cannot happen for 16 bytes after boot */
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof b; i++)
		text_append(&uuid, i >= 4 && i <= 10 && i % 2 == 0 ? "-%02x" : "%02x", b[i]);
}
