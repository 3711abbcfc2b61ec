/* SPDX-License-Identifier: Apache-2.0 */
/* Where a URL leads. */
#include "fuzz.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *text = fuzz_text(bytes, size);
	struct http_url url = { .host = "" };

	if (!http_read_url(text, &url)) {
		fuzz_require(!url.host[0]);
		return 0;
	}
	fuzz_require(url.host[0] && strlen(text) <= HTTP_URL_MAX);
	fuzz_require(!strpbrk(url.host, " /?#@[]\r\n") && !(url.is_loopback && url.is_link_local));
	for (const char *p = url.host; *p; p++)
		fuzz_require(*p < 'A' || *p > 'Z');
	return 0;
}
