/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that other tokens are given for: external accounts and impersonation. */
#include <sys/stat.h>

#include "unit.h"

#include "credentials_fixture.h"
#include "google/account.h"

#define AUDIENCE \
	"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k"
#define EXTERNAL(source, extra)                                                    \
	"{\"type\":\"external_account\",\"audience\":\"" AUDIENCE                  \
	"\",\"subject_token_type\":\"urn:ietf:params:oauth:token-type:jwt\"" extra \
	",\"credential_source\":" source "}"
#define AS_UP                                                                        \
	"\"service_account_impersonation_url\":\"http://127.0.0.1:%u/v1/projects/-/" \
	"serviceAccounts/up@p.iam.gserviceaccount.com:generateAccessToken\""
#define FILE_SOURCE "{\"file\":\"%s/token\"}"
#define STS_FORM                                                                        \
	"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"          \
	"&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token" \
	"&audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2F"     \
	"workloadIdentityPools%2Fp%2Fproviders%2Fk&scope="
#define STORAGE_SCOPE  "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_write"
#define PLATFORM_SCOPE "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
#define TYPE_OF_TOKEN \
	"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token="
#define IMPERSONATED(token, end)                                   \
	REPLY("200 OK", "Date: Mon, 23 Nov 2026 08:30:00 GMT\r\n", \
	      "{\"accessToken\":\"" token "\",\"expireTime\":\"" end "\"}")

static char *token_path(const struct fixture *fixture)
{
	return mem_printf("%s/token", fixture->dir);
}

static void write_token(const struct fixture *fixture, const char *content)
{
	cleanup_free char *path = token_path(fixture);

	write_file(path, content);
}

static int teardown_token(void **state)
{
	cleanup_free char *path = token_path(*state);

	(void)unlink(path);
	return teardown(state);
}

/* The port is known only when the server is there, and the text needs it. */
#define USE_EXTERNAL(fixture, replies, description, format, ...)                \
	do {                                                                    \
		cleanup_free char *content_ = NULL;                             \
                                                                                \
		server_start(&(fixture)->server, (replies), COUNT_OF(replies)); \
		content_ = mem_printf(format, __VA_ARGS__);                     \
		write_file((fixture)->path, content_);                          \
		(fixture)->conf.gcs_credentials = (fixture)->path;              \
		open_good((fixture), (description));                            \
	} while (0)
#define PORT(fixture) ((unsigned)(fixture)->server.port)
#define TOKEN_URL     ",\"token_url\":\"http://127.0.0.1:%u/v1/token\""

static void test_token_file_is_read_at_each_exchange(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "3599"),
					       TOKEN_REPLY("two", "3599") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(fixture, replies, "external account", EXTERNAL(FILE_SOURCE, TOKEN_URL),
		     PORT(fixture), fixture->dir);
	write_token(fixture, "ey.first&.\r\n");
	expect_header(fixture, "Authorization: Bearer one");
	assert_told(&fixture->server, 0, "POST /v1/token HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "Content-Type: application/x-www-form-urlencoded\r\n");
	assert_false(server_was_told(&fixture->server, 0, "Authorization"));
	assert_string_equal(server_body(&fixture->server, 0),
			    STS_FORM STORAGE_SCOPE TYPE_OF_TOKEN "ey.first%26.");
	write_token(fixture, "ey.second");
	expect_header(fixture, "Authorization: Bearer one");
	token_cache_refuse(fixture->credentials->tokens, "Authorization: Bearer one");
	expect_header(fixture, "Authorization: Bearer two");
	assert_string_equal(server_body(&fixture->server, 1),
			    STS_FORM STORAGE_SCOPE TYPE_OF_TOKEN "ey.second");
	server_stop(&fixture->server);
}

static void test_token_in_json(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "3599") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(fixture, replies, "external account",
		     EXTERNAL("{\"file\":\"%s/token\",\"format\":{\"type\":\"json\","
			      "\"subject_token_field_name\":\"t\"}}",
			      TOKEN_URL),
		     PORT(fixture), fixture->dir);
	write_token(fixture, "{\"t\":\"ey.json\\n\",\"x\":1}");
	expect_header(fixture, "Authorization: Bearer one");
	assert_string_equal(server_body(&fixture->server, 0),
			    STS_FORM STORAGE_SCOPE TYPE_OF_TOKEN "ey.json");
	server_stop(&fixture->server);
}

static void test_token_from_a_url(void **state)
{
	static const char *const replies[] = { REPLY("200 OK", "", "ey.url\n"),
					       TOKEN_REPLY("one", "3599") };
	struct fixture *fixture = *state;

	/* As the one of a metadata server, it is asked without a proxy. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	USE_EXTERNAL(fixture, replies, "external account",
		     EXTERNAL("{\"url\":\"http://127.0.0.1:%u/identity?a=b\",\"headers\":"
			      "{\"Metadata\":\"True\",\"X-Other\":\"\"},"
			      "\"format\":{\"type\":\"text\"}}",
			      TOKEN_URL),
		     PORT(fixture), PORT(fixture));
	expect_header(fixture, "Authorization: Bearer one");
	assert_told(&fixture->server, 0, "GET /identity?a=b HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "\r\nMetadata: True\r\n");
	assert_string_equal(server_body(&fixture->server, 1),
			    STS_FORM STORAGE_SCOPE TYPE_OF_TOKEN "ey.url");
	server_stop(&fixture->server);
}

static void test_client_of_the_token_service(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "3599") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(
		fixture, replies, "external account",
		EXTERNAL(FILE_SOURCE, TOKEN_URL ",\"client_id\":\"id\",\"client_secret\":\"a:b\""),
		PORT(fixture), fixture->dir);
	write_token(fixture, "ey");
	expect_header(fixture, "Authorization: Bearer one");
	assert_told(&fixture->server, 0, "Authorization: Basic aWQ6YTpi\r\n");
	server_stop(&fixture->server);
}

static void test_external_account_as_another(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("source", "3599"),
					       IMPERSONATED("up", "2026-11-23T08:30:00Z"),
					       TOKEN_REPLY("source", "3599"),
					       IMPERSONATED("up2", "2026-11-23T09:30:00Z") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(fixture, replies, "external account as up@p.iam.gserviceaccount.com",
		     EXTERNAL(FILE_SOURCE, TOKEN_URL "," AS_UP ",\"service_account_impersonation\":"
						     "{\"token_lifetime_seconds\":1800}"),
		     PORT(fixture), PORT(fixture), fixture->dir);
	write_token(fixture, "ey");
	expect_header(fixture, "Authorization: Bearer up");
	assert_string_equal(server_body(&fixture->server, 0),
			    STS_FORM PLATFORM_SCOPE TYPE_OF_TOKEN "ey");
	assert_told(&fixture->server, 1,
		    "POST /v1/projects/-/serviceAccounts/up@p.iam.gserviceaccount.com"
		    ":generateAccessToken HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, "Authorization: Bearer source\r\n");
	assert_told(&fixture->server, 1, "Content-Type: application/json\r\n");
	assert_string_equal(server_body(&fixture->server, 1),
			    "{\"delegates\":[],\"scope\":[\"https://www.googleapis.com/auth/"
			    "devstorage.read_write\"],\"lifetime\":\"1800s\"}");
	/* By the server's clock, not ours, the first one had ended when it came and the second lives. */
	expect_header(fixture, "Authorization: Bearer up2");
	expect_header(fixture, "Authorization: Bearer up2");
	server_stop(&fixture->server);
}

static void test_impersonated_service_account(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("source", "3599"),
					       IMPERSONATED("up", "2026-11-23T09:30:00Z") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(fixture, replies,
		     "service account up@p.iam.gserviceaccount.com by authorized user",
		     "{\"type\":\"impersonated_service_account\"," AS_UP
		     ",\"delegates\":[\"projects/-/serviceAccounts/a@b\"],\"source_credentials\":"
		     "{\"type\":\"authorized_user\",\"client_id\":\"i\",\"client_secret\":\"s\","
		     "\"refresh_token\":\"r\",\"token_uri\":\"http://127.0.0.1:%u/token\"}}",
		     PORT(fixture), PORT(fixture));
	expect_header(fixture, "Authorization: Bearer up");
	assert_told(&fixture->server, 0, "POST /token HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, "Authorization: Bearer source\r\n");
	assert_string_equal(server_body(&fixture->server, 1),
			    "{\"delegates\":[\"projects/-/serviceAccounts/a@b\"],\"scope\":["
			    "\"https://www.googleapis.com/auth/devstorage.read_write\"],"
			    "\"lifetime\":\"3600s\"}");
	server_stop(&fixture->server);
}

/* The source speaks for an account itself, which speaks for the account that is wanted. */
static void test_impersonation_in_two_steps(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("source", "3599"),
					       IMPERSONATED("between", "2026-11-23T09:30:00Z"),
					       IMPERSONATED("up", "2026-11-23T09:30:00Z") };
	struct fixture *fixture = *state;

	USE_EXTERNAL(fixture, replies,
		     "service account up@p.iam.gserviceaccount.com by external account as "
		     "up@p.iam.gserviceaccount.com",
		     "{\"type\":\"impersonated_service_account\"," AS_UP
		     ",\"source_credentials\":" EXTERNAL(FILE_SOURCE, TOKEN_URL "," AS_UP) "}",
		     PORT(fixture), PORT(fixture), PORT(fixture), fixture->dir);
	write_token(fixture, "ey");
	expect_header(fixture, "Authorization: Bearer up");
	assert_told(&fixture->server, 0, "POST /v1/token HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, "Authorization: Bearer source\r\n");
	assert_told(&fixture->server, 1, "https://www.googleapis.com/auth/cloud-platform");
	assert_told(&fixture->server, 2, "Authorization: Bearer between\r\n");
	assert_told(&fixture->server, 2, "https://www.googleapis.com/auth/devstorage.read_write");
	server_stop(&fixture->server);
}

#define GOOD_SOURCE           "{\"file\":\"/hush\"}"
#define URL_SOURCE(url, more) EXTERNAL("{\"url\":\"" url "\"" more "}", "")
#define IMPERSONATION(url) \
	EXTERNAL(GOOD_SOURCE, ",\"service_account_impersonation_url\":\"" url "\"")
#define GOOD_IMPERSONATION                                                               \
	"\"service_account_impersonation_url\":\"https://iamcredentials.googleapis.com/" \
	"v1/projects/-/serviceAccounts/a@b:generateAccessToken\""
#define IMPERSONATED_BY(source, more)                                         \
	"{\"type\":\"impersonated_service_account\"," GOOD_IMPERSONATION more \
	",\"source_credentials\":" source "}"
#define USER                                                                         \
	"{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"b\"," \
	"\"refresh_token\":\"hush\"}"

static void test_bad_files(void **state)
{
	static const struct {
		const char *content, *part; /* part NULL: it is good */
	} cases[] = {
		{ EXTERNAL(GOOD_SOURCE, ""), NULL },
		{ "{\"type\":\"external_account\"}", "\"audience\" is missing" },
		{ "{\"type\":\"external_account\",\"audience\":\"a\"}",
		  "\"subject_token_type\" is missing" },
		/* Where tokens are sent. */
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://sts.googleapis.com/v1/token\""),
		  NULL },
		{ EXTERNAL(GOOD_SOURCE,
			   ",\"token_url\":\"https://sts.us-east1.rep.googleapis.com/v1/token\""),
		  NULL },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://example.com/v1/token\""),
		  "\"token_url\" must be an https:// URL of a host in googleapis.com" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"http://sts.googleapis.com/v1/token\""),
		  "\"token_url\" must be an https" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://xgoogleapis.com/\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://googleapis.com/\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://sts.googleapis.com.evil.test/\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://evil.test/.googleapis.com\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://evil.test?.googleapis.com\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://169.254.169.254/\""),
		  "\"token_url\" must be" },
		{ EXTERNAL(GOOD_SOURCE, ",\"token_url\":7"), "\"token_url\" must be" },
		/* The file cannot widen that by itself. */
		{ EXTERNAL(GOOD_SOURCE, ",\"universe_domain\":\"evil.test\","
					"\"token_url\":\"https://sts.evil.test/v1/token\""),
		  "\"universe_domain\" is evil.test, but gcs.universe_domain is googleapis.com" },
		{ EXTERNAL(GOOD_SOURCE, ",\"client_id\":\"a\""), "\"client_secret\" is missing" },
		{ EXTERNAL(GOOD_SOURCE, ",\"client_secret\":\"hush\""),
		  "\"client_id\" is missing" },
		/* Impersonation. */
		{ EXTERNAL(GOOD_SOURCE, "," GOOD_IMPERSONATION), NULL },
		{ IMPERSONATION("https://iamcredentials.evil.test/v1/projects/-/serviceAccounts/"
				"a@b:generateAccessToken"),
		  "\"service_account_impersonation_url\" must be an https:// URL of a host in" },
		{ IMPERSONATION("https://iamcredentials.googleapis.com/v1/projects/-/"
				"serviceAccounts/a@b:signJwt"),
		  "must end in /serviceAccounts/EMAIL:generateAccessToken" },
		{ IMPERSONATION("https://iamcredentials.googleapis.com/v1/projects/-/"
				"serviceAccounts/:generateAccessToken"),
		  "must end in" },
		{ IMPERSONATION("https://iamcredentials.googleapis.com/v1/projects/-/"
				"serviceAccounts/a/b:generateAccessToken"),
		  "must end in" },
		{ IMPERSONATION(""), "\"service_account_impersonation_url\" is missing" },
		{ EXTERNAL(GOOD_SOURCE, "," GOOD_IMPERSONATION ",\"service_account_impersonation\":"
					"{\"token_lifetime_seconds\":599}"),
		  "\"token_lifetime_seconds\" must be from 600 to 43200" },
		{ EXTERNAL(GOOD_SOURCE, "," GOOD_IMPERSONATION ",\"service_account_impersonation\":"
					"{\"token_lifetime_seconds\":43201}"),
		  "\"token_lifetime_seconds\" must be from" },
		{ EXTERNAL(GOOD_SOURCE, "," GOOD_IMPERSONATION ",\"service_account_impersonation\":"
					"{\"token_lifetime_seconds\":\"1h\"}"),
		  "\"token_lifetime_seconds\" must be a number" },
		/* Sources. */
		{ EXTERNAL("{}", ""),
		  "\"credential_source\": it needs either a \"file\" or a \"url\"" },
		{ EXTERNAL("7", ""), "it needs either" },
		{ EXTERNAL("{\"file\":\"/a\",\"url\":\"https://a\"}", ""), "it needs either" },
		{ EXTERNAL("{\"file\":\"token\"}", ""), "\"file\" must be an absolute path" },
		{ EXTERNAL("{\"file\":7}", ""), "\"file\" is missing or not a text" },
		{ EXTERNAL("{\"executable\":{\"command\":\"/bin/hush\"}}", ""),
		  "\"credential_source\": a program that is run (\"executable\") is not supported "
		  "as a source of tokens, only a \"file\" or a \"url\"" },
		{ EXTERNAL("{\"environment_id\":\"aws1\",\"url\":\"http://169.254.169.254/\"}", ""),
		  "AWS (\"environment_id\") is not supported" },
		{ EXTERNAL("{\"certificate\":{\"use_default_certificate_config\":true}}", ""),
		  "a client's certificate (\"certificate\") is not supported" },
		{ EXTERNAL("{\"file\":\"/a\",\"format\":{\"type\":\"xml\"}}", ""),
		  "\"type\" must be \"text\" or \"json\"" },
		{ EXTERNAL("{\"file\":\"/a\",\"format\":{\"type\":\"json\"}}", ""),
		  "\"format\": \"subject_token_field_name\" is missing" },
		{ EXTERNAL("{\"file\":\"/a\",\"format\":{}}", ""),
		  "\"format\": \"type\" is missing" },
		{ URL_SOURCE("https://issuer.example.com/token", ""), NULL },
		{ URL_SOURCE("http://169.254.169.254/metadata/identity/oauth2/token", ""), NULL },
		{ URL_SOURCE("http://[::1]:8/token", ""), NULL },
		{ URL_SOURCE("http://issuer.example.com/token", ""), "\"url\" must be" },
		{ URL_SOURCE("file:///etc/shadow", ""), "\"url\" must be" },
		{ URL_SOURCE("https://a:hush@issuer.example.com/token", ""), "\"url\" must be" },
		{ URL_SOURCE("https://a/", ",\"headers\":[]"), "\"headers\" must be an object" },
		{ URL_SOURCE("https://a/", ",\"headers\":{\"a b\":\"hush\"}"),
		  "\"headers\": \"a b\" is not an HTTP header" },
		{ URL_SOURCE("https://a/", ",\"headers\":{\"a\":\"hush\\r\\nHost: b\"}"),
		  "\"headers\": \"a\" is not an HTTP header" },
		{ URL_SOURCE("https://a/", ",\"headers\":{\"a\":7}"), "is not an HTTP header" },
		{ URL_SOURCE("https://a/",
			     ",\"headers\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\","
			     "\"f\":\"\",\"g\":\"\",\"h\":\"\",\"i\":\"\",\"j\":\"\",\"k\":\"\","
			     "\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\",\"p\":\"\"}"),
		  NULL },
		{ URL_SOURCE("https://a/",
			     ",\"headers\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\","
			     "\"f\":\"\",\"g\":\"\",\"h\":\"\",\"i\":\"\",\"j\":\"\",\"k\":\"\","
			     "\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\",\"p\":\"\",\"q\":\"\"}"),
		  "\"headers\" must be an object of at most 16 texts" },
		/* Impersonated accounts. */
		{ IMPERSONATED_BY(USER, ""), NULL },
		{ IMPERSONATED_BY(EXTERNAL(GOOD_SOURCE, ""), ""), NULL },
		{ "{\"type\":\"impersonated_service_account\"}",
		  "\"service_account_impersonation_url\" is missing" },
		{ "{\"type\":\"impersonated_service_account\"," GOOD_IMPERSONATION "}",
		  "\"source_credentials\": \"type\" is missing" },
		{ IMPERSONATED_BY(IMPERSONATED_BY(USER, ""), ""),
		  "\"source_credentials\": they are impersonated themselves" },
		{ IMPERSONATED_BY(USER, ",\"delegates\":[7]"), "\"delegates\" must be" },
		{ IMPERSONATED_BY(USER, ",\"delegates\":\"a\""), "\"delegates\" must be" },
		{ IMPERSONATED_BY(USER,
				  ",\"delegates\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\","
				  "\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"),
		  "\"delegates\" must be a list of at most 16 texts" },
	};
	struct fixture *fixture = *state;

	fixture->conf.gcs_credentials = fixture->path;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		write_file(fixture->path, cases[i].content);
		if (cases[i].part) {
			open_bad(fixture, cases[i].part);
			continue;
		}
		fixture->credentials = google_credentials_close(fixture->credentials);
		if (google_credentials_open(&fixture->conf, &fixture->credentials, &fixture->err) <
		    0)
			fail_msg("%s", fixture->err.message);
	}
}

static void test_other_universe(void **state)
{
	static char universe[] = "example.org";
	struct fixture *fixture = *state;

	fixture->conf.gcs_credentials = fixture->path;
	fixture->conf.gcs_universe_domain = universe;
	write_file(fixture->path,
		   EXTERNAL(GOOD_SOURCE, ",\"universe_domain\":\"example.org\","
					 "\"token_url\":\"https://sts.example.org/v1/token\""));
	open_good(fixture, "external account");
	write_file(fixture->path,
		   EXTERNAL(GOOD_SOURCE, ",\"token_url\":\"https://sts.googleapis.com/v1/token\""));
	open_bad(fixture, "must be an https:// URL of a host in example.org");
	write_file(fixture->path, EXTERNAL(GOOD_SOURCE, ",\"universe_domain\":\"googleapis.com\""));
	open_bad(fixture, "is googleapis.com, but gcs.universe_domain is example.org");
}

/* A file that may come yet, or be whole in a moment, ends no start; what can never be does. */
static void test_token_files_that_are_none(void **state)
{
	static char huge[70000];
	static const struct {
		const char *content;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ NULL, ERROR_TRANSIENT, "the token file: /tmp/" },
		{ "", ERROR_TRANSIENT, "it is empty" },
		{ " \n", ERROR_TRANSIENT, "it is empty" },
		{ huge, ERROR_CONFIG, "larger than 65536 bytes" },
		{ huge + 70000 - 20000, ERROR_CONFIG, "longer than 16384 bytes" },
	};
	struct fixture *fixture = *state;

	memset(huge, 'h', sizeof huge - 1);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		static const char *const replies[] = { TOKEN_REPLY("one", "3599") };

		USE_EXTERNAL(fixture, replies, "external account", EXTERNAL(FILE_SOURCE, TOKEN_URL),
			     PORT(fixture), fixture->dir);
		if (cases[i].content)
			write_token(fixture, cases[i].content);
		expect_no_header(fixture, cases[i].kind, cases[i].part);
		assert_int_equal(atomic_load(&fixture->server.count), 0);
		write_token(fixture, "ey");
		expect_header(fixture, "Authorization: Bearer one");
		server_stop(&fixture->server);
	}
}

static void test_subject_tokens(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *field, *token; /* token NULL: refused */
		enum error_kind kind;
	} cases[] = {
		{ "ey.a.b", 6, NULL, "ey.a.b", ERROR_NONE },
		{ "ey.a.b\r\n \n", 10, NULL, "ey.a.b", ERROR_NONE },
		{ "ey\0b", 4, NULL, NULL, ERROR_CONFIG },
		{ "{\"a\":\"b\"}", 9, "a", "b", ERROR_NONE },
		{ "{\"a\":\"b\"}", 9, "b", NULL, ERROR_CONFIG },
		{ "{\"a\":7}", 7, "a", NULL, ERROR_CONFIG },
		{ "{\"a\":\"\"}", 8, "a", NULL, ERROR_TRANSIENT },
		{ "{\"a\":\"b", 7, "a", NULL, ERROR_TRANSIENT },
		{ "", 0, "a", NULL, ERROR_TRANSIENT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct error err = { .kind = ERROR_NONE };
		char *token = NULL;
		int result = oauth_parse_subject(cases[i].text, cases[i].length, cases[i].field,
						 &token, &err);

		assert_int_equal(result, cases[i].token ? 0 : -1);
		assert_int_equal(err.kind, cases[i].kind);
		if (cases[i].token)
			assert_string_equal(token, cases[i].token);
		mem_free_secret(token);
	}
}

static void test_end_of_a_jwt(void **state)
{
	static const struct {
		const char *jwt;
		bool has_ended; /* at 2000 */
	} cases[] = {
		{ "e30.eyJleHAiOjE5OTl9.x", true },              /* {"exp":1999} */
		{ "e30.eyJleHAiOjIwMDB9.x", true },              /* {"exp":2000} */
		{ "e30.eyJleHAiOjIwMDF9.x", false },             /* {"exp":2001} */
		{ "e30.eyJleHAiOjE5OTkuNX0.x", true },           /* {"exp":1999.5} */
		{ "e30.eyJleHAiOiIxOTk5In0.x", false },          /* {"exp":"1999"} */
		{ "e30.eyJleHAiOiAxOTk5fQ.x", true },            /* one of two bytes of padding */
		{ "e30.eyJhIjoi_z8-Pj4iLCJleHAiOjF9.x", false }, /* not UTF-8 */
		{ "e30.e30.x", false },
		{ "e30..x", false },
		{ "e30.!.x", false },
		{ "e30.eyJleHAiOjE5OTl9", false },
		{ "opaque", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (jwt_has_expired(cases[i].jwt, 2000) != cases[i].has_ended)
			fail_msg("%s", cases[i].jwt);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *replies[2];
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ { REPLY("400 Bad Request", "",
			  "{\"error\":\"invalid_grant\",\"error_description\":\"no such issuer\"}") },
		  ERROR_CONFIG,
		  "400 invalid_grant: no such issuer; compare the token's issuer, audience" },
		{ { REPLY("503 Busy", "", "") }, ERROR_TRANSIENT, "said 503" },
		{ { REPLY("200 OK", "", "<html>") }, ERROR_TRANSIENT, "no access token" },
		{ { CLOSE_CONNECTION }, ERROR_TRANSIENT, "cannot get an access token" },
		{ { TOKEN_REPLY("source", "1"),
		    REPLY("403 Forbidden", "",
			  "{\"error\":{\"code\":403,\"status\":\"PERMISSION_DENIED\",\"message\":"
			  "\"Permission 'iam.serviceAccounts.getAccessToken' denied\"}}") },
		  ERROR_CONFIG,
		  "cannot get a token of up@p.iam.gserviceaccount.com: the IAM credentials API said "
		  "403 PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied; "
		  "grant the source roles/iam.workloadIdentityUser" },
		{ { TOKEN_REPLY("source", "1"), REPLY("500 Oh", "", "") },
		  ERROR_TRANSIENT,
		  "cannot get a token of up@p.iam.gserviceaccount.com: the IAM credentials API said "
		  "500" },
		{ { TOKEN_REPLY("source", "1"), REPLY("200 OK", "", "{\"accessToken\":\"a\"}") },
		  ERROR_TRANSIENT,
		  "no access token" },
		{ { TOKEN_REPLY("source", "1"), IMPERSONATED("a\\nb", "2026-11-23T08:30:00Z") },
		  ERROR_TRANSIENT,
		  "no access token" },
		{ { TOKEN_REPLY("source", "1"), IMPERSONATED("a", "soon") },
		  ERROR_TRANSIENT,
		  "no access token" },
		{ { TOKEN_REPLY("source", "1"), CLOSE_CONNECTION },
		  ERROR_TRANSIENT,
		  "cannot get a token of up@p.iam.gserviceaccount.com: 127.0.0.1: " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		USE_EXTERNAL(fixture, cases[i].replies,
			     "external account as up@p.iam.gserviceaccount.com",
			     EXTERNAL(FILE_SOURCE, TOKEN_URL "," AS_UP), PORT(fixture),
			     PORT(fixture), fixture->dir);
		write_token(fixture, "ey");
		expect_no_header(fixture, cases[i].kind, cases[i].part);
		server_stop(&fixture->server);
	}
}

static void test_refusals_of_a_url(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ REPLY("403 Forbidden", "", "hush"), ERROR_CONFIG,
		  "the source of tokens said 403; see \"url\" and \"headers\"" },
		{ REPLY("404 Not Found", "", "hush"), ERROR_TRANSIENT, "said 404" },
		{ REPLY("200 OK", "", ""), ERROR_TRANSIENT,
		  "the reply of the source of tokens: it is empty" },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT, "the source of tokens: 127.0.0.1: " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *const replies[] = { cases[i].reply };

		USE_EXTERNAL(fixture, replies, "external account",
			     EXTERNAL("{\"url\":\"http://127.0.0.1:%u/\"}", ""), PORT(fixture));
		expect_no_header(fixture, cases[i].kind, cases[i].part);
		assert_null(strstr(fixture->err.message, "hush"));
		server_stop(&fixture->server);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_token)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_token_file_is_read_at_each_exchange),
		TEST(test_token_in_json),
		TEST(test_token_from_a_url),
		TEST(test_client_of_the_token_service),
		TEST(test_external_account_as_another),
		TEST(test_impersonated_service_account),
		TEST(test_impersonation_in_two_steps),
		TEST(test_bad_files),
		TEST(test_other_universe),
		TEST(test_token_files_that_are_none),
		cmocka_unit_test(test_subject_tokens),
		cmocka_unit_test(test_end_of_a_jwt),
		TEST(test_refusals),
		TEST(test_refusals_of_a_url),
	};

	unit_add(tests, start_http, NULL);
}
