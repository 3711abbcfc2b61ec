/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The status as JSON: one document for `status --json`, the page and the answers of the health probes. */

#include <stdio.h>

#include "status/health.h"
#include "status/snapshot.h"

/* Who asks: anybody who reaches the address, or the owner of the control socket, who may see names and secrets. */
enum status_audience {
	STATUS_FOR_PAGE,
	STATUS_FOR_OPERATOR,
};

void status_json_write(FILE *out, const struct status_snapshot *snapshot,
		       enum status_audience audience);
/* The answer of /healthz or /readyz: {"status":"ok","rules":[…]}. */
void status_json_write_health(FILE *out, bool is_liveness,
			      const struct health_finding findings[HEALTH_RULES]);
