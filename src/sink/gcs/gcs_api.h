/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The texts of the GCS JSON API, in both directions: bucket names, URLs, object resources, ranges, and what a
 * reply says about a failure. Pure. What we do about a failure is in gcs_outcome.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "sink/sink.h"

#define GCS_NAME_MAX       1024 /* bytes of an object name */
#define GCS_GENERATION_MAX 20   /* digits */

/* NULL if it is the name of a bucket, otherwise what is wrong with it. */
const char *gcs_bucket_problem(const char *bucket);

/*
 * The server's URL without a path: the universe's, or $STORAGE_EMULATOR_HOST (NULL: not set), where a
 * missing scheme means http. NULL if that is no URL. The caller frees.
 */
char *gcs_base_url(const char *universe, const char *emulator_host);
/* The caller frees these. upload_type is "multipart" or "resumable"; both create only. */
char *gcs_upload_url(const char *base_url, const char *bucket, const char *upload_type);
/* query without its '?', or NULL. */
char *gcs_object_url(const char *base_url, const char *bucket, const char *name, const char *query);

/* The object resource to send; storage_class NULL: the bucket's. The caller frees. */
char *gcs_format_resource(const struct sink_object *object, const char *name,
			  const char *storage_class);

/* An object, as a reply describes it; false unless size and CRC32C are there. */
struct gcs_resource {
	char generation[GCS_GENERATION_MAX + 1]; /* "" when absent */
	char id[TEXT_UUID_LENGTH + 1]; /* of the segment, from its metadata; "" when absent */
	uint64_t bytes;
	uint32_t crc32c;
};
bool gcs_parse_resource(const char *body, struct gcs_resource *ret_resource);

/* "bytes=0-K": K + 1. False if it is not that. */
bool gcs_parse_range(const char *range, uint64_t *ret_persisted);

/* base64 of the four bytes, the highest first: "4waSgw==". */
#define GCS_CRC32C_LENGTH 8
void gcs_format_crc32c(uint32_t crc32c, char out[GCS_CRC32C_LENGTH + 1]);
bool gcs_parse_crc32c(const char *text, uint32_t *ret_crc32c);

/* What a reply says about a failure, whoever on the way wrote it. */
struct gcs_problem {
	char reason[64];   /* "forbidden"; "" where there is none */
	char message[256]; /* one line for people */
	bool is_scope;     /* the token's scopes are too narrow, in any of its four shapes */
	bool is_explained; /* by a JSON error as GCS sends it, not by a proxy's page */
};
/* From a JSON error, else the start of whatever text or HTML it is; possible secrets are removed. */
void gcs_parse_problem(const char *body, const char *www_authenticate,
		       struct gcs_problem *ret_problem);
/* Does reason or message contain one of these words, separated by '|', in upper or lower case? */
#define GCS_ABOUT_MONEY "userProject|requester pays|billing"
#define GCS_ABOUT_RETENTION \
	"retentionPolicyNotMet|objectUnderActiveHold|retention policy|object retention"
#define GCS_ABOUT_CHECKSUM "doesn't match calculated" /* CRC32C, MD5 hash */
bool gcs_problem_says(const struct gcs_problem *problem, const char *words);
/* What the operator can do about it; "" where nothing is known. */
const char *gcs_remedy(long status, const struct gcs_problem *problem);
