/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Statements with a time: JWT (RFC 7519), signed here with an RSA key (RS256, RFC 7518), or somebody else's. */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* An RSA key in PEM, PKCS#8 or PKCS#1. The caller frees it with EVP_PKEY_free(), which wipes it. */
int credentials_read_key(const char *pem, EVP_PKEY **ret_key, struct error *err)
	__attribute__((warn_unused_result));

/* Takes over the claims. key_id NULL: none. The caller wipes *ret_jwt: whoever has it can use it. */
int credentials_sign_jwt(EVP_PKEY *key, const char *key_id, json_t *claims, char **ret_jwt,
			 struct error *err) __attribute__((warn_unused_result));

/* Does somebody's token tell that it has ended by now? False for what is no JWT or tells nothing. */
bool credentials_jwt_has_ended(const char *jwt, uint64_t now_s);
