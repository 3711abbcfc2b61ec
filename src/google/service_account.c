/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service account's key: an assertion signed with it is exchanged for a token (RFC 7523), or is itself the
 * token (https://google.aip.dev/auth/4111), which needs no token service.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "google/account.h"
#include "google/jwt.h"
#include "google/key_file.h"
#include "google/oauth.h"

#define JWT_SECONDS        3600 /* the longest that is accepted */
#define CLOCK_SKEW_SECONDS 10   /* an `iat` in the server's future is refused */

#define FORM_GRANT         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="

/* An assertion is for the token service alone; a self-signed token says whose it is. */
static json_t *make_claims(const struct google_account *account)
{
	json_int_t issued_s = (json_int_t)(clock_real_ns() / CLOCK_NS_PER_S) - CLOCK_SKEW_SECONDS;

	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", account->email, "scope",
			 account->scope, account->is_self_signed ? "sub" : "aud",
			 account->is_self_signed ? account->email : account->url, "iat", issued_s,
			 "exp", issued_s + JWT_SECONDS);
}

static int service_account_fetch(const struct google_account *account, struct http *http,
				 struct token *ret_token, struct error *err)
{
	struct oauth_exchange exchange = {
		.url = account->url,
		.remedy = "the key was deleted, or this node's clock is wrong",
	};
	cleanup_secret char *jwt = NULL, *form = NULL;

	if (jwt_sign(account->key, account->key_id, make_claims(account), &jwt, err) < 0)
		return -1;
	if (account->is_self_signed) {
		ret_token->value = take_ptr(jwt);
		ret_token->lifetime_s = JWT_SECONDS - CLOCK_SKEW_SECONDS;
		return 0;
	}
	exchange.body = form = mem_printf("%s%s", FORM_GRANT, jwt);
	return oauth_exchange(http, &exchange, ret_token, err);
}

int google_open_service_account(const json_t *file, const struct google_setup *setup,
				struct google_account *account, struct error *err)
{
	cleanup_free char *usual_url = mem_printf(OAUTH_TOKEN_URL, setup->universe);
	const char *key_id = json_string_value(json_object_get(file, "private_key_id"));
	const char *email, *pem;

	if (key_file_text(file, "client_email", &email, err) < 0 ||
	    key_file_text(file, "private_key", &pem, err) < 0 ||
	    key_file_url(file, "token_uri", NULL, usual_url, &account->url, err) < 0 ||
	    jwt_read_key(pem, &account->key, err) < 0)
		return -1;
	account->email = mem_strdup(email);
	account->key_id = key_id ? mem_strdup(key_id) : NULL;
	account->scope = mem_strdup(setup->scope);
	account->is_self_signed = setup->is_self_signed;
	account->description = mem_printf("service account %s", email);
	account->fetch = service_account_fetch;
	return 0;
}
