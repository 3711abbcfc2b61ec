/* SPDX-License-Identifier: Apache-2.0 */
/* The token of a federated account: all of a text, or ("{" first) a field of a JSON object. */
#include "fuzz.h"
#include "google/account.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *field = size > 0 && bytes[0] == '{' ? "token" : NULL;
	char *token = NULL;
	struct error err = { 0 };

	if (oauth_parse_subject((const char *)bytes, size, field, &token, &err) < 0) {
		fuzz_require((err.kind == ERROR_TRANSIENT || err.kind == ERROR_CONFIG) && !token);
		return 0;
	}
	fuzz_require(*token && strlen(token) <= OAUTH_TOKEN_MAX);
	fuzz_require(!strchr(" \t\r\n", token[strlen(token) - 1]));
	/* Nobody's token has expired before 1970, unless it says so itself. */
	if (jwt_has_expired(token, 0))
		fuzz_require(jwt_has_expired(token, UINT64_MAX));
	mem_free_secret(token);
	return 0;
}
