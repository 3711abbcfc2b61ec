/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "http/reply.h"

enum {
	READ = 1,
	WRITE = 2,
	HAS_DATE = 1,
	HAS_RANGE = 2,
};

static const struct reply_rule rules[] = {
	{ 403, 403, READ | WRITE, "quota|rateLimit", 1 },
	{ 403, 403, READ, NULL, 2, .remedy = "ask" },
	{ 400, 499, WRITE, NULL, 3, .traits = HAS_DATE | HAS_RANGE },
	{ 400, 499, READ | WRITE, NULL, 4 },
};

static void test_the_first_rule_that_fits_decides(void **state)
{
	static const struct {
		struct reply_evidence evidence;
		int outcome; /* 0: no rule */
	} cases[] = {
		{ { 403, READ, 0, { NULL, NULL } }, 2 },
		{ { 403, READ, 0, { "", "the QUOTA is used up" } }, 1 },
		{ { 403, WRITE, 0, { "userRateLimitExceeded", NULL } }, 1 },
		{ { 403, WRITE, 0, { "denied", "" } }, 4 },
		{ { 404, WRITE, HAS_RANGE, { NULL, NULL } }, 4 },
		{ { 404, WRITE, HAS_RANGE | HAS_DATE, { NULL, NULL } }, 3 },
		{ { 404, READ, HAS_RANGE | HAS_DATE, { NULL, NULL } }, 4 },
		{ { 399, READ, 0, { NULL, NULL } }, 0 },
		{ { 500, READ, 0, { NULL, NULL } }, 0 },
		{ { 400, 4, 0, { NULL, NULL } }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const struct reply_rule *rule = reply_match(rules, ARRAY_LENGTH(rules),
							    &cases[i].evidence);

		if ((rule ? rule->outcome : 0) != cases[i].outcome)
			fail_msg("case %zu: %d", i, rule ? rule->outcome : 0);
	}
}

static void test_words(void **state)
{
	(void)state;
	assert_true(reply_says("Requester Pays bucket", "userProject|requester pays"));
	assert_false(reply_says("requester", "userProject|requester pays"));
	assert_false(reply_says("", "a|b"));
	assert_false(reply_says("text", ""));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_rule_that_fits_decides),
		cmocka_unit_test(test_words),
	};

	unit_add(tests, NULL, NULL);
}
