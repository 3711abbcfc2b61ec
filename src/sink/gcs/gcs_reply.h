/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a reply of GCS says when it is not what was hoped for, from whatever somebody on the way made of it,
 * and what an operator can do about it. Pure. What we do about it is in gcs_decide.h.
 */

#include <stdbool.h>

/* What the reply says about a failure. */
struct gcs_problem {
	char reason[64];   /* "forbidden"; "" where there is none */
	char message[256]; /* one line for people */
	bool is_scope;     /* the token's scopes are too narrow, in any of its four shapes */
	bool is_explained; /* by a JSON error as GCS sends it, not by a page of somebody between */
};

/*
 * Does reason or message hold one of these words, separated by '|'? Upper and lower case are the same.
 */
#define GCS_ABOUT_MONEY "userProject|requester pays|billing"
#define GCS_ABOUT_RETENTION \
	"retentionPolicyNotMet|objectUnderActiveHold|retention policy|object retention"
#define GCS_ABOUT_CHECKSUM "doesn't match calculated" /* CRC32C, MD5 hash */
bool gcs_problem_says(const struct gcs_problem *problem, const char *words);

/* From a JSON error, else the beginning of whatever text or HTML it is. Without what may be a secret. */
void gcs_parse_problem(const char *body, const char *www_authenticate,
		       struct gcs_problem *ret_problem);

/* What the operator can do about it; "" where nothing is known. */
const char *gcs_remedy(long status, const struct gcs_problem *problem);
