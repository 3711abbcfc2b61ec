/* SPDX-License-Identifier: Apache-2.0 */
/* How long a token is kept, whoever issues it. What threads do to one another is tested with google/. */
#include "unit.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/token_cache.h"

static struct issuer {
	uint64_t lifetime_s;
	unsigned count;
	bool is_down;
} issuer;

/* Issues "1", "2", "3". */
static int issue(const void *context, struct http *http, struct token *ret_token, struct error *err)
{
	assert_ptr_equal(context, &issuer);
	assert_null(http);
	if (issuer.is_down)
		return error_set(err, ERROR_TRANSIENT, "down");
	ret_token->value = mem_printf("%u", ++issuer.count);
	ret_token->lifetime_s = issuer.lifetime_s;
	return 0;
}

static int set_up(void **state)
{
	issuer = (struct issuer){ .lifetime_s = 3600 };
	*state = token_cache_new(issue, &issuer);
	return 0;
}

static int tear_down(void **state)
{
	token_cache_free(*state);
	return 0;
}

static void expect_token(struct token_cache *cache, const char *header)
{
	cleanup_secret char *got = NULL;
	struct error err;

	assert_int_equal(token_cache_header(cache, NULL, &got, &err), 0);
	assert_string_equal(got, header);
}

static void expect_none(struct token_cache *cache)
{
	struct error err;
	char *got;

	assert_int_equal(token_cache_header(cache, NULL, &got, &err), -1);
	assert_string_equal(err.message, "down");
}

static void test_a_token_is_kept(void **state)
{
	uint64_t end_ns;

	assert_int_equal(token_cache_expires_ns(*state), 0);
	expect_token(*state, "Authorization: Bearer 1");
	issuer.is_down = true;
	expect_token(*state, "Authorization: Bearer 1");
	end_ns = token_cache_expires_ns(*state);
	assert_true(end_ns > clock_real_ns() + 3500 * CLOCK_NS_PER_S);
	assert_true(end_ns <= clock_real_ns() + 3600 * CLOCK_NS_PER_S);
}

static void test_only_the_refused_token_is_dropped(void **state)
{
	expect_token(*state, "Authorization: Bearer 1");
	token_cache_refuse(*state, "Authorization: Bearer 1");
	token_cache_refuse(*state, "Authorization: Bearer 1");
	issuer.is_down = true;
	expect_none(*state);
	issuer.is_down = false;
	expect_token(*state, "Authorization: Bearer 2");
	/* A worker that was slow to learn that the first token has ended. */
	token_cache_refuse(*state, "Authorization: Bearer 1");
	expect_token(*state, "Authorization: Bearer 2");
}

static void test_an_expired_token_is_not_served(void **state)
{
	issuer.lifetime_s = 0;
	expect_token(*state, "Authorization: Bearer 1");
	expect_token(*state, "Authorization: Bearer 2");
	issuer.is_down = true;
	expect_none(*state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_token_is_kept),
		TEST(test_only_the_refused_token_is_dropped),
		TEST(test_an_expired_token_is_not_served),
	};

	unit_add(tests, NULL, NULL);
}
