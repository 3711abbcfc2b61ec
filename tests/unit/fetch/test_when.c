/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

#include "base/clock.h"
#include "fetch/typed_time.h"
#include "fetch/when.h"

#define CENTRAL "CET-1CEST,M3.5.0,M10.5.0/3"
#define INDIA   "IST-5:30"
#define PACIFIC "PST8PDT,M3.2.0,M11.1.0"
#define TRY     "; write 14:02, 2026-11-23T14:02:00Z or '10m ago'"

/* A Monday; 15:10:20.25 in Berlin. */
#define NOW "2026-11-23T14:10:20.25Z"

static void set_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

static int restore_zone(void **state)
{
	(void)state;
	set_zone("UTC0");
	return 0;
}

static uint64_t at(const char *time)
{
	uint64_t ns;

	assert_int_equal(text_parse_time(time, &ns), 0);
	return ns;
}

static void assert_time(uint64_t ns, const char *expected, const char *typed)
{
	char found[TEXT_TIME_MAX];

	text_format_time(ns, found);
	if (strcmp(found, expected) != 0)
		fail_msg("'%s' is %s, not %s", typed, found, expected);
}

static void test_times_as_they_are_typed(void **state)
{
	static const struct {
		const char *typed, *expected;
	} cases[] = {
		{ "2026-11-23T14:02:10Z", "2026-11-23T14:02:10Z" },
		{ "2026-11-23T14:02:10.5Z", "2026-11-23T14:02:10.5Z" },
		{ "2026-11-23T14:02:10.123456789Z", "2026-11-23T14:02:10.123456789Z" },
		{ "2026-11-23t14:02:10z", "2026-11-23T14:02:10Z" },
		{ "2026-11-23 14:02:10Z", "2026-11-23T14:02:10Z" },
		{ "2026-11-23T15:02:10+01:00", "2026-11-23T14:02:10Z" },
		{ "2026-11-23 15:02:10 +01:00", "2026-11-23T14:02:10Z" },
		{ "2026-11-23T15:02:10+0100", "2026-11-23T14:02:10Z" },
		{ "2026-11-23T05:32:10-08:30", "2026-11-23T14:02:10Z" },
		{ "2026-11-23T00:15+01:00", "2026-11-22T23:15:00Z" },
		{ "2026-11-23T14:02:10", "2026-11-23T14:02:10Z" },
		{ "2026-11-23 14:02", "2026-11-23T14:02:00Z" },
		{ "2026-11-23T14:02Z", "2026-11-23T14:02:00Z" },
		{ "2026-11-23 14:02 UTC", "2026-11-23T14:02:00Z" },
		{ "2026-11-23 15:02 local", "2026-11-23T14:02:00Z" },
		{ "2026-07-23 15:02 local", "2026-07-23T13:02:00Z" },
		{ "2026-11-23T15:02:10.25local", "2026-11-23T14:02:10.25Z" },
		{ "2026-11-23", "2026-11-23T00:00:00Z" },
		{ "2026-11-23 local", "2026-11-22T23:00:00Z" },
		{ "2026-11-23Z", "2026-11-23T00:00:00Z" },
		{ "2024-02-29", "2024-02-29T00:00:00Z" },
		{ "2000-02-29T12:00Z", "2000-02-29T12:00:00Z" },
		{ "1970-01-01", "1970-01-01T00:00:00Z" },
		{ "20261123T140210Z", "2026-11-23T14:02:10Z" },
		{ "20261123T140210.123Z", "2026-11-23T14:02:10.123Z" },
		{ "20261123T140210", "2026-11-23T14:02:10Z" },
		{ "14:02", "2026-11-23T14:02:00Z" },
		{ "14:02:10", "2026-11-23T14:02:10Z" },
		{ "14:02:10.5", "2026-11-23T14:02:10.5Z" },
		{ "14:02Z", "2026-11-23T14:02:00Z" },
		{ "15:02+01:00", "2026-11-23T14:02:00Z" },
		{ "15:02 local", "2026-11-23T14:02:00Z" },
		{ "14:10:20.249", "2026-11-23T14:10:20.249Z" },
		{ "02:10:20.25", "2026-11-23T02:10:20.25Z" }, /* 12 hours ago */
		{ "now", NOW },
		{ " now\t", NOW },
		{ "10m ago", "2026-11-23T14:00:20.25Z" },
		{ "10 minutes ago", "2026-11-23T14:00:20.25Z" },
		{ "1h30m ago", "2026-11-23T12:40:20.25Z" },
		{ "1 hour 30 min ago", "2026-11-23T12:40:20.25Z" },
		{ "90s ago", "2026-11-23T14:08:50.25Z" },
		{ "2 days ago", "2026-11-21T14:10:20.25Z" },
		{ "-10m", "2026-11-23T14:00:20.25Z" },
		{ "@1795429330", "2026-11-23T10:22:10Z" },
		{ "@1795429330.75", "2026-11-23T10:22:10.75Z" },
		{ "@0", "1970-01-01T00:00:00Z" },
	};
	struct typed_time time;
	struct window window;
	struct error err;

	(void)state;
	set_zone(CENTRAL);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(typed_time_read(cases[i].typed, &time), 0);
		if (time.kind == TYPED_NOW) /* nothing can begin then */
			window.from_ns = at(NOW) - time.ago_ns;
		else if (window_parse(cases[i].typed, NULL, NULL, NULL, at(NOW), &window, &err) < 0)
			fail_msg("%s", err.message);
		assert_time(window.from_ns, cases[i].expected, cases[i].typed);
	}
}

static void test_what_is_not_a_time(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"x",
		"1",
		"14",
		"14:",
		"14:2",
		"14:02:",
		"14:02:1",
		"24:00",
		"14:60",
		"14:02:60",
		"14:02.5",
		"14:02:10.",
		"14:02:10.1234567890",
		"14:02 here",
		"1402",
		"20261123",
		"2026",
		"2026-11",
		"2026-11-23T",
		"2026-11-23T14",
		"2026-13-01",
		"2026-00-01",
		"2026-11-31",
		"2026-02-29",
		"2100-02-29",
		"2026-11-00",
		"1969-12-31",
		"2262-01-01",
		"9999-01-01",
		"1970-01-01T00:00+01:00",
		"2026-11-23T14:02:10+1",
		"2026-11-23T14:02:10+24:00",
		"2026-11-23T14:02:10+01:60",
		"2026-11-23T14:02:10+01:00x",
		"2026-11-23T14:02:10ZZ",
		"2026-11-23  14:02:10Z",
		"2026-1123T14:02",
		"20261123T1402Z",
		"20261123T14:02:10Z",
		"20261123T140210.Z",
		"@",
		"@x",
		"@-1",
		"@17954293300",
		"@1795429330.",
		"@9999999999",
		"@1795429330x",
		"ago",
		" ago",
		"10 ago",
		"10m",
		"m ago",
		"10x ago",
		"10m10 ago",
		"-",
		"-10",
		"--10m",
		"99999999999s ago",
		"36526d ago",
		"60y ago",
		"60 years ago",
		"-10m ago",
		"in 10m",
		"+10m",
		"yesterday",
		"nowish",
		"2026-11-23T14:02:10.5.5Z",
		"\xff\xff",
		"10000000000000000000000000000000000000000000000000000000000000000000000000000s ago",
	};
	char expected[256];
	struct window window = { .from_ns = 42 };
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		if (window_parse(cases[i], NULL, NULL, NULL, at(NOW), &window, &err) == 0)
			fail_msg("'%s' is accepted", cases[i]);
		assert_int_equal(err.kind, ERROR_USAGE);
		(void)snprintf(expected, sizeof expected, "--from %.64s: not a time" TRY, cases[i]);
		if (strcmp(err.message, expected) != 0)
			fail_msg("%s", err.message);
		assert_int_equal(window.from_ns, 42);
	}
}

struct typed {
	const char *from, *to, *around, *window;
};

static const struct accepted {
	const char *zone, *now;
	struct typed typed;
	const char *from, *to;
	bool is_cut;
	const char *words;
} accepted[] = {
	{ CENTRAL,
	  NOW,
	  { "14:02", "14:05" },
	  "2026-11-23T14:02:00Z",
	  "2026-11-23T14:05:00Z",
	  false,
	  "window 2026-11-23T14:02:00Z to 14:05:00Z (15:02:00 to 15:05:00 here)" },
	{ "UTC0",
	  NOW,
	  { "14:02", "14:05" },
	  "2026-11-23T14:02:00Z",
	  "2026-11-23T14:05:00Z",
	  false,
	  "window 2026-11-23T14:02:00Z to 14:05:00Z" },
	{ "UTC0",
	  NOW,
	  { "14:02", NULL },
	  "2026-11-23T14:02:00Z",
	  NOW,
	  false,
	  "window 2026-11-23T14:02:00Z to 14:10:20.25Z" },
	{ "UTC0",
	  NOW,
	  { "14:02", "now" },
	  "2026-11-23T14:02:00Z",
	  NOW,
	  false,
	  "window 2026-11-23T14:02:00Z to 14:10:20.25Z" },
	{ "UTC0",
	  NOW,
	  { "14:02", "14:30" },
	  "2026-11-23T14:02:00Z",
	  NOW,
	  true,
	  "window 2026-11-23T14:02:00Z to 14:10:20.25Z, cut to now" },
	{ "UTC0",
	  NOW,
	  { "14:02", "2027-01-01" },
	  "2026-11-23T14:02:00Z",
	  NOW,
	  true,
	  "window 2026-11-23T14:02:00Z to 14:10:20.25Z, cut to now" },
	/* Amendment C2: its midnight. */
	{ "UTC0",
	  "2026-11-23T00:02:00Z",
	  { "23:58", "00:05" },
	  "2026-11-22T23:58:00Z",
	  "2026-11-23T00:02:00Z",
	  true,
	  "window 2026-11-22T23:58:00Z to 2026-11-23T00:02:00Z, cut to now" },
	{ "UTC0",
	  "2026-11-23T00:07:00Z",
	  { "23:58", "00:05" },
	  "2026-11-22T23:58:00Z",
	  "2026-11-23T00:05:00Z",
	  false,
	  "window 2026-11-22T23:58:00Z to 2026-11-23T00:05:00Z" },
	/* The end without its day belongs to the beginning's, however long ago that is. */
	{ "UTC0",
	  NOW,
	  { "2026-03-01T22:00Z", "01:30" },
	  "2026-03-01T22:00:00Z",
	  "2026-03-02T01:30:00Z",
	  false,
	  "window 2026-03-01T22:00:00Z to 2026-03-02T01:30:00Z" },
	{ CENTRAL,
	  NOW,
	  { "2026-03-01T22:00Z", "01:30 local" },
	  "2026-03-01T22:00:00Z",
	  "2026-03-02T00:30:00Z",
	  false,
	  "window 2026-03-01T22:00:00Z to 2026-03-02T00:30:00Z (2026-03-01 23:00:00 to 2026-03-02 01:30:00 here)" },
	{ PACIFIC,
	  NOW,
	  { "2026-11-23T02:00Z", "02:05" },
	  "2026-11-23T02:00:00Z",
	  "2026-11-23T02:05:00Z",
	  false,
	  "window 2026-11-23T02:00:00Z to 02:05:00Z (2026-11-22 18:00:00 to 18:05:00 here)" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "14:03:30", "90s" },
	  "2026-11-23T14:02:00Z",
	  "2026-11-23T14:05:00Z",
	  false,
	  "window 2026-11-23T14:02:00Z to 14:05:00Z" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "14:03", NULL },
	  "2026-11-23T14:01:00Z",
	  "2026-11-23T14:05:00Z",
	  false,
	  "window 2026-11-23T14:01:00Z to 14:05:00Z" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "14:09", NULL },
	  "2026-11-23T14:07:00Z",
	  NOW,
	  true,
	  "window 2026-11-23T14:07:00Z to 14:10:20.25Z, cut to now" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "now", "1m" },
	  "2026-11-23T14:09:20.25Z",
	  NOW,
	  true,
	  "window 2026-11-23T14:09:20.25Z to 14:10:20.25Z, cut to now" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "@60", "2m" },
	  "1970-01-01T00:00:00Z",
	  "1970-01-01T00:03:00Z",
	  false,
	  "window 1970-01-01T00:00:00Z to 00:03:00Z" },
	{ "UTC0",
	  NOW,
	  { "14:02:10.000000001", "14:02:10.0000002" },
	  "2026-11-23T14:02:10.000000001Z",
	  "2026-11-23T14:02:10.0000002Z",
	  false,
	  "window 2026-11-23T14:02:10.000000001Z to 14:02:10.0000002Z" },
	{ "UTC0",
	  NOW,
	  { "14:02:10.0009999", "14:02:12" },
	  "2026-11-23T14:02:10.0009999Z",
	  "2026-11-23T14:02:12Z",
	  false,
	  "window 2026-11-23T14:02:10Z to 14:02:12Z" },
	/* The local clock is set forward: 01:59:59 is followed by 03:00:00. */
	{ CENTRAL,
	  "2026-03-29T06:00:00Z",
	  { "01:59 local", "03:01 local" },
	  "2026-03-29T00:59:00Z",
	  "2026-03-29T01:01:00Z",
	  false,
	  "window 2026-03-29T00:59:00Z to 01:01:00Z (01:59:00 to 03:01:00 here)" },
	/* And back; one of the two is not there yet, or is before the beginning. */
	{ CENTRAL,
	  "2026-10-25T00:50:00Z",
	  { "02:30 local", NULL },
	  "2026-10-25T00:30:00Z",
	  "2026-10-25T00:50:00Z",
	  false,
	  "window 2026-10-25T00:30:00Z to 00:50:00Z (02:30:00 to 02:50:00 here)" },
	{ CENTRAL,
	  "2026-10-25T03:00:00Z",
	  { "2026-10-25T00:45Z", "02:30 local" },
	  "2026-10-25T00:45:00Z",
	  "2026-10-25T01:30:00Z",
	  false,
	  "window 2026-10-25T00:45:00Z to 01:30:00Z (02:45:00 to 02:30:00 here)" },
	{ CENTRAL,
	  "2026-10-25T10:00:00Z",
	  { "01:59 local", "03:01 local" },
	  "2026-10-24T23:59:00Z",
	  "2026-10-25T02:01:00Z",
	  false,
	  "window 2026-10-24T23:59:00Z to 2026-10-25T02:01:00Z (2026-10-25 01:59:00 to 03:01:00 here)" },
};

static void test_windows(void **state)
{
	char words[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++) {
		const struct accepted *c = &accepted[i];
		struct text text = text_over(words, sizeof words);
		struct window window = { .is_cut = true };
		struct error err;

		set_zone(c->zone);
		if (window_parse(c->typed.from, c->typed.to, c->typed.around, c->typed.window,
				 at(c->now), &window, &err) < 0)
			fail_msg("%zu: %s", i, err.message);
		assert_time(window.from_ns, c->from, "from");
		assert_time(window.to_ns, c->to, "to");
		assert_int_equal(window.is_cut, c->is_cut);
		window_describe(&window, &text);
		assert_string_equal(words, c->words);
	}
}

static const struct refused {
	const char *zone, *now;
	struct typed typed;
	const char *message;
} refused[] = {
	{ "UTC0",
	  NOW,
	  { NULL },
	  "say which time, for example --from '10m ago', --from 14:02 --to 14:05 or --around 14:03" },
	{ "UTC0", NOW, { NULL, "14:02" }, "--to needs --from" },
	{ "UTC0", NOW, { "14:02", NULL, "14:02" }, "give either --around or --from and --to" },
	{ "UTC0", NOW, { NULL, "14:02", "14:02" }, "give either --around or --from and --to" },
	{ "UTC0", NOW, { "14:02", NULL, NULL, "2m" }, "--window needs --around" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "14:02", "2" },
	  "--window 2: not a duration; write 90s or 2m" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "14:02", "0s" },
	  "--window 0s: not a duration; write 90s or 2m" },
	{ "UTC0", NOW, { NULL, NULL, "x", "2m" }, "--around x: not a time" TRY },
	{ "UTC0", NOW, { "14:02", "x" }, "--to x: not a time" TRY },
	{ "UTC0", NOW, { "now", NULL }, "the window is empty: now is not before now" },
	{ "UTC0", NOW, { "14:02", "14:02" }, "the window is empty: 14:02 is not before 14:02" },
	{ "UTC0",
	  NOW,
	  { "14:02", "2026-11-23T14:00Z" },
	  "the window is empty: 14:02 is not before 2026-11-23T14:00Z" },
	{ "UTC0", NOW, { "2027-01-01", NULL }, "--from 2027-01-01: that time is still to come" },
	{ "UTC0",
	  NOW,
	  { NULL, NULL, "2026-11-23T14:13Z", "1m" },
	  "--around 2026-11-23T14:13Z: that time is still to come" },
	/* Amendment C2: typed as the clock on the wall shows it. */
	{ CENTRAL,
	  NOW,
	  { "15:02", NULL },
	  "--from 15:02: 15:02 UTC was yesterday; 15:02 here is 14:02Z: say 14:02, 15:02+01:00 or 2026-11-22T15:02Z" },
	{ CENTRAL,
	  NOW,
	  { NULL, NULL, "15:02:10.5" },
	  "--around 15:02:10.5: 15:02:10.5 UTC was yesterday; 15:02:10.5 here is 14:02:10.5Z: say 14:02:10.5, "
	  "15:02:10.5+01:00 or 2026-11-22T15:02:10.5Z" },
	{ INDIA,
	  NOW,
	  { "19:30", NULL },
	  "--from 19:30: 19:30 UTC was yesterday; 19:30 here is 14:00Z: say 14:00, 19:30+05:30 or 2026-11-22T19:30Z" },
	{ PACIFIC,
	  "2026-11-23T20:30:00Z",
	  { "08:15", NULL },
	  "--from 08:15: 08:15 UTC was 12 hours ago; 08:15 here is 16:15Z: say 16:15, 08:15-08:00 or 2026-11-23T08:15Z" },
	{ "UTC0",
	  NOW,
	  { "15:02", NULL },
	  "--from 15:02: 15:02 UTC was yesterday: say 2026-11-22T15:02Z" },
	{ "UTC0",
	  NOW,
	  { "02:10:20.249", NULL },
	  "--from 02:10:20.249: 02:10:20.249 UTC was 12 hours ago: say 2026-11-23T02:10:20.249Z" },
	{ CENTRAL,
	  NOW,
	  { "15:12 local", NULL },
	  "--from 15:12 local: 15:12 here was yesterday: say 2026-11-22T14:12Z" },
	{ CENTRAL,
	  NOW,
	  { "15:02Z", NULL },
	  "--from 15:02Z: 15:02 UTC was yesterday: say 2026-11-22T15:02Z" },
	{ CENTRAL,
	  NOW,
	  { "15:12+01:00", NULL },
	  "--from 15:12+01:00: 15:12 there was yesterday: say 2026-11-22T14:12Z" },
	/* As if the end were before the beginning: the first such time is tomorrow's. */
	{ "UTC0",
	  NOW,
	  { "13:00", "12:00" },
	  "--to 12:00: 12:00 UTC is 21 hours ahead: say 2026-11-24T12:00Z" },
	{ CENTRAL,
	  NOW,
	  { "2026-03-29 02:30 local", NULL },
	  "--from 2026-03-29 02:30 local: the local clock was set forward and never showed it" },
	{ CENTRAL,
	  NOW,
	  { "2026-10-25 02:30 local", NULL },
	  "--from 2026-10-25 02:30 local: the local clock was set back and showed it twice: say 2026-10-25T00:30Z or "
	  "2026-10-25T01:30Z" },
	{ CENTRAL,
	  "2026-10-25T06:00:00Z",
	  { "02:30 local", NULL },
	  "--from 02:30 local: the local clock was set back and showed it twice: say 2026-10-25T00:30Z or "
	  "2026-10-25T01:30Z" },
	{ "UTC0",
	  "1970-01-02T00:00:00Z",
	  { "2 days ago", NULL },
	  "--from 2 days ago: not a time" TRY },
};

static void test_windows_that_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		const struct refused *c = &refused[i];
		struct window window = { .from_ns = 42 };
		struct error err;

		set_zone(c->zone);
		assert_int_equal(window_parse(c->typed.from, c->typed.to, c->typed.around,
					      c->typed.window, at(c->now), &window, &err),
				 -1);
		assert_int_equal(err.kind, ERROR_USAGE);
		assert_string_equal(err.message, c->message);
		assert_int_equal(window.from_ns, 42);
	}
}

static void test_durations(void **state)
{
	uint64_t ns = 7;

	(void)state;
	assert_int_equal(typed_time_read_duration("1d2h3m4s", &ns), 0);
	assert_int_equal(ns, UINT64_C(93784) * CLOCK_NS_PER_S);
	assert_int_equal(typed_time_read_duration("36525d", &ns), 0);
	assert_int_equal(typed_time_read_duration("36525d1s", &ns), -1);
	assert_int_equal(typed_time_read_duration("2", &ns), -1);
	assert_int_equal(typed_time_read_duration("", &ns), -1);
	assert_int_equal(typed_time_read_duration("1secondsandmore", &ns), -1);
}

static void test_a_time_beside_another(void **state)
{
	char text[TEXT_TIME_MAX];

	(void)state;
	when_format(at("2026-11-23T14:03:10.2Z"), at(NOW), text);
	assert_string_equal(text, "14:03:10.2");
	when_format(at("2026-11-23T00:00:00.0009Z"), at(NOW), text);
	assert_string_equal(text, "00:00:00");
	when_format(at("2026-11-22T23:59:59.999Z"), at(NOW), text);
	assert_string_equal(text, "2026-11-22 23:59:59.999");
}

/* Whatever is printed, in whatever zone, is read as the same time. */
static void test_random_times_and_back(void **state)
{
	static const char *const zones[] = { "UTC0", CENTRAL, INDIA, PACIFIC, "EAST-14", "WEST12" };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char typed[64], expected[TEXT_TIME_MAX];
		struct window window;
		struct error err;
		struct tm tm;
		time_t seconds;
		uint64_t random[2], ns;

		unit_random(random, sizeof random);
		set_zone(zones[random[1] % ARRAY_LENGTH(zones)]);
		seconds = (time_t)(86400 + random[0] % UINT64_C(9214000000));
		ns = (uint64_t)seconds * CLOCK_NS_PER_S + random[1] % CLOCK_NS_PER_S;
		text_format_time(ns, expected);
		if (random[1] >> 62 == 0) {
			(void)snprintf(typed, sizeof typed, "%s", expected);
		} else if (random[1] >> 62 == 1) {
			(void)snprintf(typed, sizeof typed, "@%lld.%09u", (long long)seconds,
				       (unsigned)(ns % CLOCK_NS_PER_S));
		} else {
			size_t length;

			assert_non_null(localtime_r(&seconds, &tm));
			length = strftime(typed, sizeof typed, "%Y-%m-%dT%H:%M:%S", &tm);
			length += (size_t)snprintf(typed + length, sizeof typed - length, ".%09u",
						   (unsigned)(ns % CLOCK_NS_PER_S));
			(void)strftime(typed + length, sizeof typed - length,
				       random[1] >> 62 == 2 ? "%z" : " local", &tm);
		}
		if (window_parse(typed, NULL, NULL, NULL, at("2261-12-31T00:00:00Z"), &window,
				 &err) < 0) {
			assert_non_null(strstr(err.message, "showed it twice"));
			assert_non_null(strstr(typed, "local"));
			continue;
		}
		assert_time(window.from_ns, expected, typed);
	}
}

/* Nothing but a time is a time, and nothing makes it fail otherwise. */
static void test_random_text(void **state)
{
	static const char letters[] = "0123456789:-+.TZ@ agohms2026-11-23T14:02local";

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t random[24];
		char typed[sizeof random];
		struct window window;
		struct error err = { .kind = ERROR_NONE };

		unit_random(random, sizeof random);
		for (size_t j = 0; j < sizeof random; j++)
			typed[j] = letters[random[j] % (sizeof letters - 1)];
		typed[random[0] % sizeof typed] = '\0';
		if (window_parse(typed, i % 2 ? typed : NULL, NULL, NULL, at(NOW), &window, &err) <
		    0)
			assert_int_equal(err.kind, ERROR_USAGE);
		else
			assert_true(window.from_ns < window.to_ns && window.to_ns <= at(NOW));
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_times_as_they_are_typed, restore_zone),
		cmocka_unit_test(test_what_is_not_a_time),
		cmocka_unit_test_teardown(test_windows, restore_zone),
		cmocka_unit_test_teardown(test_windows_that_are_refused, restore_zone),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_a_time_beside_another),
		cmocka_unit_test_teardown(test_random_times_and_back, restore_zone),
		cmocka_unit_test(test_random_text),
	};

	unit_add(tests, NULL, NULL);
}
