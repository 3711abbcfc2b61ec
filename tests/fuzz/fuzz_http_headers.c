/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a reply, line by line as libcurl hands it over: from whoever answers. */
#include "fuzz.h"
#include "http/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct http_headers headers;
	const struct http_reply reply = { .headers = &headers };
	const char *line = (const char *)bytes, *end = line + size;

	headers.length = 0;
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *next = newline ? newline + 1 : end;

		http_headers_add(&headers, line, (size_t)(next - line));
		line = next;
	}
	fuzz_require(headers.length <= sizeof headers.bytes);
	fuzz_require(headers.length == 0 || !headers.bytes[headers.length - 1]);
	fuzz_require(strlen(http_reply_header(&reply, "Location")) <= HTTP_HEADER_MAX);
	fuzz_require(http_parse_retry_after(http_reply_header(&reply, "Retry-After"),
					    http_parse_date(http_reply_header(&reply, "Date"))) <=
		     86400000);
	return 0;
}
