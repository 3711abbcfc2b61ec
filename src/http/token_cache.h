/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A bearer token shared by all workers: fetched when it is needed, renewed before it expires, and dropped
 * when a server refuses it. Who issues it is up to the fetch function. Locked inside, but not during a
 * fetch: meanwhile other threads use the old token, or wait if there is none. Tokens never appear in logs
 * or error messages. A cache that is NULL is for servers that want no token: its header is "".
 */

#include <stdint.h>

#include "base/error.h"

struct http;
struct token_cache;

struct token {
	char *value; /* the caller frees it with mem_free_secret() */
	uint64_t lifetime_s;
};

/*
 * Get a new token over the network, on the thread that needs it, one thread at a time. ERROR_TRANSIENT: no
 * answer, or not yet (retry_after_ms); ERROR_CONFIG: refused.
 */
typedef int token_fetch(const void *context, struct http *http, struct token *ret_token,
			struct error *err);

/* context is borrowed. */
struct token_cache *token_cache_new(token_fetch *fetch, const void *context);
struct token_cache *token_cache_free(struct token_cache *cache);

/*
 * "Authorization: Bearer …", cached or fetched. Renewed 225 s before it expires; if that fails, the old token
 * serves until then. The caller frees it with mem_free_secret(). Fails as the fetch did.
 */
int token_cache_header(struct token_cache *cache, struct http *http, char **ret_header,
		       struct error *err) __attribute__((warn_unused_result));
/* A server refused this header (401): fetch another token next time, unless that has happened already. */
void token_cache_refuse(struct token_cache *cache, const char *header);
/* When the current token expires (real time in ns); 0: there is none. */
uint64_t token_cache_expires_ns(struct token_cache *cache);
