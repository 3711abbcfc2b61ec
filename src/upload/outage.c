/* SPDX-License-Identifier: Apache-2.0 */
/* When uploads fail: what is said about it, and how long a worker waits before the next attempt. */
#include "upload/worker.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"

#define LOG_EVERY        10
#define SECONDS_A_MINUTE 60
#define LASTING_MS       UINT64_C(60000)
#define FIRST_MS         UINT64_C(1000)
#define CEILING_MS       UINT64_C(64000)
#define FLOOR_MS         UINT64_C(100) /* chance must not make it a busy loop */
#define RETRY_AFTER_MS   UINT64_C(600000)

bool outage_failed(struct outage *outage, struct outage_worker *worker, uint64_t now_ms,
		   const struct error *err)
{
	if (!worker->is_failing && outage->workers++ == 0) {
		outage->failures = 0;
		outage->since_ms = now_ms;
		outage->is_refused = false;
	}
	worker->is_failing = true;
	worker->failed_ms = now_ms;
	outage->last = *err;
	outage->is_refused |= err->kind == ERROR_CONFIG;
	outage->failures++;
	return outage->failures == 1 || outage->failures % LOG_EVERY == 0;
}

bool outage_worked(struct outage *outage, struct outage_worker *worker, bool has_uploaded,
		   uint64_t now_ms)
{
	if (has_uploaded)
		outage->worked_ms = now_ms;
	/* Having nothing to send proves nothing, unless another worker has uploaded since. */
	if (!worker->is_failing || (!has_uploaded && outage->worked_ms < worker->failed_ms))
		return false;
	worker->is_failing = false;
	return --outage->workers == 0;
}

bool outage_is_lasting(const struct outage *outage, uint64_t now_ms)
{
	return outage->workers > 0 &&
	       (outage->is_refused || now_ms - outage->since_ms >= LASTING_MS);
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

uint64_t backoff_ms(unsigned failures, uint64_t retry_after_ms, uint32_t random)
{
	uint64_t ceiling = FIRST_MS;

	for (; failures > 0 && ceiling < CEILING_MS; failures--)
		ceiling *= 2;
	if (retry_after_ms > RETRY_AFTER_MS)
		retry_after_ms = RETRY_AFTER_MS;
	/* On top, not instead: all nodes got the same time, and must not return together. */
	return retry_after_ms + FLOOR_MS + (ceiling - FLOOR_MS) * random / UINT32_MAX;
}
