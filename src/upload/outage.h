/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Do uploads work, over all workers together? One log line when an outage begins, one after every tenth failure,
 * one when it is over. Pure: the caller locks, passes the time, and logs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct outage {
	size_t workers;     /* whose last attempt failed */
	unsigned failures;  /* of all workers since it began */
	uint64_t since_ms;  /* when it began */
	uint64_t worked_ms; /* of the last successful upload; 0: never */
	struct error last;
};

/* One worker's part in it. */
struct outage_worker {
	bool is_failing;
	uint64_t failed_ms;
};

/* An attempt failed. True if that is worth a log line. */
bool outage_failed(struct outage *outage, struct outage_worker *worker, uint64_t now_ms,
		   const struct error *err);
/* An upload succeeded. True if that ends the outage. */
bool outage_worked(struct outage *outage, struct outage_worker *worker, uint64_t now_ms);
/* The worker has nothing to send. True if that ends the outage. */
bool outage_idle(struct outage *outage, struct outage_worker *worker);

/*
 * "uploads failing since 12 min: …"; empty when there is no outage. Returns where in out the reason begins, which
 * stays the same while the time changes.
 */
const char *outage_describe(const struct outage *outage, uint64_t now_ms, char *out, size_t size);
