/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials are found, and how tokens are got from a scripted endpoint on the loopback. */
#include <sys/stat.h>
#include <time.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "unit.h"

#include "base/clock.h"
#include "base/thread.h"
#include "credentials_fixture.h"

#define USER(extra)                                                                     \
	"{\"type\":\"authorized_user\",\"client_id\":\"id&1\",\"client_secret\":\"s\"," \
	"\"refresh_token\":\"r/2\"" extra "}"

#define LONG_SECRET \
	"hush5678901234567890123456789012345678901234567890123456789012345678901234567890"

static EVP_PKEY *key; /* made once: it takes a while */

static int make_key(void **state)
{
	key = EVP_RSA_gen(2048);
	return key ? start_http(state) : -1;
}

static int free_key(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

/* The file is a login whose token endpoint is the scripted server. */
static void use_login(struct fixture *fixture, const char *const *replies, size_t count)
{
	cleanup_free char *content = NULL;

	server_start(&fixture->server, replies, count);
	content = mem_printf(USER(",\"token_uri\":\"http://127.0.0.1:%u/token\""),
			     fixture->server.port);
	write_file(fixture->path, content);
	fixture->conf.gcs_credentials = fixture->path;
	open_good(fixture, "authorized user");
}

static void use_metadata(struct fixture *fixture, const char *const *replies, size_t count)
{
	char host[32];

	server_start(&fixture->server, replies, count);
	(void)snprintf(host, sizeof host, "127.0.0.1:%u", fixture->server.port);
	setenv("GCE_METADATA_HOST", host, 1);
	open_good(fixture, "metadata server");
}

static char *pem_of_key(void)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long length;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	length = BIO_get_mem_data(bio, &bytes);
	text = mem_strndup(bytes, (size_t)length);
	BIO_free(bio);
	return text;
}

static void write_service_account(struct fixture *fixture, const char *token_url)
{
	cleanup_free char *pem = pem_of_key();
	json_t *file = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "service_account",
				 "client_email", "up@p.iam.gserviceaccount.com", "private_key_id",
				 "kid-1", "private_key", pem, "token_uri", token_url);

	assert_int_equal(json_dump_file(file, fixture->path, 0), 0);
	json_decref(file);
	fixture->conf.gcs_credentials = fixture->path;
}

static void test_order_of_the_places(void **state)
{
	static char variable[] = "$GOOGLE_APPLICATION_CREDENTIALS";
	struct fixture *fixture = *state;
	char well_known[128];

	open_good(fixture, "metadata server");
	setenv("NO_GCE_CHECK", "true", 1);
	open_bad(fixture, "no Google credentials found");

	setenv("CLOUDSDK_CONFIG", fixture->dir, 1);
	open_bad(fixture, "no Google credentials found");
	(void)snprintf(well_known, sizeof well_known, "%s/application_default_credentials.json",
		       fixture->dir);
	write_file(well_known, USER(""));
	open_good(fixture, "authorized user");
	write_file(well_known, "{}");
	open_bad(fixture, "application_default_credentials.json: \"type\" is missing");

	/* Its value is that of gcs.credentials, or --gcs-credentials '' has undone it. */
	setenv("GOOGLE_APPLICATION_CREDENTIALS", fixture->path, 1);
	open_bad(fixture, "application_default_credentials.json: \"type\" is missing");
	fixture->conf.gcs_credentials = fixture->path;
	fixture->conf.origin[CONF_gcs_credentials] = variable;
	fixture->conf.source[CONF_gcs_credentials] = CONF_SOURCE_ENVIRONMENT;
	open_bad(fixture, "$GOOGLE_APPLICATION_CREDENTIALS: ");
	write_file(fixture->path, USER(""));
	open_good(fixture, "authorized user");
	fixture->conf.source[CONF_gcs_credentials] = CONF_SOURCE_DEFAULT;

	fixture->conf.gcs_credentials = well_known;
	open_bad(fixture, "gcs.credentials: /tmp/");
	write_service_account(fixture, "https://oauth2.googleapis.com/token");
	open_good(fixture, "service account up@p.iam.gserviceaccount.com");

	setenv("STORAGE_EMULATOR_HOST", "http://localhost:1", 1);
	open_good(fixture, "none (emulator)");
	expect_header(fixture, "");
	(void)unlink(well_known);
}

static void test_home_is_looked_at(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *config = mem_printf("%s/.config", fixture->dir);
	cleanup_free char *gcloud = mem_printf("%s/gcloud", config);
	cleanup_free char *path = mem_printf("%s/application_default_credentials.json", gcloud);

	assert_int_equal(mkdir(config, 0700), 0);
	assert_int_equal(mkdir(gcloud, 0700), 0);
	write_file(path, USER(""));
	setenv("HOME", fixture->dir, 1);
	open_good(fixture, "authorized user");
	(void)unlink(path);
	(void)rmdir(gcloud);
	(void)rmdir(config);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *content, *part;
	} cases[] = {
		{ "", "key.json:1: not JSON" },
		{ "{\n\"type\": \"service_account\",\n\"private_key\": \"hush\n\"}",
		  "key.json:3: not JSON: unexpected newline" },
		{ "[]", "key.json: \"type\" is missing" },
		{ "{\"type\":7}", "\"type\" is missing" },
		{ "{\"type\":\"gdch_service_account\"}",
		  "credentials of type \"gdch_service_account\" are not supported; use service_account, " },
		{ "{\"type\":\"service_account\",\"universe_domain\":\"example.com\"}",
		  "\"universe_domain\" is example.com, but gcs.universe_domain is googleapis.com" },
		{ "{\"type\":\"service_account\"}", "\"client_email\" is missing" },
		{ "{\"type\":\"service_account\",\"client_email\":\"a\"}",
		  "\"private_key\" is missing" },
		{ "{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"hush\"}",
		  "\"private_key\" is not a private key" },
		{ USER(",\"token_uri\":\"http://example.com/token\""), "must be an https:// URL" },
		{ USER(",\"token_uri\":\"http://localhost:1@example.com/\""), "must be an https" },
		{ USER(",\"token_uri\":\"http://127.0.0.1.example.com/\""), "must be an https" },
		{ USER(",\"token_uri\":7"), "must be an https" },
		{ USER(",\"quota_project_id\":\"a\\r\\nb\""),
		  "is not the name of a quota project" },
		{ "{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"b\"}",
		  "\"refresh_token\" is missing" },
	};
	struct fixture *fixture = *state;

	fixture->conf.gcs_credentials = fixture->path;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		write_file(fixture->path, cases[i].content);
		open_bad(fixture, cases[i].part);
	}
}

static void test_files_that_are_none(void **state)
{
	static char huge[70000];
	struct fixture *fixture = *state;

	fixture->conf.gcs_credentials = fixture->dir;
	open_bad(fixture, fixture->dir);
	fixture->conf.gcs_credentials = fixture->path;
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	open_bad(fixture, "not a regular file");
	(void)unlink(fixture->path);
	memset(huge, ' ', sizeof huge - 1);
	write_file(fixture->path, huge);
	open_bad(fixture, "larger than 65536 bytes");
}

static unsigned char *from_base64url(const char *text, size_t length, size_t *ret_length)
{
	cleanup_free char *padded = mem_printf("%.*s%s", (int)length, text,
					       &"==="[3 - (4 - length % 4) % 4]);
	size_t padding = (4 - length % 4) % 4;
	unsigned char *bytes = mem_alloc(length + 4);
	int got;

	for (char *p = padded; *p; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	got = EVP_DecodeBlock(bytes, (unsigned char *)padded, (int)strlen(padded));
	assert_true(got > 0);
	*ret_length = (size_t)got - padding;
	bytes[*ret_length] = '\0';
	return bytes;
}

/* The JSON object of one part of a JWT. */
static json_t *decode_part(const char *text, size_t length)
{
	size_t bytes;
	cleanup_free unsigned char *json = from_base64url(text, length, &bytes);
	json_t *object = json_loadb((char *)json, bytes, 0, NULL);

	assert_non_null(object);
	return object;
}

static void expect_text(json_t *object, const char *name, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(object, name)), expected);
}

static void test_service_account_signs(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("ya29.token", "3599") };
	static const char form[] =
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
	struct fixture *fixture = *state;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	cleanup_free unsigned char *signature = NULL;
	const char *body, *claims, *end;
	size_t signature_length;
	json_t *object;
	json_int_t issued;
	char url[64];

	server_start(&fixture->server, replies, COUNT_OF(replies));
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u/token", fixture->server.port);
	write_service_account(fixture, url);
	open_good(fixture, "service account up@p.iam.gserviceaccount.com");
	expect_header(fixture, "Authorization: Bearer ya29.token");

	assert_told(&fixture->server, 0, "POST /token HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "Content-Type: application/x-www-form-urlencoded\r\n");
	body = server_body(&fixture->server, 0);
	assert_memory_equal(body, form, strlen(form));
	body += strlen(form);
	assert_null(strpbrk(body, "=+/&"));
	claims = strchr(body, '.') + 1;
	end = strchr(claims, '.');

	object = decode_part(body, (size_t)(claims - 1 - body));
	expect_text(object, "alg", "RS256");
	expect_text(object, "typ", "JWT");
	expect_text(object, "kid", "kid-1");
	json_decref(object);
	object = decode_part(claims, (size_t)(end - claims));
	expect_text(object, "iss", "up@p.iam.gserviceaccount.com");
	expect_text(object, "scope", "https://www.googleapis.com/auth/devstorage.read_write");
	expect_text(object, "aud", url);
	issued = json_integer_value(json_object_get(object, "iat"));
	assert_in_range(issued, time(NULL) - 20, time(NULL) - 9);
	assert_int_equal(json_integer_value(json_object_get(object, "exp")), issued + 3600);
	json_decref(object);

	signature = from_base64url(end + 1, strlen(end + 1), &signature_length);
	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL),
			 1);
	assert_int_equal(EVP_DigestVerify(context, signature, signature_length,
					  (const unsigned char *)body, (size_t)(end - body)),
			 1);
	EVP_MD_CTX_free(context);
	server_stop(&fixture->server);
}

/* The claims of a JWT, whose signature is tested above. */
static json_t *claims_of(const char *jwt)
{
	const char *claims = strchr(jwt, '.') + 1;

	return decode_part(claims, (size_t)(strchr(claims, '.') - claims));
}

/* No request at all: the statement is the token. */
static void expect_self_signed(struct fixture *fixture)
{
	static const char prefix[] = "Authorization: Bearer ey";
	json_t *claims;
	char *header;

	assert_int_equal(token_cache_header(fixture->credentials->tokens, fixture->http, &header,
					    &fixture->err),
			 0);
	assert_memory_equal(header, prefix, strlen(prefix));
	claims = claims_of(header);
	expect_text(claims, "iss", "up@p.iam.gserviceaccount.com");
	expect_text(claims, "sub", "up@p.iam.gserviceaccount.com");
	expect_text(claims, "scope", "https://www.googleapis.com/auth/devstorage.read_write");
	assert_null(json_object_get(claims, "aud"));
	assert_int_equal(json_integer_value(json_object_get(claims, "exp")) -
				 json_integer_value(json_object_get(claims, "iat")),
			 3600);
	json_decref(claims);
	mem_free_secret(header);
}

static void test_self_signed(void **state)
{
	static char elsewhere[] = "example.com";
	struct fixture *fixture = *state;

	/* Nobody listens there. */
	write_service_account(fixture, "http://127.0.0.1:1/token");
	open_good(fixture, "service account up@p.iam.gserviceaccount.com");
	expect_no_header(fixture, ERROR_TRANSIENT, "cannot get an access token");
	fixture->conf.gcs_self_signed_jwt = true;
	open_good(fixture, "service account up@p.iam.gserviceaccount.com");
	expect_self_signed(fixture);
	/* There is no token service in other universes. */
	fixture->conf.gcs_self_signed_jwt = false;
	fixture->conf.gcs_universe_domain = elsewhere;
	open_good(fixture, "service account up@p.iam.gserviceaccount.com");
	expect_self_signed(fixture);
}

static void test_authorized_user_form(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("ya29.user", "\"3599\"") };
	struct fixture *fixture = *state;

	use_login(fixture, replies, COUNT_OF(replies));
	expect_header(fixture, "Authorization: Bearer ya29.user");
	assert_string_equal(server_body(&fixture->server, 0),
			    "grant_type=refresh_token&client_id=id%261&client_secret=s"
			    "&refresh_token=r%2F2");
	server_stop(&fixture->server);
}

static void test_token_is_kept_until_refused(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "3599"),
					       TOKEN_REPLY("two", "3599") };
	struct fixture *fixture = *state;

	use_login(fixture, replies, COUNT_OF(replies));
	expect_header(fixture, "Authorization: Bearer one");
	expect_header(fixture, "Authorization: Bearer one");
	token_cache_refuse(fixture->credentials->tokens, "Authorization: Bearer one");
	expect_header(fixture, "Authorization: Bearer two");
	/* Another worker learns of the old token's end only now. */
	token_cache_refuse(fixture->credentials->tokens, "Authorization: Bearer one");
	expect_header(fixture, "Authorization: Bearer two");
	assert_int_equal(atomic_load(&fixture->server.count), 2);
	server_stop(&fixture->server);
}

/* 2 s of life: the second half is for getting a new one, and the old one serves meanwhile. */
static void test_old_token_serves_while_it_is_valid(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "2"), REPLY("503 Busy", "", ""),
					       REPLY("503 Busy", "", ""),
					       TOKEN_REPLY("two", "3599") };
	struct fixture *fixture = *state;

	use_login(fixture, replies, COUNT_OF(replies));
	expect_header(fixture, "Authorization: Bearer one");
	(void)usleep(1100000);
	expect_header(fixture, "Authorization: Bearer one");
	/* Not asked again at once. */
	expect_header(fixture, "Authorization: Bearer one");
	assert_int_equal(atomic_load(&fixture->server.count), 2);
	server_stop(&fixture->server);
}

static void test_expired_token_is_not_served(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("one", "0"), REPLY("503 Busy", "", ""),
					       TOKEN_REPLY("two", "3599") };
	struct fixture *fixture = *state;

	use_login(fixture, replies, COUNT_OF(replies));
	expect_header(fixture, "Authorization: Bearer one");
	expect_no_header(fixture, ERROR_TRANSIENT, "said 503");
	expect_header(fixture, "Authorization: Bearer two");
	server_stop(&fixture->server);
}

static void test_refusals_of_the_token_endpoint(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ REPLY("400 Bad Request", "",
			"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\"}"),
		  ERROR_CONFIG, "400 invalid_grant: Invalid JWT; the login has ended: gcloud" },
		{ REPLY("401 Unauthorized", "", "{\"error\":\"invalid_client\"}"), ERROR_CONFIG,
		  "401 invalid_client; the login has ended" },
		/* It repeats what it was sent: no secret in there may reach the log. */
		{ REPLY("400 Bad Request", "",
			"{\"error\":\"invalid_grant\",\"error_description\":\"bad 1//" LONG_SECRET
			", see https://example.com/\"}"),
		  ERROR_CONFIG, "bad 1//(80 characters), see https://example.com/" },
		{ REPLY("400 Bad Request", "", "{\"error\":\"" LONG_SECRET "\"}"), ERROR_CONFIG,
		  "said 400 (80 characters); " },
		/* An API's way to say it. */
		{ REPLY("403 Forbidden", "",
			"{\"error\":{\"status\":\"PERMISSION_DENIED\",\"message\":\"no\"}}"),
		  ERROR_CONFIG, "403 PERMISSION_DENIED: no" },
		/* Our clock is wrong: whatever they say, it is not final. */
		{ REPLY("400 Bad Request", "Date: Mon, 23 Nov 1998 08:30:00 GMT\r\n",
			"{\"error\":\"invalid_grant\"}"),
		  ERROR_TRANSIENT, "ahead of the server's, which may be the reason" },
		{ REPLY("400 Bad Request", "Date: Tue, 23 Nov 2100 08:30:00 GMT\r\n",
			"{\"error\":\"invalid_grant\"}"),
		  ERROR_TRANSIENT, " behind the server's" },
		{ REPLY("403 Forbidden", "Date: Tue, 23 Nov 2100 08:30:00 GMT\r\n", "{}"),
		  ERROR_CONFIG, "403 no reason given" },
		{ REPLY("400 Bad Request", "", "{\"error\":\"server_error\"}"), ERROR_TRANSIENT,
		  "server_error" },
		{ REPLY("429 Too Many", "", "x"), ERROR_TRANSIENT, "429" },
		{ REPLY("500 Oh", "", "<html>"), ERROR_TRANSIENT, "500" },
		{ REPLY("302 Found", "Location: http://portal/\r\n", ""), ERROR_TRANSIENT, "302" },
		{ REPLY("200 OK", "", "<html>"), ERROR_TRANSIENT, "holds no access token" },
		{ REPLY("200 OK", "", "{\"access_token\":\"a\\r\\nX: y\"}"), ERROR_TRANSIENT,
		  "holds no access token" },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT, "cannot get an access token: 127.0.0.1: " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		use_login(fixture, &cases[i].reply, 1);
		expect_no_header(fixture, cases[i].kind, cases[i].part);
		assert_null(strstr(fixture->err.message, "hush"));
		server_stop(&fixture->server);
	}
}

struct asker {
	struct fixture *fixture;
	struct http *http;
	struct thread thread;
	struct error err;
	int result;
};

static void ask_for_header(void *context)
{
	struct asker *asker = context;
	char *header;

	asker->result = token_cache_header(asker->fixture->credentials->tokens, asker->http,
					   &header, &asker->err);
}

static void start_asker(struct fixture *fixture, struct asker *asker)
{
	*asker = (struct asker){ .fixture = fixture };
	assert_int_equal(http_open(&fixture->conf, fixture->connections, NULL, &fixture->cancel,
				   &asker->http, &fixture->err),
			 0);
	assert_int_equal(
		thread_start(&asker->thread, "asker", ask_for_header, asker, &fixture->err), 0);
}

static void end_asker(struct asker *asker)
{
	thread_join(&asker->thread);
	http_close(asker->http);
	assert_int_equal(asker->result, -1);
}

static void assert_beats(const struct asker *asker)
{
	uint64_t end_ms = clock_monotonic_ms() + 20000, first_ms = 0;

	while (first_ms == 0 || thread_last_beat_ms(&asker->thread) == first_ms) {
		first_ms = first_ms ? first_ms : thread_last_beat_ms(&asker->thread);
		assert_true(clock_monotonic_ms() < end_ms);
		(void)usleep(1000);
	}
}

/* A token service that hangs must not look like threads that do: it is no reason for a restart. */
static void test_waiting_for_another_is_progress(void **state)
{
	static const char *const replies[] = { HANG };
	struct fixture *fixture = *state;
	struct asker first, second;

	use_login(fixture, replies, COUNT_OF(replies));
	start_asker(fixture, &first);
	while (atomic_load(&fixture->server.count) == 0)
		(void)usleep(1000);
	start_asker(fixture, &second);
	assert_beats(&second);
	atomic_store(&fixture->cancel, true);
	end_asker(&first);
	end_asker(&second);
	/* The failure of the one is that of the other, which need not ask as well. */
	assert_string_equal(first.err.message, second.err.message);
	assert_int_equal(atomic_load(&fixture->server.connections), 1);
	server_stop(&fixture->server);
}

static void test_metadata_server(void **state)
{
	static const char *const replies[] = { TOKEN_REPLY("ya29.node", "3599") };
	struct fixture *fixture = *state;

	use_metadata(fixture, replies, COUNT_OF(replies));
	/* Never through a proxy. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	expect_header(fixture, "Authorization: Bearer ya29.node");
	assert_told(
		&fixture->server, 0,
		"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F"
		"%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_write HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "Metadata-Flavor: Google\r\n");
	server_stop(&fixture->server);
}

static void test_refusals_of_the_metadata_server(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ REPLY("404 Not Found", "Metadata-Flavor: Google\r\n", ""), ERROR_TRANSIENT,
		  "the metadata server said 404; give the node or the pod a service account" },
		{ REPLY("403 Forbidden", "Metadata-Flavor: Google\r\n",
			"Unable to generate access token"),
		  ERROR_CONFIG, "403 Unable to generate access token; with Workload Identity" },
		{ REPLY("500 Oh", "Metadata-Flavor: Google\r\n", "later " LONG_SECRET),
		  ERROR_TRANSIENT, "500 later (80 characters)" },
		{ REPLY("200 OK", "", "{\"access_token\":\"portal\"}"), ERROR_TRANSIENT,
		  "is not Google's" },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT, "no answer from the metadata server" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		use_metadata(fixture, &cases[i].reply, 1);
		expect_no_header(fixture, cases[i].kind, cases[i].part);
		server_stop(&fixture->server);
	}
	setenv("GCE_METADATA_HOST", "http://x/", 1);
	open_bad(fixture, "is not HOST or HOST:PORT");
}

static void test_quota_project(void **state)
{
	struct fixture *fixture = *state;

	open_good(fixture, "metadata server");
	assert_string_equal(fixture->credentials->quota_project, "");
	write_file(fixture->path, USER(",\"quota_project_id\":\"of-file\""));
	fixture->conf.gcs_credentials = fixture->path;
	open_good(fixture, "authorized user");
	assert_string_equal(fixture->credentials->quota_project, "of-file");
	setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "example.com:p-1", 1);
	open_good(fixture, "authorized user");
	assert_string_equal(fixture->credentials->quota_project, "example.com:p-1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_of_the_places),
		TEST(test_home_is_looked_at),
		TEST(test_bad_files),
		TEST(test_files_that_are_none),
		TEST(test_service_account_signs),
		TEST(test_self_signed),
		TEST(test_authorized_user_form),
		TEST(test_token_is_kept_until_refused),
		TEST(test_old_token_serves_while_it_is_valid),
		TEST(test_expired_token_is_not_served),
		TEST(test_refusals_of_the_token_endpoint),
		TEST(test_waiting_for_another_is_progress),
		TEST(test_metadata_server),
		TEST(test_refusals_of_the_metadata_server),
		TEST(test_quota_project),
	};

	unit_add(tests, make_key, free_key);
}
