/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/outage.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"

#define LOG_EVERY        10
#define SECONDS_A_MINUTE 60

bool outage_failed(struct outage *outage, struct outage_worker *worker, uint64_t now_ms,
		   const struct error *err)
{
	if (!worker->is_failing && outage->workers++ == 0) {
		outage->failures = 0;
		outage->since_ms = now_ms;
	}
	worker->is_failing = true;
	worker->failed_ms = now_ms;
	outage->last = *err;
	outage->failures++;
	return outage->failures == 1 || outage->failures % LOG_EVERY == 0;
}

static bool end_worker_outage(struct outage *outage, struct outage_worker *worker)
{
	if (!worker->is_failing)
		return false;
	worker->is_failing = false;
	return --outage->workers == 0;
}

bool outage_worked(struct outage *outage, struct outage_worker *worker, uint64_t now_ms)
{
	outage->worked_ms = now_ms;
	return end_worker_outage(outage, worker);
}

bool outage_idle(struct outage *outage, struct outage_worker *worker)
{
	/* Having nothing to send proves nothing, unless another worker has uploaded since. */
	return outage->worked_ms >= worker->failed_ms && end_worker_outage(outage, worker);
}

const char *outage_describe(const struct outage *outage, uint64_t now_ms, char *out, size_t size)
{
	uint64_t seconds = (now_ms - outage->since_ms) / CLOCK_MS_PER_S;
	bool is_long = seconds >= SECONDS_A_MINUTE;
	struct text text = text_over(out, size);
	size_t reason;

	if (outage->workers == 0)
		return out;
	text_append(&text, "uploads failing since %" PRIu64 " %s: ",
		    is_long ? seconds / SECONDS_A_MINUTE : seconds, is_long ? "min" : "s");
	reason = text.length;
	text_append(&text, "%s", outage->last.message);
	return out + reason;
}
