/* SPDX-License-Identifier: Apache-2.0 */
#include "google/jwt.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/mem.h"

#define JWT_MAX 65536

/* Replaces OpenSSL's own, which would ask on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *context)
{
	(void)out, (void)size, (void)is_writing, (void)context;
	return 0;
}

int jwt_read_key(const char *pem, EVP_PKEY **ret_key, struct error *err)
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

int jwt_sign(EVP_PKEY *key, const char *key_id, json_t *claims, char **ret_jwt, struct error *err)
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

/* The JSON of one part; NULL if it is not JSON. */
static json_t *decode_part(const char *part, size_t length)
{
	size_t padded = (length + 3) / 4 * 4;
	char *text = mem_alloc(padded + 1);
	unsigned char *bytes = mem_alloc(padded + 1);
	json_t *object = NULL;
	int decoded;

	for (size_t i = 0; i < padded; i++)
		text[i] = i >= length ? '=' : part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
	decoded = EVP_DecodeBlock(bytes, (unsigned char *)text, (int)padded);
	if (decoded > 0) /* padding decodes as zeros */
		object = json_loadb((char *)bytes, (size_t)decoded - (padded - length), 0, NULL);
	free(text);
	free(bytes);
	return object;
}

bool jwt_has_expired(const char *jwt, uint64_t now_s)
{
	const char *claims = strchr(jwt, '.');
	const char *end = claims ? strchr(claims + 1, '.') : NULL;
	json_t *object, *exp;
	bool has_expired;

	if (!end || end - claims > JWT_MAX)
		return false;
	object = decode_part(claims + 1, (size_t)(end - claims - 1));
	exp = json_object_get(object, "exp");
	has_expired = json_is_number(exp) && json_number_value(exp) <= (double)now_s;
	json_decref(object);
	return has_expired;
}
