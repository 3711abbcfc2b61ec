/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An account that tokens are fetched for, whatever its kind. To add a kind: a file with its open function and
 * fetch function, a row in credentials.c, a test.
 */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "http/token_cache.h"

/* The narrowest scope that allows creating objects. */
#define GOOGLE_SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
/* Of a token that only serves to get another account's. */
#define GOOGLE_SCOPE_OF_SOURCE "https://www.googleapis.com/auth/cloud-platform"

/* How an account is opened; borrowed for the call. */
struct google_setup {
	const char *universe; /* token services must be hosts in this domain */
	const char *scope;    /* of the tokens */
	bool is_self_signed;  /* a key's own signature is the token, where there is a key */
};

/* A service account whose token is fetched with the token of another account. */
struct google_impersonation {
	char *url, *body; /* the request */
	char *email;
	uint64_t lifetime_s;
};

/* An external account may impersonate one, and be the source of another. */
#define GOOGLE_IMPERSONATIONS_MAX  2
#define GOOGLE_SUBJECT_HEADERS_MAX 16

struct google_account {
	char *description; /* for messages: "service account NAME" */
	/* Fetch the account's own token; the caller holds no lock. Errors as token_fetch. */
	int (*fetch)(const struct google_account *account, struct http *http,
		     struct token *ret_token, struct error *err);
	/* The request for a token. */
	char *url;
	char *form;  /* the body, or its constant beginning; a secret */
	char *login; /* an Authorization header; a secret. NULL: none */
	/* A service account's key. */
	EVP_PKEY *key;
	char *key_id; /* NULL: the file has none */
	char *email;
	char *scope;
	bool is_self_signed;
	/* The source of an external account's token, which another issuer signs: a file or a URL. */
	struct {
		char *path; /* NULL: the URL */
		char *url;
		bool is_local;
		char *headers[GOOGLE_SUBJECT_HEADERS_MAX + 1]; /* may be a secret */
		char *field; /* the member of a JSON object; NULL: the whole text is the token */
	} subject;
	/* Then exchanged for these accounts' tokens, one after the other. */
	struct google_impersonation impersonations[GOOGLE_IMPERSONATIONS_MAX];
	size_t impersonation_count;
};

/*
 * Open the account that a key file's object describes, by its "type"; ERROR_CONFIG if something is missing
 * or wrong. Close it in any case; a zeroed account is fine.
 */
int google_account_open(const json_t *file, const struct google_setup *setup,
			struct google_account *account, struct error *err)
	__attribute__((warn_unused_result));
void google_account_close(struct google_account *account);

/* The kinds. Each fills the members that its fetch function needs; file is NULL where there is none. */
typedef int google_open(const json_t *file, const struct google_setup *setup,
			struct google_account *account, struct error *err);
google_open google_open_authorized_user, google_open_external_account, google_open_metadata_server,
	google_open_service_account;

/*
 * impersonation.c: one account's token in exchange for another's, by the IAM credentials API's generateAccessToken,
 * https://cloud.google.com/iam/docs/reference/credentials/rest.
 */
#define GOOGLE_IMPERSONATION_KEY "service_account_impersonation_url" /* its URL in a key file */
/*
 * Let the account speak for the service account in this URL. lifetime_s 0: an hour. delegates: an array of
 * texts, or NULL. ERROR_CONFIG if anything is wrong.
 */
int google_impersonate(struct google_account *account, const char *url, const json_t *delegates,
		       uint64_t lifetime_s, const struct google_setup *setup, struct error *err)
	__attribute__((warn_unused_result));
/* Replace the source's token by the other account's; NULL after a failure. */
int google_impersonation_exchange(const struct google_impersonation *impersonation,
				  struct http *http, struct token *token, struct error *err)
	__attribute__((warn_unused_result));
/* {"accessToken":"…","expireTime":"2026-01-01T00:00:00Z"}, read at this time. */
int google_impersonation_parse(const char *body, uint64_t now_s, struct token *ret_token,
			       struct error *err) __attribute__((warn_unused_result));
