/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a reply, line by line as libcurl hands it over: from whoever answers. */
#include "fuzz.h"
#include "http/http_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct http_headers headers;
	const char *line = (const char *)bytes, *end = line + size;

	memset(&headers, 0, sizeof headers);
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *next = newline ? newline + 1 : end;

		http_headers_take(&headers, line, (size_t)(next - line));
		line = next;
	}
	for (int i = 0; i < HTTP_HEADER_COUNT; i++)
		fuzz_require(memchr(headers.values[i], '\0', sizeof headers.values[i]));
	fuzz_require(http_parse_retry_after(headers.values[HTTP_RETRY_AFTER],
					    http_parse_date(headers.values[HTTP_DATE])) <=
		     86400000);
	return 0;
}
