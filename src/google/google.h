/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Google credentials, found in the order of Application Default Credentials, and the access token that
 * they give. One object serves all workers; it is locked inside. Each kind of credentials is a file and a
 * row of the table in credentials.c. Tokens and keys never appear in logs or error messages.
 */

#include "base/error.h"
#include "conf/conf.h"
#include "http/token_cache.h"

struct google_account;

struct google_credentials {
	const char *
		description; /* for messages: "service account NAME", "metadata server", "none (emulator)" */
	/* The project that pays for requests, for "x-goog-user-project"; "" for none. */
	char *quota_project;
	struct token_cache
		*tokens; /* fetched with the caller's http; NULL: none are needed (emulator) */
	struct google_account *account; /* private */
};

/*
 * Find the credentials: none when $STORAGE_EMULATOR_HOST is set, else gcs.credentials (or
 * $GOOGLE_APPLICATION_CREDENTIALS), gcloud's well-known file, the metadata server. The quota project is
 * $GOOGLE_CLOUD_QUOTA_PROJECT, else quota_project_id of the file. Reads files, but does not use the network. ERROR_CONFIG: a file is malformed, or is named but missing.
 */
int google_credentials_open(const struct conf *conf, struct google_credentials **ret_credentials,
			    struct error *err) __attribute__((warn_unused_result));
struct google_credentials *google_credentials_close(struct google_credentials *credentials);
