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
#include "http/http.h"

/* The least that allows creating objects; there is no scope for that alone. */
#define CREDENTIALS_SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
/* For a token that only serves to get another account's. */
#define CREDENTIALS_SCOPE_OF_SOURCE "https://www.googleapis.com/auth/cloud-platform"

/* Whatever a file, a token service or a source of tokens gives us. */
#define CREDENTIALS_TOKEN_MAX 16384

struct credentials_token {
	char *value; /* the caller wipes it with credentials_wipe() */
	uint64_t lifetime_s;
};

/* How an account is opened; borrowed for the call. */
struct credentials_setup {
	const char *universe; /* the domain that the hosts of token services have to be in */
	const char *scope;    /* what the tokens shall be good for */
	bool is_self_signed;  /* a key's own signature is the token, where there is a key */
	bool is_source;       /* its tokens are for getting another account's */
};

struct credentials_kind {
	const char *type; /* "type" of the key file; NULL: not from a file */
	/*
	 * Make the state from the key file (NULL for a kind without one), and a description for messages;
	 * both are the caller's. ERROR_CONFIG if something is missing or wrong.
	 */
	int (*open)(const json_t *file, const struct credentials_setup *setup, void **ret_state,
		    char **ret_description, struct error *err);
	/* Get a new token over the network; the caller holds the lock. Errors as credentials_header(). */
	int (*fetch)(void *state, struct http *http, struct credentials_token *ret_token,
		     struct error *err);
	void (*close)(void *state);
};

extern const struct credentials_kind credentials_authorized_user;
extern const struct credentials_kind credentials_external_account;
extern const struct credentials_kind credentials_impersonated;
extern const struct credentials_kind credentials_metadata;
extern const struct credentials_kind credentials_service_account;

/* One of the kinds, opened. */
struct credentials_account {
	const struct credentials_kind *kind; /* NULL: none */
	void *state;
	char *description;
};

/* The account that a key file's object describes, by its "type". */
int credentials_account_open(const json_t *file, const struct credentials_setup *setup,
			     struct credentials_account *ret_account, struct error *err)
	__attribute__((warn_unused_result));
void credentials_account_done(struct credentials_account *account);

/* credentials_file.c: key files ------------------------------------------------------------------ */

/* Read one; warns of a mode that lets others read its secrets or change it. */
int credentials_load(const char *path, json_t **ret_file, struct error *err)
	__attribute__((warn_unused_result));
/* Free a parsed file or reply that holds secrets, wiping its texts. */
void credentials_free_json(json_t *object);
/* A text that has to be there, borrowed from it. */
int credentials_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
	__attribute__((warn_unused_result));
/*
 * May a secret be sent to this URL (the value of `key`, for messages)? Over https, to a host in the universe
 * (NULL: to any, because whoever wrote the file has the secret anyway), or to this machine itself.
 */
int credentials_check_url(const char *key, const char *url, const char *universe, struct error *err)
	__attribute__((warn_unused_result));
/* token_uri of the key file or Google's; any host. The caller frees. */
int credentials_token_url(const json_t *file, const char *universe, char **ret_url,
			  struct error *err) __attribute__((warn_unused_result));

/* credentials_token.c: token services (RFC 6749) ------------------------------------------------- */

struct credentials_exchange {
	const char *url, *form;
	const char *login;  /* an Authorization header; NULL: none */
	const char *remedy; /* what to do about a definite no */
};

/* POST a form and read the token from the reply. */
int credentials_exchange(struct http *http, const struct credentials_exchange *exchange,
			 struct credentials_token *ret_token, struct error *err)
	__attribute__((warn_unused_result));
/* {"access_token":"…","expires_in":3599}: ERROR_TRANSIENT if it is not that. */
int credentials_parse_token(const char *body, struct credentials_token *ret_token,
			    struct error *err) __attribute__((warn_unused_result));
/* May this be a token, and so go into a header? NULL may not. */
bool credentials_is_token(const char *text);
/* credentials_decide.c: replies that are no token ------------------------------------------------ */

enum credentials_service {
	CREDENTIALS_TOKEN_SERVICE,
	CREDENTIALS_IAM,
	CREDENTIALS_METADATA,
	CREDENTIALS_SOURCE, /* of somebody else's token, for a federated account */
};

/*
 * What to think of a status that is not 200: a definite no is ERROR_CONFIG and told with its remedy (the
 * caller's, of a token service and IAM), unless this node's clock can be its reason. Returns -1.
 */
int credentials_judge(enum credentials_service service, const struct http_reply *reply,
		      const char *remedy, struct error *err);

/* credentials_impersonation.c: one account's token for another's ---------------------------------- */

struct credentials_impersonation;

/*
 * lifetime_s 0: the usual hour. delegates: an array of texts, or NULL. ERROR_CONFIG if one of them cannot
 * be right.
 */
int credentials_impersonation_open(const char *url, const json_t *delegates, uint64_t lifetime_s,
				   const struct credentials_setup *setup,
				   struct credentials_impersonation **ret_impersonation,
				   struct error *err) __attribute__((warn_unused_result));
void credentials_impersonation_close(struct credentials_impersonation *impersonation);
/* The account that is spoken for, borrowed. */
const char *credentials_impersonation_email(const struct credentials_impersonation *impersonation);
/* The other account's token for the source's, which stays the caller's. */
int credentials_impersonation_fetch(const struct credentials_impersonation *impersonation,
				    struct http *http, const struct credentials_token *source,
				    struct credentials_token *ret_token, struct error *err)
	__attribute__((warn_unused_result));
/* {"accessToken":"…","expireTime":"2026-01-01T00:00:00Z"}, read at this time. */
int credentials_parse_impersonated(const char *body, uint64_t now_s,
				   struct credentials_token *ret_token, struct error *err)
	__attribute__((warn_unused_result));

/* credentials_subject.c: the token of somebody else that a federated account is known by ----------- */

struct credentials_subject;

/* "credential_source" of the key file. */
int credentials_subject_open(const json_t *source, struct credentials_subject **ret_subject,
			     struct error *err) __attribute__((warn_unused_result));
void credentials_subject_close(struct credentials_subject *subject);
/* Read it anew: whoever issues it replaces it well before its end. The caller wipes it. */
int credentials_subject_fetch(const struct credentials_subject *subject, struct http *http,
			      char **ret_token, struct error *err)
	__attribute__((warn_unused_result));
/* The token in a text, or in that field of a JSON object (NULL: the text is the token). */
int credentials_parse_subject(const char *text, size_t length, const char *field, char **ret_token,
			      struct error *err) __attribute__((warn_unused_result));
