/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Token services (RFC 6749) and their relatives: how they are asked, and what to think of their replies. */

#include <stdbool.h>

#include "base/error.h"
#include "http/http.h"
#include "http/token_cache.h"

/* Limit for any token from a file, a token service or another issuer. */
#define OAUTH_TOKEN_MAX 16384
#define OAUTH_TOKEN_URL "https://oauth2.%s/token" /* in a universe */

enum oauth_service {
	OAUTH_TOKEN_SERVICE,
	OAUTH_IAM,
	OAUTH_METADATA,
	OAUTH_SUBJECT, /* another issuer's token, for an external account */
};

struct oauth_exchange {
	enum oauth_service service;
	const char *url, *body;
	const char *content_type; /* NULL: a form */
	const char *login;        /* an Authorization header; NULL: none */
	const char *remedy;       /* what to do about a refusal */
};

/* POST the body. Any reply but 200 is an error, as oauth_refusal() describes it. */
int oauth_post(struct http *http, const struct oauth_exchange *exchange,
	       struct http_reply *ret_reply, struct error *err) __attribute__((warn_unused_result));
/* The same, and take the token from the reply. */
int oauth_exchange(struct http *http, const struct oauth_exchange *exchange,
		   struct token *ret_token, struct error *err) __attribute__((warn_unused_result));

/* {"access_token":"…","expires_in":3599}; ERROR_TRANSIENT if it is not that. */
int oauth_parse_token(const char *body, struct token *ret_token, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Another issuer's token: a text, or that member of a JSON object (NULL: the text is the token). The
 * caller frees it with mem_free_secret(). ERROR_TRANSIENT: there may be one later; ERROR_CONFIG: never.
 */
int oauth_parse_subject(const char *text, size_t length, const char *field, char **ret_token,
			struct error *err) __attribute__((warn_unused_result));
/* Is this a token that can go into a header? NULL is not. */
bool oauth_is_token(const char *text);

/*
 * Fill err for a reply whose status is not 200: a refusal is ERROR_CONFIG, with its remedy (the caller's,
 * for a token service and IAM), unless this node's clock may be the reason. Returns -1.
 */
int oauth_refusal(enum oauth_service service, const struct http_reply *reply, const char *remedy,
		  struct error *err);
