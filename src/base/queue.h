/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A first-in, first-out queue of pointers between threads. It does not own its items. Consumers may
 * wait; closing the queue wakes all of them.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void **items;
	size_t capacity, first, count;
	bool is_closed;
};

void queue_init(struct queue *queue, size_t capacity);
void queue_done(struct queue *queue);

/* Add an item; never blocks. Allocates only if more than `capacity` items wait. */
void queue_push(struct queue *queue, void *item);
/* Take the oldest item, waiting up to timeout_ms; NULL if there is none. */
void *queue_pop(struct queue *queue, unsigned timeout_ms);
/* No more items will be added: consumers get the remaining ones, then NULL immediately. */
void queue_close(struct queue *queue);
bool queue_is_finished(struct queue *queue); /* closed and empty */
