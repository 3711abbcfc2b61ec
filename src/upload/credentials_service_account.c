/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service account's key: a statement signed with it (JWT, RS256) is exchanged for a token, RFC 7523.
 */
#include "upload/credentials_private.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "upload/credentials.h"

#define ASSERTION_SECONDS  3600 /* the most that is accepted */
#define CLOCK_SKEW_SECONDS 10   /* an `iat` in the server's future is refused */

#define FORM_GRANT         "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="

struct service_account {
	char *email;
	char *key_id; /* NULL: the file has none */
	char *url;
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
	free(account);
}

/* In place of OpenSSL's own, which would ask on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *context)
{
	(void)out, (void)size, (void)is_writing, (void)context;
	return 0;
}

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

static int service_account_open(const json_t *file, void **ret_state, char **ret_description,
				struct error *err)
{
	const char *key_id = json_string_value(json_object_get(file, "private_key_id"));
	struct service_account *account = mem_calloc(1, sizeof *account);
	const char *email, *pem;

	if (credentials_text(file, "client_email", &email, err) < 0 ||
	    credentials_text(file, "private_key", &pem, err) < 0 ||
	    credentials_token_url(file, &account->url, err) < 0 ||
	    read_key(pem, &account->key, err) < 0) {
		service_account_close(account);
		return -1;
	}
	account->email = mem_strdup(email);
	account->key_id = key_id ? mem_strdup(key_id) : NULL;
	*ret_state = account;
	*ret_description = mem_printf("service account %s", email);
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
		abort(); /* no memory: all that goes in came out of a JSON text */
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

static int make_assertion(const struct service_account *account, json_int_t now_s,
			  char **ret_assertion, struct error *err)
{
	json_int_t issued_s = now_s - CLOCK_SKEW_SECONDS;
	/* "s*": leave the key id out where there is none. */
	cleanup_free char *header = encode_part(json_pack("{s:s, s:s, s:s*}", "alg", "RS256", "typ",
							  "JWT", "kid", account->key_id));
	cleanup_free char *claims = encode_part(json_pack(
		"{s:s, s:s, s:s, s:I, s:I}", "iss", account->email, "scope", CREDENTIALS_SCOPE,
		"aud", account->url, "iat", issued_s, "exp", issued_s + ASSERTION_SECONDS));
	cleanup_free char *statement = mem_printf("%s.%s", header, claims);
	cleanup_free char *signature = NULL;

	if (sign(account->key, statement, &signature, err) < 0)
		return -1;
	*ret_assertion = mem_printf("%s.%s", statement, signature);
	return 0;
}

static int service_account_fetch(void *state, struct http *http,
				 struct credentials_token *ret_token, struct error *err)
{
	const struct service_account *account = state;
	char *assertion, *form;
	int result;

	if (make_assertion(account, (json_int_t)(clock_real_ns() / CLOCK_NS_PER_S), &assertion,
			   err) < 0)
		return -1;
	form = mem_printf("%s%s", FORM_GRANT, assertion);
	result = credentials_exchange(http, account->url, form, ret_token, err);
	credentials_wipe(assertion);
	credentials_wipe(form);
	return result;
}

const struct credentials_kind credentials_service_account = {
	.type = "service_account",
	.open = service_account_open,
	.fetch = service_account_fetch,
	.close = service_account_close,
};
