/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A time as it is typed, taken apart: the grammar of when.h, and nothing of what it means. Pure. */

#include <stdbool.h>
#include <stdint.h>

enum typed_kind {
	TYPED_NOW,
	TYPED_AGO,   /* ns before now */
	TYPED_EPOCH, /* seconds and ns since 1970 */
	TYPED_DAY,   /* a day, and a clock */
	TYPED_CLOCK, /* a clock alone */
};

enum typed_zone {
	TYPED_ZONE_NONE, /* not given: UTC */
	TYPED_ZONE_OFFSET,
	TYPED_ZONE_LOCAL,
};

struct typed_time {
	enum typed_kind kind;
	uint64_t ago_ns;
	int64_t seconds; /* as if the zone were UTC; of a clock alone: since midnight */
	uint32_t ns;     /* behind the seconds */
	enum typed_zone zone;
	int64_t offset_s; /* of the zone, east of Greenwich */
};

/* Years from 1970 to 2261. -1: it is not a time. */
int typed_time_read(const char *text, struct typed_time *ret_time)
	__attribute__((warn_unused_result));

/* "90s", "1h30m", "2 days"; -1 if it is not a duration, or longer than a hundred years. */
int typed_time_read_duration(const char *text, uint64_t *ret_ns)
	__attribute__((warn_unused_result));
