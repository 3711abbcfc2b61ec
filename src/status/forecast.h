/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What follows from the last minutes if they go on: how long the spool lasts, what a month stores. Pure. */

#include "status/snapshot.h"

#define SECONDS_A_MONTH (30.0 * 86400)
/* What was measured for less says nothing of a month. */
#define FORECAST_MONTH_MS_MIN UINT64_C(60000)

struct forecast {
	double packed_bytes, segments; /* per second */
	uint64_t ms;                   /* so long they were measured */
	double hours; /* until the spool is full, if nothing is uploaded; below 0: not known */
};

struct forecast forecast_make(const struct status_snapshot *snapshot);
