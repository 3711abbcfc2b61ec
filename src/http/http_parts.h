/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What http.c does on its own, without libcurl: the request's body piece by piece, the few headers of a
 * reply that anybody reads, and which failures mean what. For http.c and its test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/http.h"

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
	HTTP_RETRY_AFTER,
	HTTP_DATE,
	HTTP_HEADER_COUNT,
};

struct http_headers {
	char values[HTTP_HEADER_COUNT][HTTP_HEADER_MAX + 1];
};

/*
 * May libcurl's words (in a buffer of this capacity) be passed on? They may repeat the URL of a proxy, also
 * one of the environment, password and all, or the beginning of it where they were cut.
 */
bool http_is_loggable(const char *reason, size_t capacity);
/* Does this result of a verification (X509_V_ERR_*) tell of a certificate not valid yet, or no more? */
bool http_is_out_of_time(long verify_result);

/* Seconds since 1970 of a date in one of the three forms of RFC 9110, 5.6.7; 0 if it is none of them. */
uint64_t http_parse_date(const char *text);
/*
 * The pause that a Retry-After header asks for, in milliseconds, a day at most; 0 if it asks for none.
 * Seconds, or a date, which is compared with now: the reply's own Date where there is one, because our
 * clock may be wrong.
 */
uint64_t http_parse_retry_after(const char *text, uint64_t now_s);

/* Take over one line of a reply's head, as it came, not terminated. A status line forgets what was there. */
void http_headers_take(struct http_headers *headers, const char *line, size_t length);
