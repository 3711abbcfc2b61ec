/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An account that tokens are fetched for, whatever its kind, and what the kinds share. To add a kind: a file with
 * its open function and fetch function, a row in credentials.c, a test.
 */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "http/http.h"
#include "http/token_cache.h"

/* The narrowest scope that allows creating objects. */
#define GOOGLE_SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
/* Of a token that only serves to get another account's. */
#define GOOGLE_SCOPE_OF_SOURCE "https://www.googleapis.com/auth/cloud-platform"

/* How an account is opened; borrowed for the call. */
struct google_setup {
	const char *universe; /* token services must be hosts in this domain */
	const char *scope;    /* of the tokens, a constant */
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
	const char *scope; /* borrowed: a constant */
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

/* key_file.c: key files in JSON are read, checked and wiped. A file must not choose where its secrets are sent. */

/* Read a file; logs a warning if other accounts can read its secrets or change it. */
int key_file_read(const char *path, json_t **ret_file, struct error *err)
	__attribute__((warn_unused_result));
/* Free a file or a reply that contains secrets, after wiping its texts. */
void key_file_free(json_t *object);

/* A text that must be there, borrowed from the file. */
int key_file_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
	__attribute__((warn_unused_result));
/*
 * The URL that secrets are sent to: the value of `key`, else `usual` (NULL: it must be there). It is https, of a
 * host in the universe (NULL: of any, because whoever wrote the file has the secret anyway), or this machine.
 * The caller frees.
 */
int key_file_url(const json_t *file, const char *key, const char *universe, const char *usual,
		 char **ret_url, struct error *err) __attribute__((warn_unused_result));

/* external_account.c */
/* Does another issuer's token say that it has expired? False if it is not a JWT or does not say. */
bool jwt_has_expired(const char *jwt, uint64_t now_s);

/* oauth.c: token services (RFC 6749) and their relatives, how they are asked, and what their replies mean. */

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
	const char *email;        /* the account that the token is for; NULL: the one that asks */
};

/* POST the body and take the token from the reply; not 200: oauth_refusal(). */
int oauth_exchange(struct http *http, const struct oauth_exchange *exchange,
		   struct token *ret_token, struct error *err) __attribute__((warn_unused_result));
/*
 * {"access_token":"…","expires_in":3599}, or IAM's {"accessToken":"…","expireTime":"2026-01-01T00:00:00Z"}, read
 * at the reply's date. ERROR_TRANSIENT if it is neither.
 */
int oauth_parse_token(const struct http_reply *reply, struct token *ret_token, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Another issuer's token: a text, or that member of a JSON object (NULL: the text is the token). The
 * caller frees it with mem_free_secret(). ERROR_TRANSIENT: there may be one later; ERROR_CONFIG: never.
 */
int oauth_parse_subject(const char *text, size_t length, const char *field, char **ret_token,
			struct error *err) __attribute__((warn_unused_result));
/*
 * Fill err for a reply whose status is not 200: a refusal is ERROR_CONFIG, with its remedy (the caller's,
 * for a token service and IAM), unless this node's clock may be the reason. Returns -1.
 */
int oauth_refusal(enum oauth_service service, const struct http_reply *reply, const char *remedy,
		  struct error *err);

/*
 * impersonation.c: one account's token in exchange for another's, by the IAM credentials API's generateAccessToken,
 * https://cloud.google.com/iam/docs/reference/credentials/rest.
 */
#define GOOGLE_IMPERSONATION_KEY "service_account_impersonation_url" /* its URL in a key file */
/*
 * Let the account speak for the service account in this file's URL, for as long and through those delegates as
 * the file says. ERROR_CONFIG if anything is wrong.
 */
int google_impersonate(struct google_account *account, const json_t *file,
		       const struct google_setup *setup, struct error *err)
	__attribute__((warn_unused_result));
/* Replace the source's token by the other account's; NULL after a failure. */
int google_impersonation_exchange(const struct google_impersonation *impersonation,
				  struct http *http, struct token *token, struct error *err)
	__attribute__((warn_unused_result));
