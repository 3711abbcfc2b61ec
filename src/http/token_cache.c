/* SPDX-License-Identifier: Apache-2.0 */
#include "http/token_cache.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

/* Google's metadata server hands out the same token until about four minutes before it expires. */
#define RENEW_EARLY_MS (225 * CLOCK_MS_PER_S)
/* While the old token is valid, a failed renewal is not repeated more often than this. */
#define RENEW_PAUSE_MS (10 * CLOCK_MS_PER_S)

struct token_cache {
	token_fetch *fetch;
	const void *context;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	bool is_fetching;     /* one thread at a time */
	unsigned failures;    /* of fetching */
	struct error failure; /* the last */
	char *header;         /* NULL: no token yet */
	uint64_t expires_ms, renew_ms;
};

struct token_cache *token_cache_new(token_fetch *fetch, const void *context)
{
	struct token_cache *cache = mem_calloc(1, sizeof *cache);

	cache->fetch = fetch;
	cache->context = context;
	(void)pthread_mutex_init(&cache->lock, NULL);
	(void)pthread_cond_init(&cache->changed, NULL);
	return cache;
}

struct token_cache *token_cache_free(struct token_cache *cache)
{
	if (!cache)
		return NULL;
	mem_free_secret(cache->header);
	(void)pthread_cond_destroy(&cache->changed);
	(void)pthread_mutex_destroy(&cache->lock);
	free(cache);
	return NULL;
}

static bool has_token(const struct token_cache *cache)
{
	return cache->header && clock_monotonic_ms() < cache->expires_ms;
}

/* The lock is held, but not during the fetch. */
static int fetch_token(struct token_cache *cache, struct http *http, struct error *err)
{
	uint64_t now_ms, lifetime_ms;
	struct token token;
	int result;

	cache->is_fetching = true;
	(void)pthread_mutex_unlock(&cache->lock);
	result = cache->fetch(cache->context, http, &token, err);
	(void)pthread_mutex_lock(&cache->lock);
	cache->is_fetching = false;
	(void)pthread_cond_broadcast(&cache->changed);
	if (result < 0) {
		cache->failures++;
		cache->failure = *err;
		return -1;
	}
	mem_free_secret(cache->header);
	cache->header = mem_printf("Authorization: Bearer %s", token.value);
	mem_free_secret(token.value);
	now_ms = clock_monotonic_ms();
	lifetime_ms = token.lifetime_s * CLOCK_MS_PER_S;
	cache->expires_ms = now_ms + lifetime_ms;
	/* A token that is close to its end when it arrives must still be of some use. */
	cache->renew_ms = now_ms + (lifetime_ms > 2 * RENEW_EARLY_MS ? lifetime_ms - RENEW_EARLY_MS
								     : lifetime_ms / 2);
	return 0;
}

/*
 * With the lock held: another thread is fetching the token that we need. Waiting counts as progress for the
 * watchdog, as the fetch itself does. Its failure is ours, too: if every thread asked a service that hangs,
 * one after the other, it would take too long.
 */
static int wait_for_fetch(struct token_cache *cache, struct error *err)
{
	unsigned failures = cache->failures;

	while (cache->is_fetching && !has_token(cache)) {
		thread_beat();
		(void)thread_cond_wait_until(&cache->changed, &cache->lock,
					     clock_monotonic_ns() + CLOCK_NS_PER_S);
	}
	if (cache->failures == failures || has_token(cache))
		return 0;
	*err = cache->failure;
	return -1;
}

/* With the lock held. */
static int ensure_token(struct token_cache *cache, struct http *http, struct error *err)
{
	uint64_t pause_ms;

	if (wait_for_fetch(cache, err) < 0)
		return -1;
	if (cache->is_fetching || /* the old one is valid meanwhile */
	    (cache->header && clock_monotonic_ms() < cache->renew_ms) ||
	    fetch_token(cache, http, err) == 0)
		return 0;
	if (!has_token(cache))
		return -1;
	/* The next attempt: at the old token's end at the latest. */
	pause_ms = err->retry_after_ms > RENEW_PAUSE_MS ? err->retry_after_ms : RENEW_PAUSE_MS;
	cache->renew_ms = clock_monotonic_ms() + pause_ms;
	if (cache->renew_ms > cache->expires_ms)
		cache->renew_ms = cache->expires_ms;
	log_debug("cannot renew access token; the current one is still valid", log_reason(err));
	return 0;
}

int token_cache_header(struct token_cache *cache, struct http *http, char **ret_header,
		       struct error *err)
{
	struct error reason;
	int result;

	if (!cache) {
		*ret_header = mem_strdup("");
		return 0;
	}
	(void)pthread_mutex_lock(&cache->lock);
	result = ensure_token(cache, http, &reason);
	if (result == 0)
		*ret_header = mem_strdup(cache->header);
	else
		*err = reason;
	(void)pthread_mutex_unlock(&cache->lock);
	return result;
}

void token_cache_refuse(struct token_cache *cache, const char *header)
{
	if (!cache)
		return;
	(void)pthread_mutex_lock(&cache->lock);
	/* Another worker may have fetched a new one since. */
	if (cache->header && strcmp(cache->header, header) == 0) {
		mem_free_secret(cache->header);
		cache->header = NULL;
	}
	(void)pthread_mutex_unlock(&cache->lock);
}

uint64_t token_cache_expires_ns(struct token_cache *cache)
{
	uint64_t now_ms = clock_monotonic_ms(), expires_ns = 0;

	if (!cache)
		return 0;
	(void)pthread_mutex_lock(&cache->lock);
	if (cache->header)
		expires_ns = clock_real_ns() +
			     (cache->expires_ms > now_ms ? cache->expires_ms - now_ms : 0) *
				     CLOCK_NS_PER_MS;
	(void)pthread_mutex_unlock(&cache->lock);
	return expires_ns;
}
