/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A snapshot as it is shown: to Prometheus, to programs, and to a person. Main thread only; pure but for what is
 * written to out.
 */

#include <stdbool.h>
#include <stdio.h>

#include "status/snapshot.h"

/*
 * The metrics, from one table (metrics.c): as OpenMetrics 1.0.0 if a client sent an Accept header that wants it,
 * else as Prometheus' text; NULL: none was sent. Returns the content type.
 */
const char *metrics_write(FILE *out, const char *accept, const struct status_snapshot *snapshot);
/*
 * One JSON document for `status --json` and the page. An operator asks by the control socket, and may see names
 * and directories; the page is for anybody, and gets the last hour for its charts.
 */
void status_json_write(FILE *out, const struct status_snapshot *snapshot, bool is_operator);
/* The answer of /healthz or /readyz, {"status":"ok","rules":[…]}. Returns whether all is well. */
bool status_json_write_health(FILE *out, const struct status_snapshot *snapshot, bool is_liveness);
/*
 * What `kube-node-tracer status` prints, a screenful. For the control socket only: it names the destination,
 * directories and what the server said.
 */
void status_text_write(FILE *out, const struct status_snapshot *snapshot);
