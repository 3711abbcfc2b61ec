/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A bounded first-in first-out queue of pointers between threads. It owns nothing it holds. Producers and
 * consumers may wait; close wakes every waiter.
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

/* Add an item that is known to fit (the caller bounds how many there are); never blocks. */
void queue_push(struct queue *queue, void *item);
/* Take the oldest item, waiting up to timeout_ms; NULL if there was none. */
void *queue_pop(struct queue *queue, unsigned timeout_ms);
/* No more items will come: waiters get what is left, then NULL at once. */
void queue_close(struct queue *queue);
bool queue_is_finished(struct queue *queue); /* closed and empty */
