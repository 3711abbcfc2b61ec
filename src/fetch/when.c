/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "fetch/typed_time.h"

#define MINUTE_S INT64_C(60)
#define HOUR_S   INT64_C(3600)
#define DAY_S    INT64_C(86400)
/* A time without its day is meant to be nearer than this. */
#define NEAR_NS (UINT64_C(12) * 3600 * CLOCK_NS_PER_S)

/* Of the local clock at this moment, east of Greenwich. */
static int64_t find_local_offset(int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm tm = { .tm_gmtoff = 0 };

	(void)localtime_r(&time, &tm);
	return tm.tm_gmtoff;
}

/*
 * The moments at which the clock of this zone shows what it would show at `seconds` if it were UTC: a local clock that
 * is set forward leaves an hour out, one that is set back shows an hour twice. In order.
 */
static unsigned find_moments(const struct typed_time *typed, int64_t seconds, int64_t moments[2])
{
	int64_t before = find_local_offset(seconds - DAY_S),
		after = find_local_offset(seconds + DAY_S);
	unsigned count = 0;

	if (typed->zone != TYPED_ZONE_LOCAL) {
		moments[0] = seconds - typed->offset_s;
		return 1;
	}
	/* The larger offset comes first in time. */
	for (int i = 0; i < 2; i++) {
		int64_t offset = (i == 0) == (before > after) ? before : after;

		if (i == 1 && before == after)
			break;
		if (find_local_offset(seconds - offset) == offset)
			moments[count++] = seconds - offset;
	}
	return count;
}

/* "14:02", "14:02:10.5" */
static void format_clock(int64_t seconds, uint32_t ns, char *out)
{
	int64_t of_day = (seconds % DAY_S + DAY_S) % DAY_S;
	struct text text = text_over(out, TEXT_TIME_MAX);

	text_append(&text, "%02d:%02d", (int)(of_day / HOUR_S), (int)(of_day % HOUR_S / MINUTE_S));
	if (of_day % MINUTE_S || ns)
		text_append(&text, ":%02d", (int)(of_day % MINUTE_S));
	if (ns) {
		text_append(&text, ".%09u", ns);
		while (out[text.length - 1] == '0')
			out[--text.length] = '\0';
	}
}

/* "2026-11-22T15:02Z" */
static void format_moment(int64_t seconds, uint32_t ns, char *out)
{
	char clock[TEXT_TIME_MAX], day[TEXT_TIME_MAX];

	format_clock(seconds, ns, clock);
	text_format_time((uint64_t)seconds * CLOCK_NS_PER_S, day);
	(void)snprintf(out, TEXT_TIME_MAX, "%.10sT%.18sZ", day, clock);
}

/* A moment of 1970 or later, of a year that we know. */
static int set_moment(int64_t seconds, uint32_t ns, uint64_t *ret_ns)
{
	if (seconds < 0 || seconds >= INT64_MAX / (int64_t)CLOCK_NS_PER_S)
		return -1;
	*ret_ns = (uint64_t)seconds * CLOCK_NS_PER_S + ns;
	return 0;
}

/* A time that an option gives, and what it depends on. */
struct given {
	const char *option, *text;
	struct typed_time time;
	uint64_t now_ns;
	bool is_end; /* of a window that begins here: */
	uint64_t from_ns;
};

static int refuse_text(const struct given *given, struct error *err)
{
	return error_set(err, ERROR_USAGE,
			 "%s %.64s: not a time; write 14:02, 2026-11-23T14:02:00Z or '10m ago'",
			 given->option, given->text);
}

static int refuse_twice(const struct given *given, const int64_t moments[2], struct error *err)
{
	char first[TEXT_TIME_MAX], second[TEXT_TIME_MAX];

	format_moment(moments[0], given->time.ns, first);
	format_moment(moments[1], given->time.ns, second);
	return error_set(err, ERROR_USAGE,
			 "%s %.64s: the local clock was set back and showed it twice: say %s or %s",
			 given->option, given->text, first, second);
}

static int resolve_day(const struct given *given, uint64_t *ret_ns, struct error *err)
{
	int64_t moments[2];
	unsigned count = find_moments(&given->time, given->time.seconds, moments);

	if (count == 2)
		return refuse_twice(given, moments, err);
	if (count == 0)
		return error_set(err, ERROR_USAGE,
				 "%s %.64s: the local clock was set forward and never showed it",
				 given->option, given->text);
	if (set_moment(moments[0], given->time.ns, ret_ns) < 0)
		return refuse_text(given, err);
	return 0;
}

/*
 * When a clock showed this time: the last such moment up to `beside`, or the first one from there on, with the other
 * one if it did so twice. Returns how many; 0: none is near.
 */
static unsigned find_nearest(const struct typed_time *time, uint64_t beside_ns, bool is_after,
			     int64_t moments[2])
{
	int64_t today = (int64_t)(beside_ns / CLOCK_NS_PER_S) / DAY_S;

	/* A zone is less than a day away, and a local clock that was set forward left a day out. */
	for (int i = -2; i <= 2; i++) {
		int64_t day = today + (is_after ? i : -i);
		unsigned count = find_moments(time, day * DAY_S + time->seconds, moments), fit = 0;

		for (unsigned k = 0; k < count; k++) {
			uint64_t ns;

			if (set_moment(moments[k], time->ns, &ns) == 0 &&
			    (is_after ? ns >= beside_ns : ns <= beside_ns))
				moments[fit++] = moments[k];
		}
		if (fit > 0)
			return fit;
	}
	return 0;
}

/* "; 15:02 here is 14:02Z: say 14:02, 15:02+01:00 or ", if that may have been meant; else ": say " */
static void suggest_local(const struct given *given, struct text *out)
{
	struct typed_time local = given->time;
	char here[TEXT_TIME_MAX], there[TEXT_TIME_MAX];
	int64_t moments[2], offset;
	unsigned count;

	local.zone = TYPED_ZONE_LOCAL;
	count = find_nearest(&local, given->now_ns, false, moments);
	if (given->time.zone != TYPED_ZONE_NONE || count != 1 ||
	    given->now_ns - (uint64_t)moments[0] * CLOCK_NS_PER_S > NEAR_NS) {
		text_append(out, ": say ");
		return;
	}
	offset = find_local_offset(moments[0]);
	format_clock(local.seconds, local.ns, here);
	format_clock(moments[0], local.ns, there);
	text_append(out, "; %s here is %sZ: say %s, %s%c%02d:%02d or ", here, there, there, here,
		    offset < 0 ? '-' : '+', abs((int)offset) / (int)HOUR_S,
		    abs((int)offset) % (int)HOUR_S / (int)MINUTE_S);
}

/* A clock shows a time every day; this one is too far away to have been meant. */
static int refuse_far(const struct given *given, int64_t moment, struct error *err)
{
	bool is_local = given->time.zone == TYPED_ZONE_LOCAL;
	int64_t now = (int64_t)(given->now_ns / CLOCK_NS_PER_S);
	int64_t offset = is_local ? find_local_offset(moment) : given->time.offset_s;
	char bytes[256], clock[TEXT_TIME_MAX], full[TEXT_TIME_MAX];
	struct text text = text_over(bytes, sizeof bytes);

	format_clock(given->time.seconds, given->time.ns, clock);
	format_moment(moment, given->time.ns, full);
	text_append(&text, "%s%s ", clock, is_local ? " here" : offset != 0 ? " there" : " UTC");
	if (moment > now) {
		text_append(&text, "is %d hours ahead: say ", (int)((moment - now) / HOUR_S));
	} else {
		if ((moment + offset) / DAY_S == (now + offset) / DAY_S)
			text_append(&text, "was %d hours ago", (int)((now - moment) / HOUR_S));
		else
			text_append(&text, "was yesterday");
		suggest_local(given, &text);
	}
	return error_set(err, ERROR_USAGE, "%s %.64s: %s%s", given->option, given->text, bytes,
			 full);
}

static int resolve_clock(const struct given *given, uint64_t *ret_ns, struct error *err)
{
	uint64_t ns, beside_ns = given->is_end ? given->from_ns : given->now_ns;
	int64_t moments[2];
	unsigned count = find_nearest(&given->time, beside_ns, given->is_end, moments);

	if (count == 0 || set_moment(moments[0], given->time.ns, &ns) < 0)
		return refuse_text(given, err);
	if (count == 2)
		return refuse_twice(given, moments, err);
	if (ns > given->now_ns ? ns - given->now_ns > NEAR_NS
			       : !given->is_end && given->now_ns - ns > NEAR_NS)
		return refuse_far(given, moments[0], err);
	*ret_ns = ns;
	return 0;
}

static int resolve_given(struct given *given, uint64_t *ret_ns, struct error *err)
{
	if (typed_time_read(given->text, &given->time) < 0)
		return refuse_text(given, err);
	switch (given->time.kind) {
	case TYPED_NOW:
	case TYPED_AGO:
		if (given->time.ago_ns > given->now_ns)
			return refuse_text(given, err);
		*ret_ns = given->now_ns - given->time.ago_ns;
		return 0;
	case TYPED_EPOCH:
		if (set_moment(given->time.seconds, given->time.ns, ret_ns) < 0)
			return refuse_text(given, err);
		return 0;
	case TYPED_DAY:
		return resolve_day(given, ret_ns, err);
	case TYPED_CLOCK:
		return resolve_clock(given, ret_ns, err);
	}
	return refuse_text(given, err);
}

static int check_options(const char *from, const char *to, const char *around, const char *window,
			 struct error *err)
{
	if (around && (from || to))
		return error_set(err, ERROR_USAGE, "give either --around or --from and --to");
	if (window && !around)
		return error_set(err, ERROR_USAGE, "--window needs --around");
	if (to && !from)
		return error_set(err, ERROR_USAGE, "--to needs --from");
	if (!from && !around)
		return error_set(
			err, ERROR_USAGE,
			"say which time, for example --from '10m ago', --from 14:02 --to 14:05 or --around 14:03");
	return 0;
}

static int parse_around(const char *around, const char *width, uint64_t now_ns,
			struct window *ret_window, struct error *err)
{
	uint64_t around_ns, width_ns;
	struct given given = { .option = "--around", .text = around, .now_ns = now_ns };

	if (typed_time_read_duration(width, &width_ns) < 0 || width_ns == 0)
		return error_set(err, ERROR_USAGE,
				 "--window %.64s: not a duration; write 90s or 2m", width);
	if (resolve_given(&given, &around_ns, err) < 0)
		return -1;
	ret_window->from_ns = around_ns > width_ns ? around_ns - width_ns : 0;
	ret_window->to_ns = around_ns + width_ns;
	return 0;
}

static int parse_ends(const char *from, const char *to, uint64_t now_ns, struct window *ret_window,
		      struct error *err)
{
	struct given begin = { .option = "--from", .text = from, .now_ns = now_ns };
	struct given end = { .option = "--to", .text = to, .now_ns = now_ns, .is_end = true };

	if (resolve_given(&begin, &ret_window->from_ns, err) < 0)
		return -1;
	end.from_ns = ret_window->from_ns;
	ret_window->to_ns = now_ns;
	return to ? resolve_given(&end, &ret_window->to_ns, err) : 0;
}

int window_parse(const char *from, const char *to, const char *around, const char *window,
		 uint64_t now_ns, struct window *ret_window, struct error *err)
{
	struct window found = { .is_cut = false };

	if (check_options(from, to, around, window, err) < 0)
		return -1;
	if (around ? parse_around(around, window ? window : "2m", now_ns, &found, err) < 0
		   : parse_ends(from, to, now_ns, &found, err) < 0)
		return -1;
	if (found.from_ns > now_ns)
		return error_set(err, ERROR_USAGE, "%s %.64s: that time is still to come",
				 around ? "--around" : "--from", around ? around : from);
	found.is_cut = found.to_ns > now_ns;
	if (found.is_cut)
		found.to_ns = now_ns;
	if (found.from_ns >= found.to_ns)
		return error_set(err, ERROR_USAGE, "the window is empty: %.64s is not before %.64s",
				 around ? around : from, to ? to : "now");
	*ret_window = found;
	return 0;
}

/* A moment's day and clock with so many digits of a second; zeros at the end are left out. */
static void format_parts(int64_t seconds, uint32_t ns, int digits, char *ret_day, char *ret_clock)
{
	char whole[TEXT_TIME_MAX];
	size_t length;

	text_format_time((uint64_t)seconds * CLOCK_NS_PER_S, whole);
	(void)snprintf(ret_day, TEXT_TIME_MAX, "%.10s", whole);
	(void)snprintf(ret_clock, TEXT_TIME_MAX, "%.8s.%09u", whole + strlen("2026-11-23T"), ns);
	for (length = strlen("14:02:10.") + (size_t)digits; ret_clock[length - 1] == '0'; length--)
		;
	ret_clock[ret_clock[length - 1] == '.' ? length - 1 : length] = '\0';
}

void when_format(uint64_t real_ns, uint64_t beside_ns, char *out)
{
	char day[TEXT_TIME_MAX], clock[TEXT_TIME_MAX];
	bool is_same_day = real_ns / CLOCK_NS_PER_S / (uint64_t)DAY_S ==
			   beside_ns / CLOCK_NS_PER_S / (uint64_t)DAY_S;

	format_parts((int64_t)(real_ns / CLOCK_NS_PER_S), (uint32_t)(real_ns % CLOCK_NS_PER_S), 3,
		     day, clock);
	(void)snprintf(out, TEXT_TIME_MAX, "%.10s%s%.12s", is_same_day ? "" : day,
		       is_same_day ? "" : " ", clock);
}

void window_describe(const struct window *window, struct text *out)
{
	const uint64_t ends[2] = { window->from_ns, window->to_ns };
	int digits = window->to_ns - window->from_ns < CLOCK_NS_PER_S ? 9 : 3;
	char day[2][TEXT_TIME_MAX], clock[2][TEXT_TIME_MAX];
	char here_day[2][TEXT_TIME_MAX], here[2][TEXT_TIME_MAX];
	bool is_elsewhere = false, is_other_day = false;

	for (int i = 0; i < 2; i++) {
		int64_t seconds = (int64_t)(ends[i] / CLOCK_NS_PER_S),
			offset = find_local_offset(seconds);
		uint32_t ns = (uint32_t)(ends[i] % CLOCK_NS_PER_S);

		is_elsewhere |= offset != 0;
		format_parts(seconds, ns, digits, day[i], clock[i]);
		format_parts(seconds + offset < 0 ? 0 : seconds + offset, ns, digits, here_day[i],
			     here[i]);
		is_other_day |= strcmp(day[0], here_day[i]) != 0;
	}
	text_append(out, "window %sT%sZ to ", day[0], clock[0]);
	if (strcmp(day[0], day[1]) != 0)
		text_append(out, "%sT", day[1]);
	text_append(out, "%sZ", clock[1]);
	if (is_elsewhere) {
		text_append(out, " (%s%s%s to ", is_other_day ? here_day[0] : "",
			    is_other_day ? " " : "", here[0]);
		if (strcmp(here_day[0], here_day[1]) != 0)
			text_append(out, "%s ", here_day[1]);
		text_append(out, "%s here)", here[1]);
	}
	if (window->is_cut)
		text_append(out, ", cut to now");
}
