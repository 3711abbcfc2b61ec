/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/typed_time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"

#define MINUTE_S INT64_C(60)
#define HOUR_S   INT64_C(3600)
/* Nanoseconds fit into 63 bits, as everywhere else. */
#define YEAR_MIN       1970
#define YEAR_MAX       2261
#define DURATION_MAX_S (UINT64_C(36525) * 86400)
#define TEXT_MAX       64

static void skip_blanks(const char **text)
{
	*text += strspn(*text, " \t");
}

/* Exactly this many digits. */
static bool read_digits(const char **text, size_t digits, int64_t *ret_number)
{
	int64_t number = 0;

	for (; digits > 0; digits--, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		number = number * 10 + (**text - '0');
	}
	*ret_number = number;
	return true;
}

/* The same, between a minimum and a maximum. */
static bool read_part(const char **text, size_t digits, int min, int max, int *ret_number)
{
	int64_t number;

	if (!read_digits(text, digits, &number) || number < min || number > max)
		return false;
	*ret_number = (int)number;
	return true;
}

/* The compact form has no signs between the numbers. */
static bool skip_sign(const char **text, char sign, bool is_compact)
{
	if (is_compact)
		return true;
	if (**text != sign)
		return false;
	(*text)++;
	return true;
}

/* '.' and one to nine digits, or nothing. */
static bool read_fraction(const char **text, uint32_t *ret_ns)
{
	uint32_t unit = (uint32_t)CLOCK_NS_PER_S, ns = 0;

	*ret_ns = 0;
	if (**text != '.')
		return true;
	for ((*text)++; isdigit((unsigned char)**text) && unit > 1; (*text)++) {
		unit /= 10;
		ns += (uint32_t)(**text - '0') * unit;
	}
	*ret_ns = ns;
	return unit < CLOCK_NS_PER_S && !isdigit((unsigned char)**text);
}

static bool read_day(const char **text, bool is_compact, struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month;
	bool is_leap;

	if (!read_part(text, 4, YEAR_MIN, YEAR_MAX, &year) || !skip_sign(text, '-', is_compact) ||
	    !read_part(text, 2, 1, 12, &month) || !skip_sign(text, '-', is_compact))
		return false;
	is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return read_part(text, 2, 1, days[month - 1] + (is_leap && month == 2), &tm->tm_mday);
}

/* Hours and minutes, and seconds if they are there. */
static bool read_clock(const char **text, bool is_compact, struct tm *tm, uint32_t *ret_ns)
{
	if (!read_part(text, 2, 0, 23, &tm->tm_hour) || !skip_sign(text, ':', is_compact) ||
	    !read_part(text, 2, 0, 59, &tm->tm_min))
		return false;
	if (!is_compact && **text != ':')
		return true;
	return skip_sign(text, ':', is_compact) && read_part(text, 2, 0, 59, &tm->tm_sec) &&
	       read_fraction(text, ret_ns);
}

/* "+01:00", or "+0100" as date(1) prints it. */
static bool read_offset(const char *text, struct typed_time *time)
{
	int sign = *text++ == '-' ? -1 : 1, hours, minutes;

	if (!read_part(&text, 2, 0, 23, &hours))
		return false;
	if (*text == ':')
		text++;
	if (!read_part(&text, 2, 0, 59, &minutes))
		return false;
	time->zone = TYPED_ZONE_OFFSET;
	time->offset_s = sign * (hours * HOUR_S + minutes * MINUTE_S);
	return !*text;
}

/* All that is left is a zone, or nothing. */
static bool read_zone(const char *text, struct typed_time *time)
{
	skip_blanks(&text);
	if (*text == '+' || *text == '-')
		return read_offset(text, time);
	if (strcasecmp(text, "z") == 0 || strcasecmp(text, "utc") == 0)
		time->zone = TYPED_ZONE_OFFSET;
	else if (strcasecmp(text, "local") == 0)
		time->zone = TYPED_ZONE_LOCAL;
	else
		return !*text;
	return true;
}

/* A day, a clock, or both; then a zone. */
static bool read_calendar(const char *text, struct typed_time *time)
{
	size_t digits = strspn(text, "0123456789");
	bool is_compact = digits == 8, has_clock = true;
	struct tm tm = { .tm_year = YEAR_MIN - 1900, .tm_mday = 1 };

	time->kind = digits == 2 ? TYPED_CLOCK : TYPED_DAY;
	if (time->kind == TYPED_DAY) {
		if (!read_day(&text, is_compact, &tm))
			return false;
		has_clock = *text == 'T' || *text == 't' ||
			    (*text == ' ' && isdigit((unsigned char)text[1]));
		text += has_clock;
	}
	if (is_compact && !has_clock)
		return false; /* a number of eight digits is too easily something else */
	if (has_clock && !read_clock(&text, is_compact, &tm, &time->ns))
		return false;
	time->seconds = timegm(&tm);
	return read_zone(text, time);
}

/* "@1795429330.5" */
static bool read_epoch(const char *text, struct typed_time *time)
{
	size_t digits = strspn(++text, "0123456789");

	time->kind = TYPED_EPOCH;
	return digits > 0 && digits <= 10 && read_digits(&text, digits, &time->seconds) &&
	       read_fraction(&text, &time->ns) && !*text;
}

/* The seconds of a unit, of which a word is left; 0: there is no such unit. */
static uint64_t read_unit(const char **text)
{
	static const struct {
		const char *words; /* with a blank around each */
		uint64_t seconds;
	} units[] = { { " s sec secs second seconds ", 1 },
		      { " m min mins minute minutes ", 60 },
		      { " h hr hrs hour hours ", 3600 },
		      { " d day days ", 86400 } };
	size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
	char word[16];

	if (length == 0 || length > sizeof word - sizeof "  ")
		return 0;
	(void)snprintf(word, sizeof word, " %.*s ", (int)length, *text);
	*text += length;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strstr(units[i].words, word))
			return units[i].seconds;
	return 0;
}

int typed_time_read_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0;

	skip_blanks(&text);
	do {
		size_t digits = strspn(text, "0123456789");
		int64_t number;
		uint64_t unit;

		if (digits == 0 || digits > 10 || !read_digits(&text, digits, &number))
			return -1;
		skip_blanks(&text);
		unit = read_unit(&text);
		sum += (uint64_t)number * unit; /* at most 10^10 days in seconds */
		if (unit == 0 || sum > DURATION_MAX_S)
			return -1;
		skip_blanks(&text);
	} while (*text);
	*ret_ns = sum * CLOCK_NS_PER_S;
	return 0;
}

/* "10m ago" (changes the text), "-10m" */
static bool read_ago(char *text, struct typed_time *time)
{
	size_t length = strlen(text);

	time->kind = TYPED_AGO;
	if (*text == '-')
		return typed_time_read_duration(text + 1, &time->ago_ns) == 0;
	if (length < sizeof " ago" || strcmp(text + length - strlen(" ago"), " ago") != 0)
		return false;
	text[length - strlen(" ago")] = '\0';
	return typed_time_read_duration(text, &time->ago_ns) == 0;
}

int typed_time_read(const char *typed, struct typed_time *ret_time)
{
	struct typed_time time = { .kind = TYPED_NOW };
	char text[TEXT_MAX];
	size_t length;
	bool is_read;

	skip_blanks(&typed);
	length = strlen(typed);
	while (length > 0 && strchr(" \t", typed[length - 1]))
		length--;
	if (length >= sizeof text)
		return -1;
	(void)snprintf(text, sizeof text, "%.*s", (int)length, typed);
	if (strcmp(text, "now") == 0)
		is_read = true;
	else if (*text == '@')
		is_read = read_epoch(text, &time);
	else if (*text == '-' || (length > 4 && strcmp(text + length - 4, " ago") == 0))
		is_read = read_ago(text, &time);
	else
		is_read = read_calendar(text, &time);
	if (!is_read)
		return -1;
	*ret_time = time;
	return 0;
}
