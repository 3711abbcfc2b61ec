/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint or a metadata server answers. */
#include "fuzz.h"
#include "upload/credentials.h"
#include "upload/credentials_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *body = fuzz_text(bytes, size);
	struct credentials_token token = { 0 };
	struct error err = { 0 };

	if (credentials_parse_token(body, &token, &err) < 0) {
		fuzz_require(err.kind == ERROR_TRANSIENT && !token.value);
		return 0;
	}
	/* It becomes a header: nothing in it may end the line. */
	fuzz_require(*token.value && !strpbrk(token.value, "\r\n"));
	credentials_wipe(token.value);
	return 0;
}
