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
	static const unsigned char first[] = { 0x01, 0x80, 0xc2, 0xe0, 0xf0, 0xf5 };
	static const int lengths[] = { 0, 1, 0, 2, 3, 4, 0 };
	size_t form = 0;

	while (form < sizeof first && *p >= first[form])
		form++;
	for (int i = 1; i < lengths[form]; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and beyond U+10FFFF. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return lengths[form];
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

void text_blank_controls(char *text, const char *allowed)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = ' ';
		if ((*p < ' ' || *p == 0x7f) && !strchr(allowed, *p))
			*p = ' ';
	}
}

/* Whole seconds in UTC, without the zone: "2026-11-23T08:30:00". Returns the length. */
static size_t format_seconds(uint64_t real_ns, char *out)
{
	time_t seconds = (time_t)(real_ns / CLOCK_NS_PER_S);
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	return strftime(out, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
}

void text_format_rfc3339(uint64_t real_ns, char *out)
{
	size_t length = format_seconds(real_ns, out);

	(void)snprintf(out + length, TEXT_TIME_MAX - length, ".%03uZ",
		       (unsigned)(real_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS));
}

void text_format_time(uint64_t real_ns, char *out)
{
	size_t length = format_seconds(real_ns, out);

	(void)snprintf(out + length, TEXT_TIME_MAX - length, ".%09u",
		       (unsigned)(real_ns % CLOCK_NS_PER_S));
	length = strlen(out);
	while (out[length - 1] == '0')
		length--;
	if (out[length - 1] == '.')
		length--;
	memcpy(out + length, "Z", sizeof "Z");
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
