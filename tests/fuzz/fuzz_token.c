/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint or a metadata server answers, with a token or without. */
#include "fuzz.h"
#include "google/account.h"

/* What is told of a refusal is one line, and no word of it is as long as a token. */
static void check_refusal(const char *body)
{
	static const char of_tokens[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-._~+%=";
	static const long statuses[] = { 400, 403, 503 };
	static const enum oauth_service services[] = { OAUTH_TOKEN_SERVICE, OAUTH_METADATA };
	struct http_reply reply = { .body = body, .body_bytes = strlen(body) };

	for (size_t i = 0; i < 6; i++) {
		struct error err = { 0 };

		reply.status = statuses[i / 2];
		fuzz_require(oauth_refusal(services[i % 2], &reply, "do something", &err) == -1);
		fuzz_require(err.kind == ERROR_CONFIG || err.kind == ERROR_TRANSIENT);
		fuzz_require(!strpbrk(err.message, "\r\n"));
		for (const char *p = err.message; *p; p += strcspn(p, of_tokens)) {
			size_t length = strspn(p, of_tokens);

			fuzz_require(length <= 64);
			p += length;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *body = fuzz_text(bytes, size);
	const struct http_reply reply = { .body = body };
	struct token token = { 0 };
	struct error err = { 0 };

	check_refusal(body);
	if (oauth_parse_token(&reply, &token, &err) < 0) {
		fuzz_require(err.kind == ERROR_TRANSIENT && !token.value);
		return 0;
	}
	/* It becomes a header: nothing in it may end the line. */
	fuzz_require(*token.value && !strpbrk(token.value, "\r\n"));
	mem_free_secret(token.value);
	return 0;
}
