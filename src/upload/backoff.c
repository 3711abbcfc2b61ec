/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/backoff.h"

#define FIRST_MS       UINT64_C(1000)
#define CEILING_MS     UINT64_C(64000)
#define FLOOR_MS       UINT64_C(100) /* chance must not make it a busy loop */
#define RETRY_AFTER_MS UINT64_C(600000)

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
