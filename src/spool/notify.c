/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a segment: an event count, whose lock is held for no longer than it takes to read it. */
#include "base/clock.h"
#include "spool/spool_private.h"

void spool_notify(struct spool *spool, bool is_wake)
{
	(void)pthread_mutex_lock(&spool->event_lock);
	spool->events++;
	spool->wakes += is_wake;
	(void)pthread_cond_broadcast(&spool->changed);
	(void)pthread_mutex_unlock(&spool->event_lock);
}

void spool_wake(struct spool *spool)
{
	spool_notify(spool, true);
}

struct spool_watch spool_watch(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->event_lock);

	return (struct spool_watch){ spool->events, spool->wakes };
}

bool spool_wait_for_more(struct spool *spool, uint64_t deadline_ns, uint64_t due_ms,
			 struct spool_watch *seen, unsigned wakes)
{
	uint64_t until_ns = deadline_ns;
	bool is_of_use;

	if (due_ms < deadline_ns / CLOCK_NS_PER_MS)
		until_ns = due_ms * CLOCK_NS_PER_MS;
	(void)pthread_mutex_lock(&spool->event_lock);
	while (spool->events == seen->events)
		if (!thread_cond_wait_until(&spool->changed, &spool->event_lock, until_ns))
			break;
	*seen = (struct spool_watch){ spool->events, spool->wakes };
	is_of_use = seen->wakes == wakes && clock_monotonic_ns() < deadline_ns;
	(void)pthread_mutex_unlock(&spool->event_lock);
	return is_of_use;
}
