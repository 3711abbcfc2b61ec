/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service account's key: an assertion signed with it is exchanged for a token (RFC 7523), or is itself the
 * token (https://google.aip.dev/auth/4111), which needs no token service.
 */
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "google/account.h"

#define JWT_SECONDS        3600 /* the longest that is accepted */
#define CLOCK_SKEW_SECONDS 10   /* an `iat` in the server's future is refused */

#define FORM_GRANT         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="

/* Replaces OpenSSL's own, which would ask on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *context)
{
	(void)out, (void)size, (void)is_writing, (void)context;
	return 0;
}

/* An RSA key in PEM, PKCS#8 or PKCS#1. */
static int read_key(const char *pem, EVP_PKEY **ret_key, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (!key)
		return error_set(err, ERROR_CONFIG, "\"private_key\" is not a private key in PEM");
	if (!EVP_PKEY_is_a(key, "RSA")) {
		EVP_PKEY_free(key);
		return error_set(err, ERROR_CONFIG, "\"private_key\" is not an RSA key");
	}
	*ret_key = key;
	return 0;
}

/* RFC 4648 section 5, without padding. The caller frees. */
static char *base64url(const void *bytes, size_t length)
{
	char *text = mem_alloc((length + 2) / 3 * 4 + 1);
	char *end = text + EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);

	while (end > text && end[-1] == '=')
		*--end = '\0';
	for (char *p = text; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return text;
}

/* One part of the JWT: the object's JSON in base64url; takes over the object. */
static char *encode_part(json_t *object)
{
	char *json = json_dumps(object, JSON_COMPACT);
	char *part;

	if (!json)
		abort(); /* out of memory: the object was made from JSON */
	part = base64url(json, strlen(json));
	free(json);
	json_decref(object);
	return part;
}

static int sign(EVP_PKEY *key, const char *text, char **ret_signature, struct error *err)
{
	cleanup_free unsigned char *signature = NULL;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = 0;
	int is_done;

	is_done = context &&
		  EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
		  EVP_DigestSign(context, NULL, &length, (const unsigned char *)text,
				 strlen(text)) == 1;
	if (is_done) {
		signature = mem_alloc(length);
		is_done = EVP_DigestSign(context, signature, &length, (const unsigned char *)text,
					 strlen(text)) == 1;
	}
	EVP_MD_CTX_free(context);
	if (!is_done)
		return error_set(err, ERROR_CONFIG, "cannot sign with \"private_key\"");
	*ret_signature = base64url(signature, length);
	return 0;
}

/* A JSON Web Token (RFC 7519) with an RSA signature (RS256, RFC 7518). Takes over the claims. */
static int sign_jwt(EVP_PKEY *key, const char *key_id, json_t *claims, char **ret_jwt,
		    struct error *err)
{
	/* "s*": leave the key id out where there is none. */
	cleanup_free char *header = encode_part(
		json_pack("{s:s, s:s, s:s*}", "alg", "RS256", "typ", "JWT", "kid", key_id));
	cleanup_free char *payload = encode_part(claims);
	cleanup_free char *statement = mem_printf("%s.%s", header, payload);
	cleanup_free char *signature = NULL;

	if (sign(key, statement, &signature, err) < 0)
		return -1;
	*ret_jwt = mem_printf("%s.%s", statement, signature);
	return 0;
}

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

	if (sign_jwt(account->key, account->key_id, make_claims(account), &jwt, err) < 0)
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
	    read_key(pem, &account->key, err) < 0)
		return -1;
	account->email = mem_strdup(email);
	account->key_id = key_id ? mem_strdup(key_id) : NULL;
	account->scope = setup->scope;
	account->is_self_signed = setup->is_self_signed;
	account->description = mem_printf("service account %s", email);
	account->fetch = service_account_fetch;
	return 0;
}
