/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a kind of credentials has to offer, and what the kinds share. To add one: a file
 * credentials_KIND.c, a row in credentials.c, a test.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "upload/http.h"

/* The least that allows creating objects; there is no scope for that alone. */
#define CREDENTIALS_SCOPE "https://www.googleapis.com/auth/devstorage.read_write"

struct credentials_token {
	char *value; /* the caller wipes it with credentials_wipe() */
	uint64_t lifetime_s;
};

struct credentials_kind {
	const char *type; /* "type" of the key file; NULL: not from a file */
	/*
	 * Make the state from the key file (NULL for a kind without one), and a description for messages;
	 * both are the caller's. ERROR_CONFIG if something is missing or wrong.
	 */
	int (*open)(const json_t *file, void **ret_state, char **ret_description,
		    struct error *err);
	/* Get a new token over the network; the caller holds the lock. Errors as credentials_header(). */
	int (*fetch)(void *state, struct http *http, struct credentials_token *ret_token,
		     struct error *err);
	void (*close)(void *state);
};

extern const struct credentials_kind credentials_authorized_user;
extern const struct credentials_kind credentials_metadata;
extern const struct credentials_kind credentials_service_account;

/* A text that has to be in the key file, borrowed from it. */
int credentials_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
	__attribute__((warn_unused_result));
/* token_uri of the key file or Google's; has to be https, or http to this machine. The caller frees. */
int credentials_token_url(const json_t *file, char **ret_url, struct error *err)
	__attribute__((warn_unused_result));

/* Free a parsed file or reply that holds secrets, wiping its texts. */
void credentials_free_json(json_t *object);

/* POST a form to a token endpoint and read the token from the reply. */
int credentials_exchange(struct http *http, const char *url, const char *form,
			 struct credentials_token *ret_token, struct error *err)
	__attribute__((warn_unused_result));
/* {"access_token":"…","expires_in":3599}: ERROR_TRANSIENT if it is not that. */
int credentials_parse_token(const char *body, struct credentials_token *ret_token,
			    struct error *err) __attribute__((warn_unused_result));
