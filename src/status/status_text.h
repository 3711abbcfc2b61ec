/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What `kube-node-tracer status` shows: a screenful for a person, or the same as JSON. For the control
 * socket only: it names destination, folders and what the server said.
 */

#include <stdio.h>

#include "status/snapshot.h"

void report_write(FILE *out, const struct status_snapshot *facts);
void report_write_json(FILE *out, const struct status_snapshot *facts);
