/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The token of another issuer, as an external account reads it; for external_account.c and its tests. */

#include <stddef.h>

#include "base/error.h"

/*
 * The token in a text, or in that member of a JSON object (NULL: the text is the token). The caller frees it with
 * mem_free_secret(). ERROR_TRANSIENT: there may be one later; ERROR_CONFIG: there never will.
 */
int external_account_parse(const char *text, size_t length, const char *field, char **ret_token,
			   struct error *err) __attribute__((warn_unused_result));
