/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One account's token in exchange for another's: the IAM credentials API's generateAccessToken,
 * https://cloud.google.com/iam/docs/reference/credentials/rest.
 */

#include <stdint.h>

#include "google/account.h"

#define GOOGLE_IMPERSONATION_KEY "service_account_impersonation_url" /* its URL in a key file */

/*
 * Let the account speak for the service account in this URL. lifetime_s 0: an hour. delegates: an array of
 * texts, or NULL. ERROR_CONFIG if anything is wrong.
 */
int google_impersonate(struct google_account *account, const char *url, const json_t *delegates,
		       uint64_t lifetime_s, const struct google_setup *setup, struct error *err)
	__attribute__((warn_unused_result));
/* Replace the source's token by the other account's; NULL after a failure. */
int google_impersonation_exchange(const struct google_impersonation *impersonation,
				  struct http *http, struct token *token, struct error *err)
	__attribute__((warn_unused_result));
/* {"accessToken":"…","expireTime":"2026-01-01T00:00:00Z"}, read at this time. */
int google_impersonation_parse(const char *body, uint64_t now_s, struct token *ret_token,
			       struct error *err) __attribute__((warn_unused_result));
