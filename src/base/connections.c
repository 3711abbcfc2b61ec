/* SPDX-License-Identifier: Apache-2.0 */
#include "base/connections.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* Far longer than packets of a closed connection can wait in the ring. */
#define FORGET_AFTER_NS (UINT64_C(30) * CLOCK_NS_PER_S)

struct connections {
	pthread_mutex_t lock;
	atomic_uint generation;
	struct connection entries[CONNECTIONS_MAX]; /* unused: family 0 */
	uint64_t closed_ns[CONNECTIONS_MAX];        /* monotonic: the real clock may be set */
};

struct connections *connections_new(void)
{
	struct connections *table = mem_calloc(1, sizeof *table);

	(void)pthread_mutex_init(&table->lock, NULL);
	return table;
}

struct connections *connections_free(struct connections *table)
{
	if (table)
		(void)pthread_mutex_destroy(&table->lock);
	free(table);
	return NULL;
}

/* Extract address and port; returns the family on the wire, or 0 if it is not IP. */
static sa_family_t unpack_address(const struct sockaddr *address, uint8_t out[16],
				  in_port_t *ret_port)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		memcpy(out, &in->sin_addr, 4);
		*ret_port = in->sin_port;
		return AF_INET;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		*ret_port = in6->sin6_port;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			memcpy(out, in6->sin6_addr.s6_addr + 12, 4);
			return AF_INET;
		}
		memcpy(out, &in6->sin6_addr, 16);
		return AF_INET6;
	}
	return 0;
}

int connections_add(struct connections *table, const struct sockaddr *local,
		    const struct sockaddr *remote)
{
	struct connection entry = { .closed_ns = UINT64_MAX };
	int slot = -1;

	entry.family = unpack_address(local, entry.local, &entry.local_port);
	if (entry.family == 0 ||
	    unpack_address(remote, entry.remote, &entry.remote_port) != entry.family)
		return -1;
	(void)pthread_mutex_lock(&table->lock);
	/* The slot closed longest ago; a free one was never closed, or is forgotten. */
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (table->entries[i].closed_ns != UINT64_MAX &&
		    (slot < 0 || table->closed_ns[i] < table->closed_ns[slot]))
			slot = i;
	if (slot >= 0) {
		table->entries[slot] = entry;
		atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
	}
	(void)pthread_mutex_unlock(&table->lock);
	return slot;
}

void connections_close(struct connections *table, int handle)
{
	if (handle < 0 || handle >= CONNECTIONS_MAX)
		return;
	(void)pthread_mutex_lock(&table->lock);
	table->entries[handle].closed_ns = clock_real_ns();
	table->closed_ns[handle] = clock_monotonic_ns();
	atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
	(void)pthread_mutex_unlock(&table->lock);
}

const atomic_uint *connections_generation(const struct connections *table)
{
	return &table->generation;
}

size_t connections_copy(struct connections *table, struct connection out[CONNECTIONS_MAX],
			unsigned *ret_generation)
{
	uint64_t now_ns = clock_monotonic_ns();
	size_t count = 0;

	(void)pthread_mutex_lock(&table->lock);
	*ret_generation = atomic_load_explicit(&table->generation, memory_order_relaxed);
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *entry = &table->entries[i];

		if (entry->family != 0 && entry->closed_ns != UINT64_MAX &&
		    now_ns > table->closed_ns[i] + FORGET_AFTER_NS)
			entry->family = 0;
		if (entry->family != 0)
			out[count++] = *entry;
	}
	(void)pthread_mutex_unlock(&table->lock);
	return count;
}
