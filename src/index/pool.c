/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/index_private.h"

void index_pool_init(struct index_pool *pool, size_t limit)
{
	pool->limit = limit;
	atomic_init(&pool->used, 0);
	(void)pthread_mutex_init(&pool->packing, NULL);
}

static bool take_bytes(struct index_pool *pool, size_t bytes)
{
	size_t used = atomic_load(&pool->used);

	do {
		if (bytes > pool->limit || used > pool->limit - bytes)
			return false;
	} while (!atomic_compare_exchange_weak(&pool->used, &used, used + bytes));
	return true;
}

void *pool_alloc(struct index_pool *pool, size_t bytes)
{
	return take_bytes(pool, bytes) ? mem_alloc(bytes) : NULL;
}

void *pool_take(struct index_pool *pool, size_t bytes)
{
	atomic_fetch_add(&pool->used, bytes);
	return mem_alloc(bytes);
}

void *pool_grow(struct index_pool *pool, void *old, size_t old_bytes, size_t bytes)
{
	void *grown = pool_alloc(pool, bytes);

	if (!grown)
		return NULL;
	if (old_bytes > 0)
		memcpy(grown, old, old_bytes < bytes ? old_bytes : bytes);
	pool_free(pool, old, old_bytes);
	return grown;
}

void pool_free(struct index_pool *pool, void *ptr, size_t bytes)
{
	free(ptr);
	if (ptr)
		atomic_fetch_sub(&pool->used, bytes);
}

bool pool_array_reserve(struct index_pool *pool, struct pool_array *array, size_t element_bytes,
			size_t capacity)
{
	size_t grown = array->capacity > 0 ? array->capacity : capacity > 64 ? capacity : 64;
	void *list;

	if (capacity <= array->capacity)
		return true;
	while (grown < capacity)
		grown *= 2;
	list = pool_grow(pool, array->list, array->capacity * element_bytes, grown * element_bytes);
	if (!list)
		return false;
	array->list = list;
	array->capacity = grown;
	return true;
}

void pool_array_free(struct index_pool *pool, struct pool_array *array, size_t element_bytes)
{
	pool_free(pool, array->list, array->capacity * element_bytes);
	*array = (struct pool_array){ .list = NULL };
}

bool blob_pack(struct blob *blob, struct index_pool *pool, const struct index_library *library,
	       const uint8_t *plain, size_t length)
{
	size_t bound = library->bound(length);
	uint8_t *smaller;

	*blob = (struct blob){ .bytes = pool_alloc(pool, bound),
			       .capacity = bound,
			       .plain_bytes = length };
	if (!blob->bytes)
		return false;
	blob->length = library->deflate(plain, length, blob->bytes, bound);
	if (blob->length == 0) {
		blob_free(blob, pool);
		return false;
	}
	/* What is not needed goes back, if there is room for both for a moment. */
	smaller = pool_grow(pool, blob->bytes, bound, blob->length);
	if (smaller) {
		blob->bytes = smaller;
		blob->capacity = blob->length;
	}
	return true;
}

void blob_move(struct blob *blob, struct index_pool *from, struct index_pool *to)
{
	uint8_t *bytes = pool_take(to, blob->length);

	memcpy(bytes, blob->bytes, blob->length);
	pool_free(from, blob->bytes, blob->capacity);
	blob->bytes = bytes;
	blob->capacity = blob->length;
}

void blob_free(struct blob *blob, struct index_pool *pool)
{
	pool_free(pool, blob->bytes, blob->capacity);
	*blob = (struct blob){ .bytes = NULL };
}
