/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* JSON Web Tokens (RFC 7519): ours are signed with RSA (RS256, RFC 7518), those of others are read. */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* An RSA key in PEM, PKCS#8 or PKCS#1. The caller frees it with EVP_PKEY_free(), which wipes it. */
int jwt_read_key(const char *pem, EVP_PKEY **ret_key, struct error *err)
	__attribute__((warn_unused_result));

/* Takes over the claims. key_id NULL: none. The caller frees *ret_jwt with mem_free_secret(). */
int jwt_sign(EVP_PKEY *key, const char *key_id, json_t *claims, char **ret_jwt, struct error *err)
	__attribute__((warn_unused_result));

/* Does another issuer's token say that it has expired? False if it is not a JWT or does not say. */
bool jwt_has_expired(const char *jwt, uint64_t now_s);
