/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Google credentials, found in the order of Application Default Credentials, and the access token that
 * they give. One object serves all workers; it is locked inside. Each kind of credentials is a file and a
 * row of the table in credentials.c. Tokens and keys never appear in logs or error messages.
 */

#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "http/http.h"

struct google_credentials;

/*
 * Find the credentials: none when $STORAGE_EMULATOR_HOST is set, else gcs.credentials (or
 * $GOOGLE_APPLICATION_CREDENTIALS), gcloud's well-known file, the metadata server. Reads files, but does
 * not use the network. ERROR_CONFIG: a file is malformed, or is named but missing.
 */
int google_credentials_open(const struct conf *conf, struct google_credentials **ret_credentials,
			    struct error *err) __attribute__((warn_unused_result));
struct google_credentials *google_credentials_close(struct google_credentials *credentials);

/* For messages: "service account NAME", "metadata server", "none (emulator)". */
const char *google_credentials_describe(const struct google_credentials *credentials);

/*
 * "Authorization: Bearer …" as token_cache_header(), fetched with the caller's http; "" without credentials.
 * The caller frees it with mem_free_secret(). ERROR_TRANSIENT: no answer, or not yet (retry_after_ms);
 * ERROR_CONFIG: the key or the node is refused.
 */
int google_credentials_header(struct google_credentials *credentials, struct http *http,
			      char **ret_header, struct error *err)
	__attribute__((warn_unused_result));
/* The server said 401 to this header: fetch another token next time. */
void google_credentials_refused(struct google_credentials *credentials, const char *header);
/* When the current token expires (real time in ns); 0: there is none. */
uint64_t google_credentials_expires_ns(struct google_credentials *credentials);

/*
 * The project that pays for requests, for "x-goog-user-project": $GOOGLE_CLOUD_QUOTA_PROJECT, else
 * quota_project_id of the file; "" for none.
 */
const char *google_credentials_quota_project(const struct google_credentials *credentials);
