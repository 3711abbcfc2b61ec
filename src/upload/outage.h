/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whether uploads work, over all workers together: one line in the log when an outage begins, one now and
 * then, one when it is over. Pure: the caller locks, tells the time, and logs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct outage {
	size_t workers;     /* whose last attempt failed */
	unsigned failures;  /* since it began; all workers' */
	uint64_t since_ms;  /* when it began */
	uint64_t worked_ms; /* when an upload went through last; 0: never */
	struct error last;
};

/* One worker's part in it. */
struct outage_worker {
	bool is_failing;
	uint64_t failed_ms;
};

/* An attempt failed. True if that is worth a line: the first one, and every tenth. */
bool outage_failed(struct outage *outage, struct outage_worker *worker, uint64_t now_ms,
		   const struct error *err);
/* An upload went through. True if the outage is over with it. */
bool outage_worked(struct outage *outage, struct outage_worker *worker, uint64_t now_ms);
/* The worker has nothing to send. True if the outage is over with it. */
bool outage_idle(struct outage *outage, struct outage_worker *worker);

/*
 * "uploads failing since 12 min: …"; empty when there is no outage. Copies at most size bytes. Returns where
 * in out the reason begins, which stays the same while the time goes on.
 */
const char *outage_describe(const struct outage *outage, uint64_t now_ms, char *out, size_t size);
