/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What `kube-node-tracer status` prints: a screenful for a person. For the control socket only: it names the
 * destination, directories and what the server said.
 */

#include <stdio.h>

#include "status/snapshot.h"

void status_text_write(FILE *out, const struct status_snapshot *snapshot);
