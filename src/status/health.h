/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Health that means progress. Liveness: every stage's threads go on; if not, a restart helps. Readiness:
 * packets can be captured, are captured, are not lost, and go away in time; if not, somebody has to look.
 * Pure: rules over a snapshot. The watchdog, /healthz and /readyz use the same ones.
 */

#include <stdbool.h>
#include <stddef.h>

#include "status/snapshot.h"

/* Of one rule: what it found. */
struct health_finding {
	const struct health_rule *rule;
	bool is_failing;
	char why[256]; /* one sentence, lower case; also when all is well */
};

struct health_rule {
	const char *name;
	bool is_liveness; /* else of readiness */
	const char *help; /* when it fails, for people */
	void (*judge)(const struct status_snapshot *snapshot, struct health_finding *finding);
	enum status_stage_id stage; /* whose progress is judged */
};

#define HEALTH_RULES 10
extern const struct health_rule health_rules[HEALTH_RULES];

/* True if no rule of that kind fails; what each found, of all kinds, in findings. */
bool health_judge(const struct status_snapshot *snapshot, bool is_liveness,
		  struct health_finding findings[HEALTH_RULES]);
