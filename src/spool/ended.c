/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/ended.h"

#include "base/clock.h"
#include "base/mem.h"
#include "spool/spool_private.h"

void ended_init(struct ended *ended)
{
	*ended = (struct ended){ .next = 0 };
	(void)pthread_mutex_init(&ended->lock, NULL);
}

void ended_done(struct ended *ended)
{
	for (size_t i = 0; i < ENDED_MAX; i++)
		free(ended->list[i].name);
	(void)pthread_mutex_destroy(&ended->lock);
}

void ended_add(struct ended *ended, const char *name, uint64_t start_ns)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&ended->lock);
	size_t place = ended->next++ % ENDED_MAX;

	free(ended->list[place].name);
	ended->list[place].name = mem_strdup(name);
	ended->list[place].start_ns = start_ns;
	ended->list[place].ended_ns = clock_real_ns();
}

void ended_each(struct ended *ended, uint64_t real_ns,
		void (*visit)(void *context, const char *name), void *context)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&ended->lock);

	for (size_t i = 0; i < ENDED_MAX; i++) {
		size_t place = (ended->next + i) % ENDED_MAX;

		if (ended->list[place].name && ended->list[place].start_ns < real_ns &&
		    ended->list[place].ended_ns >= real_ns)
			visit(context, ended->list[place].name);
	}
}

struct ended *spool_ended(struct spool *spool)
{
	return &spool->ended;
}
