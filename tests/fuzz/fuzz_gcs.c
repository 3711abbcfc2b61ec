/* SPDX-License-Identifier: Apache-2.0 */
/* What a storage server answers: resources, ranges, and errors that end in a log line. */
#include "fuzz.h"
#include "http/redact.h"
#include "sink/gcs/gcs.h"

/* A message may be logged: no session's id, with which its object can be written, and nothing like a token. */
static void require_no_secret(const char *message)
{
	static const char of_tokens[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-._~+%=";
	static const char key[] = "upload_id=";

	for (const char *p = message; (p = strstr(p, key)); p += strlen(key))
		fuzz_require(!p[strlen(key)] || strchr(" &\"'<>,;)}(", p[strlen(key)]));
	for (const char *p = message; *p; p += strcspn(p, of_tokens)) {
		size_t length = strspn(p, of_tokens);

		fuzz_require(length <= 64);
		p += length;
	}
}

static const long statuses[] = {
	0, 200, 308, 400, 401, 403, 404, 405, 410, 412, 416, 429, 499, 503
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *body = fuzz_text(bytes, size);
	cleanup_secret char *secrets = NULL;
	char encoded[GCS_CRC32C_LENGTH + 1];
	struct gcs_resource resource = { 0 };
	struct gcs_problem problem = { 0 };
	uint64_t persisted;
	uint32_t crc32c;

	if (gcs_parse_resource(body, &resource))
		fuzz_require(memchr(resource.id, '\0', sizeof resource.id));
	(void)gcs_parse_range(body, &persisted);
	if (gcs_parse_crc32c(body, &crc32c)) {
		gcs_format_crc32c(crc32c, encoded);
		fuzz_require(strcmp(encoded, body) == 0);
	}
	secrets = redact_collect(NULL, "", body, NULL);
	gcs_parse_problem(&(struct http_reply){ .body = body, .secrets = secrets }, &problem);
	fuzz_require(memchr(problem.reason, '\0', sizeof problem.reason));
	fuzz_require(memchr(problem.message, '\0', sizeof problem.message));
	require_no_secret(problem.message);
	require_no_secret(problem.reason);
	/* The words matter to these; the unit tests ask about all of them. */
	for (int phase = GCS_MULTIPART; phase < GCS_PHASE_COUNT; phase++)
		for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
			fuzz_require(gcs_decide((enum gcs_phase)phase, statuses[i], false, &problem)
					     ->outcome <= GCS_REFUSED);
	return 0;
}
