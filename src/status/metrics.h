/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The metrics, as one table: name, type, help and where the value comes from. From it come the text for
 * Prometheus, that of OpenMetrics, and the list in the manual. Main thread only.
 */

#include <stdio.h>

#include "status/snapshot.h"

enum metrics_format {
	METRICS_PROMETHEUS,  /* text format 0.0.4 */
	METRICS_OPENMETRICS, /* 1.0.0 */
};

void metrics_write(FILE *out, enum metrics_format format, const struct status_snapshot *snapshot);
/* Which one a client that sends this Accept header wants; NULL: none was sent. */
enum metrics_format metrics_negotiate(const char *accept);
const char *metrics_content_type(enum metrics_format format);
