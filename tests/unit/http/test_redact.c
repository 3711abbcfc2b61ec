/* SPDX-License-Identifier: Apache-2.0 */
/* What of a server's words may be logged. */
#include "unit.h"

#include "base/mem.h"
#include "http/redact.h"

#define CHARACTERS_8 "aB3-._~+"
#define CHARACTERS_64                                                                              \
	CHARACTERS_8 CHARACTERS_8 CHARACTERS_8 CHARACTERS_8 CHARACTERS_8 CHARACTERS_8 CHARACTERS_8 \
		CHARACTERS_8

static void test_redact(void **state)
{
	static const struct {
		const char *said, *logged;
	} cases[] = {
		{ "", "" },
		{ "Invalid JWT Signature.", "Invalid JWT Signature." },
		/* One line, however many there were. */
		{ "  not\r\n\tfound \n", "not found" },
		{ "bell\a and escape\033[31m", "bell and escape[31m" },
		{ "caf\xc3\xa9", "caf" },
		/* Pages. */
		{ "<html><body class=\"a b\">\n<h1>Not Found</h1>\n</body></html>", "Not Found" },
		{ "a <b", "a" },
		{ "1 > 0", "1 > 0" },
		/* A word as long as a token, and what stands around it. */
		{ CHARACTERS_64, CHARACTERS_64 },
		{ CHARACTERS_64 "=", "(65 characters)" },
		{ "token \"" CHARACTERS_64 CHARACTERS_64 "\", refused",
		  "token \"(128 characters)\", refused" },
		{ CHARACTERS_64 "/" CHARACTERS_64, CHARACTERS_64 "/" CHARACTERS_64 },
		/* The id of an upload session, also where it is short. */
		{ "https://h/o?upload_id=ABC&x=1", "https://h/o?upload_id=(redacted)&x=1" },
		{ "at 'upload_id=A' and \"upload_id=B\"",
		  "at 'upload_id=(redacted)' and \"upload_id=(redacted)\"" },
		{ "upload_id=", "upload_id=" },
		/* Fields with known names, whoever's they are; sentences about them. */
		{ "id=7&client_secret=abc&x=1", "id=7&client_secret=(redacted)&x=1" },
		{ "{\"refreshToken\": \"1//abc\", \"b\":1}",
		  "{\"refreshToken\": \"(redacted)\", \"b\":1}" },
		{ "{'password' :'x'}", "{'password' :'(redacted)'}" },
		{ "Authorization: Bearer ya29.0123456789a", "Authorization: Bearer (redacted)" },
		{ "Bearer authentication, an invalid token: or \"token\" is needed",
		  "Bearer authentication, an invalid token: or \"token\" is needed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char line[512] = "";
		struct text text = text_over(line, sizeof line);

		redact_append(&text, cases[i].said, NULL);
		assert_string_equal(line, cases[i].logged);
		assert_false(text.is_cut);
	}
}

/* What was sent does not come back: in whole, in part, with and without escapes. */
static void test_secrets_by_value(void **state)
{
	static const char *const headers[] = {
		"Accept: */*", "Authorization: Basic bWU6d2hpc3BlciBpdCBzb2Z0bHk=", NULL
	};
	static const struct {
		const char *said, *logged;
	} cases[] = {
		{ "bad GOCSPX-abcdefghijkl", "bad (redacted)" },
		{ "bad (OCSPX-abcde)", "bad ((redacted))" },
		{ "got 1//0gabc+def/ghi, no", "got (redacted), no" },
		{ "got 1%2F%2F0gabc%2Bdef%2Fghi.", "got (redacted)" },
		{ "got 1%252F%252F0gabc%252Bdef%252Fghi", "got 1%252F%25(redacted)" },
		{ "who: whisper it softly", "who: (redacted)" },
		{ "bWU6d2hpc3BlciBpdCBzb2Z0bHk= is wrong", "(redacted) is wrong" },
		{ "short: hush!", "short: (redacted)!" },
		{ "ID-of-a-session", "(redacted)" },
		{ "client is unknown, grant is refresh_token",
		  "client is unknown, grant is refresh_token" },
		{ "the", "the" },
		{ "user and p@ss:w0rd", "user and (redacted)" },
		{ "or p%40ss%3Aw0rd", "or (redacted)" },
	};
	char *secrets = redact_collect(headers, "https://h/o?upload_id=ID-of-a-session",
				       "grant_type=refresh_token&client_id=client"
				       "&client_secret=GOCSPX-abcdefghijkl"
				       "&refresh_token=1%2F%2F0gabc%2Bdef%2Fghi"
				       "&subject_token_type=urn&subject_token=hush&actor_token=the",
				       "http://user:p%40ss%3Aw0rd@proxy:3128");

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char line[512] = "";
		struct text text = text_over(line, sizeof line);

		redact_append(&text, cases[i].said, secrets);
		assert_string_equal(line, cases[i].logged);
	}
	mem_free_secret(secrets);
	secrets = redact_collect(NULL, "https://h/", NULL, "http://user@proxy:3128/:x@y");
	assert_string_equal(secrets, "");
	mem_free_secret(secrets);
}

static void test_what_does_not_fit_is_cut(void **state)
{
	char line[8] = "";
	struct text text = text_over(line, sizeof line);

	(void)state;
	text_append(&text, "404 ");
	redact_append(&text, "not found", NULL);
	assert_string_equal(line, "404 not");
	assert_true(text.is_cut);
	redact_append(&text, "at all", NULL);
	assert_string_equal(line, "404 not");
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_secrets_by_value),
		cmocka_unit_test(test_what_does_not_fit_is_cut),
	};

	unit_add(tests, NULL, NULL);
}
