/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Credentials from files of a folder of the test's own, and token services that play a script. */

#include <sys/stat.h>

#include "http_fixture.h"
#include "google/google.h"

#define TOKEN_REPLY(token, seconds)                                                      \
	REPLY("200 OK", "Content-Type: application/json\r\nMetadata-Flavor: Google\r\n", \
	      "{\"access_token\":\"" token "\",\"expires_in\":" seconds "}")

struct fixture {
	struct conf conf;
	struct connections *connections;
	atomic_bool cancel;
	struct http *http;
	struct server server;
	struct google_credentials *credentials;
	struct error err;
	char dir[32];
	char path[64];
};

static inline int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	http_fixture_environment();
	http_fixture_conf(&fixture->conf);
	fixture->connections = connections_new();
	(void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/test_credentials.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	(void)snprintf(fixture->path, sizeof fixture->path, "%s/key.json", fixture->dir);
	*state = fixture;
	return http_open(&fixture->conf, fixture->connections, NULL, &fixture->cancel,
			 &fixture->http, &fixture->err);
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	google_credentials_close(fixture->credentials);
	http_close(fixture->http);
	connections_free(fixture->connections);
	(void)unlink(fixture->path);
	(void)rmdir(fixture->dir);
	free(fixture);
	return 0;
}

static inline void write_file(const char *path, const char *content)
{
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_true(fputs(content, file) >= 0);
}

static inline void open_good(struct fixture *fixture, const char *description)
{
	fixture->credentials = google_credentials_close(fixture->credentials);
	if (google_credentials_open(&fixture->conf, &fixture->credentials, &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	assert_string_equal(fixture->credentials->description, description);
}

static inline void open_bad(struct fixture *fixture, const char *part)
{
	assert_int_equal(
		google_credentials_open(&fixture->conf, &fixture->credentials, &fixture->err), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_null(strstr(fixture->err.message, "hush"));
}

static inline void expect_header(struct fixture *fixture, const char *expected)
{
	char *header;

	if (token_cache_header(fixture->credentials->tokens, fixture->http, &header,
			       &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	assert_string_equal(header, expected);
	mem_free_secret(header);
}

static inline void expect_no_header(struct fixture *fixture, enum error_kind kind, const char *part)
{
	char *header;

	assert_int_equal(token_cache_header(fixture->credentials->tokens, fixture->http, &header,
					    &fixture->err),
			 -1);
	assert_int_equal(fixture->err.kind, kind);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
}
