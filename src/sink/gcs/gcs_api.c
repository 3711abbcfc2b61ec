/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs_api.h"

#include <ctype.h>
#include <endian.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/url.h"

#define FIELDS            "fields=generation,size,crc32c,metadata"
#define LIST_FIELDS       "fields=items(name,size,generation,metadata,storageClass),nextPageToken"

#define BUCKET_MIN        3
#define BUCKET_MAX        63 /* also of each part between dots */
#define BUCKET_MAX_DOTTED 222

const char *gcs_bucket_problem(const char *bucket)
{
	size_t length = strlen(bucket);

	if (bucket[strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-_.")])
		return "only lower-case letters, digits, '-', '_' and '.' are allowed";
	for (const char *part = bucket; *part; part += strspn(part, ".")) {
		size_t part_length = strcspn(part, ".");

		if (part_length > BUCKET_MAX)
			return "no part of it may be longer than 63 characters";
		part += part_length;
	}
	if (strstr(bucket, ".."))
		return "two dots in a row are not allowed";
	if (length < BUCKET_MIN || length > (strchr(bucket, '.') ? BUCKET_MAX_DOTTED : BUCKET_MAX))
		return "it must have 3 to 63 characters (222 with dots)";
	if (!isalnum((unsigned char)bucket[0]) || !isalnum((unsigned char)bucket[length - 1]))
		return "it must begin and end with a letter or digit";
	if (strncmp(bucket, "goog", 4) == 0)
		return "it must not begin with \"goog\"";
	if (!bucket[strspn(bucket, "0123456789.")] && strchr(bucket, '.'))
		return "it must not look like an IP address";
	return NULL;
}

char *gcs_base_url(const char *universe, const char *emulator_host)
{
	struct http_url parsed;
	char *url;

	if (!emulator_host || !emulator_host[0])
		return mem_printf("https://storage.%s", universe);
	url = mem_printf("%s%s", strstr(emulator_host, "://") ? "" : "http://", emulator_host);
	for (size_t length = strlen(url); url[length - 1] == '/'; length--)
		url[length - 1] = '\0';
	if (!strpbrk(url, "?\\") && http_read_url(url, &parsed))
		return url;
	free(url);
	return NULL;
}

char *gcs_upload_url(const char *base_url, const char *bucket, const char *upload_type)
{
	/* Generation 0 means that there is no such object: this creates, and never overwrites. */
	return mem_printf("%s/upload/storage/v1/b/%s/o?uploadType=%s&ifGenerationMatch=0&" FIELDS,
			  base_url, bucket, upload_type);
}

char *gcs_object_url(const char *base_url, const char *bucket, const char *name, const char *query)
{
	cleanup_free char *escaped = http_escape(name);

	return mem_printf("%s/storage/v1/b/%s/o/%s?%s", base_url, bucket, escaped,
			  query ? query : FIELDS);
}

/* "&KEY=VALUE" behind a URL; nothing for an empty value. Frees the URL. */
static char *add_parameter(char *url, const char *key, const char *value)
{
	cleanup_free char *shorter = url;
	cleanup_free char *escaped = http_escape(value);

	return value[0] ? mem_printf("%s&%s=%s", url, key, escaped) : take_ptr(shorter);
}

char *gcs_list_url(const char *base_url, const char *bucket, const struct sink_list *what,
		   const char *page_token)
{
	char *url = mem_printf("%s/storage/v1/b/%s/o?" LIST_FIELDS "&maxResults=%u", base_url,
			       bucket, what->limit);

	url = add_parameter(url, "prefix", what->prefix);
	url = add_parameter(url, "startOffset", what->from);
	url = add_parameter(url, "endOffset", what->to);
	return add_parameter(url, "pageToken", page_token ? page_token : "");
}

char *gcs_permissions_url(const char *base_url, const char *bucket)
{
	return mem_printf("%s/storage/v1/b/%s/iam/testPermissions?permissions=" GCS_READ, base_url,
			  bucket);
}

static void set_string(void *object, const char *key, const char *value)
{
	json_t *string = json_string(value);

	/* A filter may contain bytes that are not UTF-8, which JSON cannot carry. */
	if (!string) {
		cleanup_free char *copy = mem_strdup(value);

		for (char *p = copy; *p; p++)
			if ((unsigned char)*p >= 0x80)
				*p = '?';
		string = json_string(copy);
	}
	if (json_object_set_new(object, key, string) < 0)
		abort(); /* no memory */
}

char *gcs_format_resource(const struct sink_object *object, const char *name,
			  const char *storage_class)
{
	json_t *resource = json_object();
	json_t *metadata = json_object();
	char crc32c[GCS_CRC32C_LENGTH + 1];
	char *text;

	gcs_format_crc32c(object->crc32c, crc32c);
	set_string(resource, "name", name);
	set_string(resource, "contentType", sink_content_type(object->name));
	/* Downloads return the bytes that were uploaded: .gz stays .gz. */
	set_string(resource, "cacheControl", "no-transform");
	set_string(resource, "crc32c", crc32c);
	if (storage_class)
		set_string(resource, "storageClass", storage_class);
	segment_each_field(object->segment, set_string, metadata);
	if (json_object_set_new(resource, "metadata", metadata) < 0)
		abort(); /* no memory */
	text = json_dumps(resource, JSON_COMPACT);
	json_decref(resource);
	if (!text)
		abort(); /* no memory */
	return text;
}

bool gcs_parse_resource(const char *body, struct gcs_resource *ret_resource)
{
	json_t *resource = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	const char *bytes = json_string_value(json_object_get(resource, "size"));
	const char *crc32c = json_string_value(json_object_get(resource, "crc32c"));
	const char *generation = json_string_value(json_object_get(resource, "generation"));
	const char *id =
		json_string_value(json_object_get(json_object_get(resource, "metadata"), "id"));
	struct gcs_resource parsed = { 0 };
	bool is_whole;

	is_whole = bytes && text_parse_number(bytes, &parsed.bytes) == 0 && crc32c &&
		   gcs_parse_crc32c(crc32c, &parsed.crc32c);
	if (generation && text_parse_number(generation, &parsed.generation) < 0)
		parsed.generation = 0;
	if (id)
		(void)snprintf(parsed.id, sizeof parsed.id, "%s", id);
	json_decref(resource);
	if (is_whole)
		*ret_resource = parsed;
	return is_whole;
}

bool gcs_parse_range(const char *range, uint64_t *ret_persisted)
{
	static const char begin[] = "bytes=0-";
	uint64_t last;

	if (strncmp(range, begin, strlen(begin)) != 0 ||
	    text_parse_number(range + strlen(begin), &last) < 0 || last == UINT64_MAX)
		return false;
	*ret_persisted = last + 1;
	return true;
}

bool gcs_is_content_range(const char *text, uint64_t first, uint64_t last)
{
	cleanup_free char *expected = mem_printf("bytes %" PRIu64 "-%" PRIu64 "/", first, last);
	size_t length = strlen(expected);
	uint64_t total;

	return strncmp(text, expected, length) == 0 &&
	       (strcmp(text + length, "*") == 0 ||
		(text_parse_number(text + length, &total) == 0 && total > last));
}

void gcs_format_crc32c(uint32_t crc32c, char out[GCS_CRC32C_LENGTH + 1])
{
	uint32_t bytes = htobe32(crc32c);

	(void)EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)&bytes, sizeof bytes);
}

bool gcs_parse_crc32c(const char *text, uint32_t *ret_crc32c)
{
	unsigned char bytes[6];
	char again[GCS_CRC32C_LENGTH + 1];
	uint32_t crc32c;

	if (strlen(text) != GCS_CRC32C_LENGTH ||
	    EVP_DecodeBlock(bytes, (const unsigned char *)text, GCS_CRC32C_LENGTH) != 6)
		return false;
	memcpy(&crc32c, bytes, sizeof crc32c);
	crc32c = be32toh(crc32c);
	/* OpenSSL accepts '=' anywhere, and unused bits that are set. */
	gcs_format_crc32c(crc32c, again);
	if (strcmp(again, text) != 0)
		return false;
	*ret_crc32c = crc32c;
	return true;
}
