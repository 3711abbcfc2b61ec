/* SPDX-License-Identifier: Apache-2.0 */
#include "http/rate.h"

#include <time.h>

#include "base/clock.h"

#define PIECES_A_SECOND 20
#define PIECE_MIN       1024
#define CATCH_UP_NS     (100 * CLOCK_NS_PER_MS) /* delays by scheduling and the network */
#define SLICE_NS        (100 * CLOCK_NS_PER_MS) /* how often to look at cancel */

void rate_init(struct rate *rate, uint64_t bytes_a_second)
{
	atomic_init(&rate->bytes_a_second, bytes_a_second);
	(void)pthread_mutex_init(&rate->lock, NULL);
	rate->free_ns = 0;
}

void rate_done(struct rate *rate)
{
	(void)pthread_mutex_destroy(&rate->lock);
}

void rate_set(struct rate *rate, uint64_t bytes_a_second)
{
	(void)pthread_mutex_lock(&rate->lock);
	if (atomic_exchange(&rate->bytes_a_second, bytes_a_second) != bytes_a_second)
		rate->free_ns = 0; /* drop reservations at the old rate */
	(void)pthread_mutex_unlock(&rate->lock);
}

size_t rate_piece(const struct rate *rate, size_t bytes)
{
	uint64_t piece = atomic_load(&rate->bytes_a_second) / PIECES_A_SECOND;

	if (atomic_load(&rate->bytes_a_second) == 0)
		return bytes;
	if (piece < PIECE_MIN)
		piece = PIECE_MIN;
	return bytes < piece ? bytes : (size_t)piece;
}

uint64_t rate_reserve(struct rate *rate, size_t bytes, uint64_t now_ns)
{
	uint64_t earliest_ns = now_ns > CATCH_UP_NS ? now_ns - CATCH_UP_NS : 0;
	uint64_t limit, start_ns;

	(void)pthread_mutex_lock(&rate->lock);
	limit = atomic_load(&rate->bytes_a_second);
	start_ns = rate->free_ns > earliest_ns ? rate->free_ns : earliest_ns;
	if (limit > 0)
		rate->free_ns = start_ns + bytes * CLOCK_NS_PER_S / limit;
	(void)pthread_mutex_unlock(&rate->lock);
	return limit > 0 ? start_ns : now_ns;
}

bool rate_wait(struct rate *rate, size_t bytes, const atomic_bool *cancel)
{
	uint64_t now_ns, go_ns;

	if (atomic_load(&rate->bytes_a_second) == 0)
		return true;
	now_ns = clock_monotonic_ns();
	go_ns = rate_reserve(rate, bytes, now_ns);
	for (; now_ns < go_ns; now_ns = clock_monotonic_ns()) {
		uint64_t left_ns = go_ns - now_ns < SLICE_NS ? go_ns - now_ns : SLICE_NS;
		const struct timespec pause = { .tv_nsec = (long)left_ns };

		thread_beat();
		if (atomic_load(cancel))
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return true;
}
