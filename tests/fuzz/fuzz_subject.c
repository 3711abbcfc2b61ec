/* SPDX-License-Identifier: Apache-2.0 */
/* The token of a federated account: all of a text, or ("{" first) a field of a JSON object. */
#include "fuzz.h"
#include "google/credentials.h"
#include "google/jwt.h"
#include "google/credentials_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *field = size > 0 && bytes[0] == '{' ? "token" : NULL;
	char *token = NULL;
	struct error err = { 0 };

	if (credentials_parse_subject((const char *)bytes, size, field, &token, &err) < 0) {
		fuzz_require((err.kind == ERROR_TRANSIENT || err.kind == ERROR_CONFIG) && !token);
		return 0;
	}
	fuzz_require(*token && strlen(token) <= CREDENTIALS_TOKEN_MAX);
	fuzz_require(!strchr(" \t\r\n", token[strlen(token) - 1]));
	/* Nobody's token has ended before 1970, unless it says so itself. */
	if (credentials_jwt_has_ended(token, 0))
		fuzz_require(credentials_jwt_has_ended(token, UINT64_MAX));
	credentials_wipe(token);
	return 0;
}
