/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Google credentials by the order of Application Default Credentials, and the access token they give. One
 * object for all workers, locked inside. A kind is a row {type, functions} in credentials.c; one file per
 * kind. Tokens and keys never reach a log or an error message.
 */

#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "http/http.h"

struct credentials;

/*
 * Find the credentials: none when $STORAGE_EMULATOR_HOST is set, else gcs.credentials (or
 * $GOOGLE_APPLICATION_CREDENTIALS), gcloud's well-known file, the metadata server. Reads files, no
 * network. A file that is named but missing or malformed: ERROR_CONFIG, no fall-through.
 */
int credentials_open(const struct conf *conf, struct credentials **ret_credentials,
		     struct error *err) __attribute__((warn_unused_result));
struct credentials *credentials_close(struct credentials *credentials);

/* For messages: "service account NAME", "metadata server", "none (emulator)". */
const char *credentials_describe(const struct credentials *credentials);

/*
 * "Authorization: Bearer …", from the cache or fetched with the caller's http; "" for none. Refreshed
 * 225 s before its end; the old one serves while it is valid if that fails. The caller frees (and wipes
 * with credentials_wipe). ERROR_TRANSIENT: no answer, or later (retry_after_ms); ERROR_CONFIG: the key or the node is refused.
 */
int credentials_header(struct credentials *credentials, struct http *http, char **ret_header,
		       struct error *err) __attribute__((warn_unused_result));
void credentials_wipe(char *header);
/* When the token that is in use ends (real time in ns); 0: there is none. */
uint64_t credentials_expires_ns(struct credentials *credentials);
/* The server said 401: fetch a new token next time. */
void credentials_refused(struct credentials *credentials);

/*
 * The project that pays for requests, for "x-goog-user-project": $GOOGLE_CLOUD_QUOTA_PROJECT, else
 * quota_project_id of the file; "" for none.
 */
const char *credentials_quota_project(const struct credentials *credentials);
