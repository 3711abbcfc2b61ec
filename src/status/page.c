/* SPDX-License-Identifier: Apache-2.0 */
#include "status/page.h"

#include <string.h>

#define NONCE "@NONCE@" /* in page.html */

void page_write(FILE *out, const char *nonce)
{
	const unsigned char *rest = page_html, *end = rest + page_html_bytes;

	while (rest < end) {
		const unsigned char *mark = memmem(rest, (size_t)(end - rest), NONCE,
						   strlen(NONCE));
		size_t length = (size_t)((mark ? mark : end) - rest);

		(void)fwrite(rest, 1, length, out);
		if (mark)
			(void)fputs(nonce, out);
		rest += length + (mark ? strlen(NONCE) : 0);
	}
}

void page_make_policy(const char *nonce, char out[PAGE_POLICY_MAX])
{
	(void)snprintf(out, PAGE_POLICY_MAX,
		       "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		       "frame-ancestors 'none'",
		       nonce, nonce);
}
