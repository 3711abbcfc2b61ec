/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The texts of the GCS JSON API, in both directions: bucket names, URLs, object resources, ranges. Pure. */

#include "sink/sink.h"

#define GCS_NAME_MAX SINK_NAME_MAX
#define GCS_READ     "storage.objects.get"
#define GCS_LISTING  "storage.objects.list"

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
/* A page of a listing: what has whole names, and limit is the page's; page_token NULL: the first. The caller frees. */
char *gcs_list_url(const char *base_url, const char *bucket, const struct sink_list *what,
		   const char *page_token);
char *gcs_permissions_url(const char *base_url, const char *bucket);

/* The object resource to send; storage_class NULL: the bucket's. The caller frees. */
char *gcs_format_resource(const struct sink_object *object, const char *name,
			  const char *storage_class);

/* An object, as a reply describes it; false unless size and CRC32C are there. */
struct gcs_resource {
	uint64_t generation;           /* 0 when absent */
	char id[TEXT_UUID_LENGTH + 1]; /* of the segment, from its metadata; "" when absent */
	uint64_t bytes;
	uint32_t crc32c;
};
bool gcs_parse_resource(const char *body, struct gcs_resource *ret_resource);

/* "bytes=0-K": K + 1. False if it is not that. */
bool gcs_parse_range(const char *range, uint64_t *ret_persisted);
/* Is it "bytes FIRST-LAST/" and the size of the whole, which may be "*"? */
bool gcs_is_content_range(const char *text, uint64_t first, uint64_t last);

/* base64 of the four bytes, the highest first: "4waSgw==". */
#define GCS_CRC32C_LENGTH 8
void gcs_format_crc32c(uint32_t crc32c, char out[GCS_CRC32C_LENGTH + 1]);
bool gcs_parse_crc32c(const char *text, uint32_t *ret_crc32c);
