/* SPDX-License-Identifier: Apache-2.0 */
/* What the IAM credentials API answers. */
#include "fuzz.h"
#include "google/account.h"

#define NOW_S UINT64_C(1795422600)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *body = fuzz_text(bytes, size);
	const struct http_reply reply = { .body = body, .date_s = NOW_S };
	struct token token = { 0 };
	struct error err = { 0 };

	if (oauth_parse_token(&reply, &token, &err) < 0) {
		fuzz_require(err.kind == ERROR_TRANSIENT && !token.value);
		return 0;
	}
	fuzz_require(*token.value && !strpbrk(token.value, "\r\n"));
	/* A life that is over is 0, never one that began before it ended. */
	fuzz_require(token.lifetime_s < UINT64_MAX - NOW_S);
	mem_free_secret(token.value);
	return 0;
}
