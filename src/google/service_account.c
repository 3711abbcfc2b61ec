/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service account's key: a statement signed with it is exchanged for a token (RFC 7523), or is itself the
 * token (https://google.aip.dev/auth/4111), which spares the token service.
 */
#include "google/credentials_private.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "google/credentials.h"
#include "google/jwt.h"

#define JWT_SECONDS        3600 /* the most that is accepted */
#define CLOCK_SKEW_SECONDS 10   /* an `iat` in the server's future is refused */

#define FORM_GRANT         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
#define GRANT_REMEDY       "the key was deleted, or this node's clock is wrong"

struct service_account {
	char *email;
	char *key_id; /* NULL: the file has none */
	char *url;
	char *scope;
	bool is_self_signed;
	EVP_PKEY *key;
};

static void service_account_close(void *state)
{
	struct service_account *account = state;

	if (!account)
		return;
	EVP_PKEY_free(account->key); /* wipes it */
	free(account->email);
	free(account->key_id);
	free(account->url);
	free(account->scope);
	free(account);
}

static int service_account_open(const json_t *file, const struct credentials_setup *setup,
				void **ret_state, char **ret_description, struct error *err)
{
	const char *key_id = json_string_value(json_object_get(file, "private_key_id"));
	struct service_account *account = mem_calloc(1, sizeof *account);
	const char *email, *pem;

	if (credentials_text(file, "client_email", &email, err) < 0 ||
	    credentials_text(file, "private_key", &pem, err) < 0 ||
	    credentials_token_url(file, setup->universe, &account->url, err) < 0 ||
	    credentials_read_key(pem, &account->key, err) < 0) {
		service_account_close(account);
		return -1;
	}
	account->email = mem_strdup(email);
	account->key_id = key_id ? mem_strdup(key_id) : NULL;
	account->scope = mem_strdup(setup->scope);
	account->is_self_signed = setup->is_self_signed;
	*ret_state = account;
	*ret_description = mem_printf("service account %s", email);
	return 0;
}

/* An assertion is for the token service alone; a token of our own says who is meant by itself. */
static json_t *make_claims(const struct service_account *account)
{
	json_int_t issued_s = (json_int_t)(clock_real_ns() / CLOCK_NS_PER_S) - CLOCK_SKEW_SECONDS;

	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", account->email, "scope",
			 account->scope, account->is_self_signed ? "sub" : "aud",
			 account->is_self_signed ? account->email : account->url, "iat", issued_s,
			 "exp", issued_s + JWT_SECONDS);
}

static int service_account_fetch(void *state, struct http *http,
				 struct credentials_token *ret_token, struct error *err)
{
	const struct service_account *account = state;
	struct credentials_exchange exchange = { .url = account->url, .remedy = GRANT_REMEDY };
	char *jwt, *form;
	int result;

	if (credentials_sign_jwt(account->key, account->key_id, make_claims(account), &jwt, err) <
	    0)
		return -1;
	if (account->is_self_signed) {
		ret_token->value = jwt;
		ret_token->lifetime_s = JWT_SECONDS - CLOCK_SKEW_SECONDS;
		return 0;
	}
	exchange.form = form = mem_printf("%s%s", FORM_GRANT, jwt);
	result = credentials_exchange(http, &exchange, ret_token, err);
	credentials_wipe(jwt);
	credentials_wipe(form);
	return result;
}

const struct credentials_kind credentials_service_account = {
	.type = "service_account",
	.open = service_account_open,
	.fetch = service_account_fetch,
	.close = service_account_close,
};
