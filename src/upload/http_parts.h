/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What http.c does on its own, without libcurl: the request's body piece by piece, and the few headers of
 * a reply that anybody reads. For http.c and its test.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "upload/http.h"

uint64_t http_body_bytes(const struct http_request *request);
/*
 * The next piece of the body, from whichever of its three parts the position is in. Returns its length, 0
 * at the end, -1 with errno set if the file cannot be read (ENODATA: it is shorter than it should be).
 */
ssize_t http_body_read(const struct http_request *request, uint64_t position, char *out,
		       size_t capacity);

enum http_header {
	HTTP_LOCATION,
	HTTP_RANGE,
	HTTP_METADATA_FLAVOR,
	HTTP_WWW_AUTHENTICATE,
	HTTP_HEADER_COUNT,
};

struct http_headers {
	char values[HTTP_HEADER_COUNT][HTTP_HEADER_MAX + 1];
};

/* Take over one line of a reply's head, as it came, not terminated. A status line forgets what was there. */
void http_headers_take(struct http_headers *headers, const char *line, size_t length);
