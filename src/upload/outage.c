/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/outage.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/text.h"

#define LOG_EVERY        10
#define SECONDS_A_MINUTE 60

bool trouble_failed(struct trouble *trouble, struct trouble_worker *worker, uint64_t now_ms,
		    const struct error *err)
{
	if (!worker->is_failing && trouble->workers++ == 0) {
		trouble->failures = 0;
		trouble->since_ms = now_ms;
	}
	worker->is_failing = true;
	worker->failed_ms = now_ms;
	trouble->last = *err;
	trouble->failures++;
	return trouble->failures == 1 || trouble->failures % LOG_EVERY == 0;
}

static bool recover(struct trouble *trouble, struct trouble_worker *worker)
{
	if (!worker->is_failing)
		return false;
	worker->is_failing = false;
	return --trouble->workers == 0;
}

bool trouble_worked(struct trouble *trouble, struct trouble_worker *worker, uint64_t now_ms)
{
	trouble->worked_ms = now_ms;
	return recover(trouble, worker);
}

bool trouble_idle(struct trouble *trouble, struct trouble_worker *worker)
{
	/* That there is nothing to send proves nothing, unless another worker's upload did. */
	return trouble->worked_ms >= worker->failed_ms && recover(trouble, worker);
}

const char *trouble_describe(const struct trouble *trouble, uint64_t now_ms, char *out, size_t size)
{
	uint64_t seconds = (now_ms - trouble->since_ms) / CLOCK_MS_PER_S;
	bool is_long = seconds >= SECONDS_A_MINUTE;
	struct text text = text_over(out, size);
	size_t reason;

	if (trouble->workers == 0)
		return out;
	text_append(&text, "uploads failing since %" PRIu64 " %s: ",
		    is_long ? seconds / SECONDS_A_MINUTE : seconds, is_long ? "min" : "s");
	reason = text.length;
	text_append(&text, "%s", trouble->last.message);
	return out + reason;
}
