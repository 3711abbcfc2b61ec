/* SPDX-License-Identifier: Apache-2.0 */
/* What of a server's words may be logged. */
#include "unit.h"

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
		{ "https://h/o?upload_id=ABC&x=1", "https://h/o?upload_id=&x=1" },
		{ "at 'upload_id=A' and \"upload_id=B\"", "at 'upload_id=' and \"upload_id=\"" },
		{ "upload_id=", "upload_id=" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char line[512] = "";
		struct text text = text_over(line, sizeof line);

		redact_append(&text, cases[i].said);
		assert_string_equal(line, cases[i].logged);
		assert_false(text.is_cut);
	}
}

static void test_what_does_not_fit_is_cut(void **state)
{
	char line[8] = "";
	struct text text = text_over(line, sizeof line);

	(void)state;
	text_append(&text, "404 ");
	redact_append(&text, "not found");
	assert_string_equal(line, "404 not");
	assert_true(text.is_cut);
	redact_append(&text, "at all");
	assert_string_equal(line, "404 not");
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_what_does_not_fit_is_cut),
	};

	unit_add(tests, NULL, NULL);
}
