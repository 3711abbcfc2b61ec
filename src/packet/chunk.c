/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/packet.h"

#include "base/clock.h"
#include "base/mem.h"

void chunk_pool_init(struct chunk_pool *pool, size_t count)
{
	*pool = (struct chunk_pool){ .count = count, .free_count = count };
	(void)pthread_mutex_init(&pool->lock, NULL);
	(void)pthread_cond_init(&pool->changed, NULL);
	pool->chunks = mem_calloc(count, sizeof *pool->chunks);
	pool->free = mem_calloc(count, sizeof *pool->free);
	for (size_t i = 0; i < count; i++) {
		pool->chunks[i].bytes = mem_alloc(CHUNK_BYTES);
		pool->chunks[i].keys = mem_alloc(sizeof *pool->chunks[i].keys);
		pool->free[i] = &pool->chunks[i];
	}
}

void chunk_pool_done(struct chunk_pool *pool)
{
	if (!pool->chunks)
		return;
	for (size_t i = 0; i < pool->count; i++) {
		free(pool->chunks[i].bytes);
		free(pool->chunks[i].keys);
	}
	free(take_ptr(pool->chunks));
	free(take_ptr(pool->free));
	(void)pthread_cond_destroy(&pool->changed);
	(void)pthread_mutex_destroy(&pool->lock);
}

struct chunk *chunk_pool_get(struct chunk_pool *pool, unsigned timeout_ms)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct chunk *chunk = NULL;

	(void)pthread_mutex_lock(&pool->lock);
	while (pool->free_count == 0)
		if (!thread_cond_wait_until(&pool->changed, &pool->lock, deadline_ns))
			break;
	if (pool->free_count > 0)
		chunk = pool->free[--pool->free_count];
	(void)pthread_mutex_unlock(&pool->lock);
	if (chunk) {
		*chunk = (struct chunk){ .bytes = chunk->bytes, .keys = chunk->keys };
		chunk->keys->state = CHUNK_KEYS_NONE;
	}
	return chunk;
}

void chunk_pool_put(struct chunk_pool *pool, struct chunk *chunk)
{
	(void)pthread_mutex_lock(&pool->lock);
	pool->free[pool->free_count++] = chunk;
	(void)pthread_cond_signal(&pool->changed);
	(void)pthread_mutex_unlock(&pool->lock);
}

size_t chunk_pool_free(struct chunk_pool *pool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&pool->lock);

	return pool->free_count;
}

unsigned chunk_pool_free_percent(struct chunk_pool *pool)
{
	return (unsigned)(chunk_pool_free(pool) * 100 / pool->count);
}
