/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

void queue_init(struct queue *queue, size_t capacity)
{
	*queue = (struct queue){ .capacity = capacity };
	queue->items = mem_calloc(capacity, sizeof *queue->items);
	(void)pthread_mutex_init(&queue->lock, NULL);
	(void)pthread_cond_init(&queue->changed, NULL);
}

void queue_done(struct queue *queue)
{
	if (!queue->items)
		return;
	(void)pthread_cond_destroy(&queue->changed);
	(void)pthread_mutex_destroy(&queue->lock);
	free(take_ptr(queue->items));
}

/* With the lock held. */
static void double_capacity(struct queue *queue)
{
	void **items = mem_calloc(2 * queue->capacity, sizeof *items);

	for (size_t i = 0; i < queue->count; i++)
		items[i] = queue->items[(queue->first + i) % queue->capacity];
	free(queue->items);
	queue->items = items;
	queue->first = 0;
	queue->capacity *= 2;
}

void queue_push(struct queue *queue, void *item)
{
	(void)pthread_mutex_lock(&queue->lock);
	if (queue->count == queue->capacity)
		double_capacity(queue);
	queue->items[(queue->first + queue->count++) % queue->capacity] = item;
	(void)pthread_cond_signal(&queue->changed);
	(void)pthread_mutex_unlock(&queue->lock);
}

void *queue_pop(struct queue *queue, unsigned timeout_ms)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	void *item = NULL;

	(void)pthread_mutex_lock(&queue->lock);
	while (queue->count == 0 && !queue->is_closed)
		if (!thread_cond_wait_until(&queue->changed, &queue->lock, deadline_ns))
			break;
	if (queue->count > 0) {
		item = queue->items[queue->first];
		queue->first = (queue->first + 1) % queue->capacity;
		queue->count--;
	}
	(void)pthread_mutex_unlock(&queue->lock);
	return item;
}

void queue_close(struct queue *queue)
{
	(void)pthread_mutex_lock(&queue->lock);
	queue->is_closed = true;
	(void)pthread_cond_broadcast(&queue->changed);
	(void)pthread_mutex_unlock(&queue->lock);
}

bool queue_is_finished(struct queue *queue)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&queue->lock);

	return queue->is_closed && queue->count == 0;
}
