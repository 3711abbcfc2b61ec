/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File names, as found in a spool folder that anybody may have put files into; and the names that objects get
 * with them, in whichever bucket and below whichever prefix somebody wrote into the configuration.
 */
#include <ctype.h>

#include "fuzz.h"
#include "conf/conf.h"
#include "segment/segment.h"
#include "sink/gcs/gcs_api.h"
#include "http/url.h"

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

/* What is let through as a bucket leads where it should: the URL has this host and these parts. */
static void check_bucket(const char *bucket)
{
	cleanup_free char *url = gcs_upload_url("https://storage.example", bucket, "multipart");
	cleanup_free char *begin = mem_printf(
		"https://storage.example/upload/storage/v1/b/%s/o?uploadType=multipart&", bucket);
	struct http_url where;

	if (gcs_bucket_problem(bucket))
		return;
	fuzz_require(strlen(bucket) >= 3 && strlen(bucket) <= 222 && !strpbrk(bucket, "/?#%@:"));
	fuzz_require(strncmp(url, begin, strlen(begin)) == 0);
	fuzz_require(http_read_url(url, &where) && where.is_https);
	fuzz_require(strcmp(where.host, "storage.example") == 0);
}

/* A prefix that is let through keeps all parts of a name parts. */
static void check_prefix(const char *prefix)
{
	char bytes[256];
	struct text reason = text_over(bytes, sizeof bytes);

	if (!conf_is_prefix(prefix, "\\", &reason)) {
		fuzz_require(*bytes);
		return;
	}
	fuzz_require(!strstr(prefix, "//") && prefix[0] != '/');
	fuzz_require(!prefix[0] || prefix[strlen(prefix) - 1] != '/');
	for (const char *part = prefix; part; part = strchr(part, '/')) {
		part += *part == '/';
		fuzz_require(strncmp(part, "../", 3) != 0 && strcmp(part, "..") != 0);
	}
}

static int hex(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0' : digit - 'A' + 10;
}

/* Whatever it holds, a name is one part of the URL's path, and the one that was meant. */
static void check_object(const char *file, enum conf_upload_layout layout)
{
	static const char path[] = "https://storage.example/storage/v1/b/bucket/o/";
	char bytes[256];
	struct text name = text_over(bytes, sizeof bytes);
	cleanup_free char *url = NULL;
	const size_t folders = strlen("2026/11/23/0830/");
	const char *p, *said = bytes;
	struct name_parts parts;

	name_object("prefix", layout, "node", file, &name);
	if (layout == CONF_LAYOUT_TIME && name_parse(file, &parts))
		fuzz_require(strspn(bytes + strlen("prefix/"), "0123456789/") >= folders &&
			     strncmp(bytes + strlen("prefix/") + folders, file,
				     strlen(bytes) - strlen("prefix/") - folders) == 0);
	else
		fuzz_require(strncmp(bytes, "prefix/node/", strlen("prefix/node/")) == 0);
	url = gcs_object_url("https://storage.example", "bucket", bytes, "x=y");
	fuzz_require(strncmp(url, path, strlen(path)) == 0);
	for (p = url + strlen(path); *p != '?'; said++) {
		fuzz_require(isalnum((unsigned char)*p) || strchr("-._~%", *p));
		if (*p != '%') {
			fuzz_require(*p++ == *said);
			continue;
		}
		fuzz_require(isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]));
		fuzz_require(hex(p[1]) * 16 + hex(p[2]) == (unsigned char)*said);
		p += 3;
	}
	fuzz_require(!*said && strcmp(p, "?x=y") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *name = fuzz_text(bytes, size);
	const char *other = "node_20261123T083000.123Z_eth0_00000042.pcap.gz";
	struct name_parts parts;

	check_bucket(name);
	check_prefix(name);
	check_object(name, CONF_LAYOUT_NODE);
	check_object(name, CONF_LAYOUT_TIME);
	fuzz_require(name_compare(name, name) == 0);
	fuzz_require(sign(name_compare(name, other)) == -sign(name_compare(other, name)));
	if (!name_parse(name, &parts))
		return 0;
	fuzz_require(parts.node_length > 0 && name[parts.node_length] == '_');
	fuzz_require(parts.start == name + parts.node_length + 1);
	fuzz_require(isdigit((unsigned char)*parts.start));
	fuzz_require(parts.interface > parts.start && parts.interface_length > 0);
	fuzz_require(parts.interface + parts.interface_length < name + strlen(name));
	return 0;
}
