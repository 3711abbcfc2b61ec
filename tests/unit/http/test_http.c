/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over libcurl against a scripted server on the loopback. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "unit.h"

#include "base/clock.h"
#include "http_fixture.h"
#include "http/handle.h"
#include "http/redact.h"
#include "http/url.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct fixture {
	struct conf conf;
	struct connections *connections;
	atomic_bool cancel;
	struct http *http;
	struct server server;
	char url[64];
	struct http_reply reply;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	http_fixture_environment();
	http_fixture_conf(&fixture->conf);
	fixture->connections = connections_new();
	*state = fixture;
	return http_open(&fixture->conf, fixture->connections, NULL, &fixture->cancel,
			 &fixture->http, &fixture->err);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	http_close(fixture->http);
	connections_free(fixture->connections);
	free(fixture);
	return 0;
}

static void start(struct fixture *fixture, const char *const *replies, size_t count)
{
	server_start(&fixture->server, replies, count);
	(void)snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%u/path?upload_id=hush",
		       fixture->server.port);
}

static size_t open_connections(struct fixture *fixture, struct connection *ret_first)
{
	struct connection all[CONNECTIONS_MAX];
	unsigned generation;
	size_t count = connections_copy(fixture->connections, all, &generation), open = 0;

	for (size_t i = 0; i < count; i++) {
		if (all[i].closed_ns != UINT64_MAX)
			continue;
		if (open++ == 0 && ret_first)
			*ret_first = all[i];
	}
	return open;
}

static void test_body_comes_from_memory_and_file(void **state)
{
	static const char *const replies[] = {
		"HTTP/1.1 308 Resume\r\nRange: bytes=0-41\r\nlocation:  http://x/y \r\n"
		"Metadata-Flavor: Google\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello",
	};
	static const char *const headers[] = { "X-Test: yes", NULL };
	struct fixture *fixture = *state;
	cleanup_fclose FILE *file = tmpfile();
	struct http_request request = { .method = "PUT",
					.headers = headers,
					.head = "<",
					.head_bytes = 1,
					.tail = ">",
					.tail_bytes = 1,
					.file_offset = 3,
					.file_bytes = 4 };

	assert_non_null(file);
	assert_int_equal(fputs("0123456789", file), 1);
	(void)fflush(file);
	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	request.fd = fileno(file);
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 308);
	assert_string_equal(fixture->reply.body, "hello");
	assert_int_equal(fixture->reply.body_bytes, 5);
	assert_string_equal(http_reply_header(&fixture->reply, "range"), "bytes=0-41");
	assert_string_equal(http_reply_header(&fixture->reply, "Location"), "http://x/y");
	assert_string_equal(http_reply_header(&fixture->reply, "Metadata-Flavor"), "Google");
	assert_string_equal(http_reply_header(&fixture->reply, "WWW-Authenticate"), "");
	assert_int_equal(fixture->reply.retry_after_ms, 7000);
	assert_true(fixture->reply.is_sent);
	assert_told(&fixture->server, 0, "PUT /path?upload_id=hush HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "Content-Length: 6\r\n");
	assert_told(&fixture->server, 0, "X-Test: yes\r\n");
	assert_told(&fixture->server, 0, "User-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION "\r\n");
	assert_false(server_was_told(&fixture->server, 0, "Expect"));
	assert_string_equal(server_body(&fixture->server, 0), "<3456>");
	server_stop(&fixture->server);
}

static void test_empty_body_says_so(void **state)
{
	static const char *const replies[] = { OK_REPLY, OK_REPLY };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "DELETE", .fd = -1 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	request.method = "GET";
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_told(&fixture->server, 0, "DELETE /path");
	assert_told(&fixture->server, 0, "Content-Length: 0\r\n");
	assert_told(&fixture->server, 1, "GET /path");
	assert_false(server_was_told(&fixture->server, 1, "Content-Length"));
	assert_false(server_was_told(&fixture->server, 1, "chunked"));
	server_stop(&fixture->server);
}

static void test_connections_are_kept_and_known(void **state)
{
	static const char *const replies[] = { OK_REPLY, OK_REPLY, OK_REPLY };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };
	struct connection connection = { 0 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	for (size_t i = 0; i < COUNT_OF(replies); i++)
		assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err),
				 0);
	assert_int_equal(atomic_load(&fixture->server.connections), 1);
	assert_int_equal(open_connections(fixture, &connection), 1);
	assert_int_equal(connection.family, AF_INET);
	assert_int_equal(ntohs(connection.remote_port), fixture->server.port);
	assert_memory_equal(connection.local, "\x7f\0\0\1", 4);
	assert_int_not_equal(connection.local_port, 0);
	fixture->http = http_close(fixture->http);
	assert_int_equal(open_connections(fixture, NULL), 0);
	server_stop(&fixture->server);
}

static void test_a_dead_kept_connection_is_replaced(void **state)
{
	static const char *const replies[] = { OK_REPLY, CLOSE_CONNECTION, OK_REPLY };
	struct fixture *fixture = *state;
	struct http_request request = {
		.method = "PUT", .head = "again", .head_bytes = 5, .fd = -1
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_string_equal(server_body(&fixture->server, 2), "again");
	assert_true(fixture->reply.is_sent_again);
	server_stop(&fixture->server);
}

static void test_redirects_are_not_followed(void **state)
{
	static const char *const replies[] = {
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
	};
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 302);
	assert_int_equal(atomic_load(&fixture->server.count), 1);
	server_stop(&fixture->server);
}

static void expect_failure(struct fixture *fixture, const struct http_request *request,
			   enum error_kind kind, const char *part)
{
	assert_int_equal(http_send(fixture->http, request, &fixture->reply, &fixture->err), -1);
	assert_int_equal(fixture->err.kind, kind);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_null(strstr(fixture->err.message, "hush"));
}

static void test_no_reply_is_transient(void **state)
{
	static const char *const replies[] = { CLOSE_CONNECTION };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };
	in_port_t port;
	char url[64];
	int fd;

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "127.0.0.1: Empty reply");
	server_stop(&fixture->server);

	fd = server_bind(&port); /* bound, but nobody listens */
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	request.url = url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "127.0.0.1: ");
	assert_int_equal(open_connections(fixture, NULL), 0);
	(void)close(fd);
}

static void test_other_protocols_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .url = "file:///etc/passwd", .fd = -1 };

	expect_failure(fixture, &request, ERROR_TRANSIENT, "rotocol");
}

static void test_long_reply_is_cut(void **state)
{
	cleanup_free char *reply = mem_printf("HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n%*s",
					      100 * HTTP_BODY_MAX, 2 * HTTP_BODY_MAX, "x");
	const char *const replies[] = { reply, OK_REPLY };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 403);
	assert_int_equal(fixture->reply.body_bytes, HTTP_BODY_MAX);
	/* The rest of it is not taken for the next reply. */
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 200);
	assert_int_equal(atomic_load(&fixture->server.connections), 2);
	server_stop(&fixture->server);
}

static void test_file_that_is_too_short(void **state)
{
	static const char *const replies[] = { OK_REPLY };
	struct fixture *fixture = *state;
	cleanup_fclose FILE *file = tmpfile();
	struct http_request request = { .method = "PUT", .file_bytes = 10 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	request.fd = fileno(file);
	expect_failure(fixture, &request, ERROR_TRANSIENT, "cannot read the segment");
	server_stop(&fixture->server);
}

struct receiver {
	struct fixture *fixture;
	size_t bytes, limit; /* received; at most so many are wanted */
	size_t longest;
	bool is_damaged; /* not all of it is "x" */
	bool must_cancel;
};

static bool receive(void *context, const char *bytes, size_t length)
{
	struct receiver *receiver = context;

	for (size_t i = 0; i < length; i++)
		receiver->is_damaged |= bytes[i] != 'x';
	receiver->bytes += length;
	if (length > receiver->longest)
		receiver->longest = length;
	if (receiver->must_cancel)
		atomic_store(&receiver->fixture->cancel, true);
	return receiver->bytes < receiver->limit;
}

/* A reply that promises so many bytes and sends others. The caller frees. */
static char *reply_of_xs(const char *status, size_t promised, size_t sent)
{
	char *reply = mem_printf("HTTP/1.1 %s\r\nX-Test: yes\r\nContent-Length: %zu\r\n%s\r\n%*s",
				 status, promised, promised == sent ? "" : "Connection: close\r\n",
				 (int)sent, "");

	memset(reply + strlen(reply) - sent, 'x', sent);
	return reply;
}

static void test_body_goes_to_a_callback(void **state)
{
	const size_t size = 100 * HTTP_BODY_MAX;
	cleanup_free char *large = reply_of_xs("206 Partial Content", size, size);
	const char *const replies[] = { large, OK_REPLY };
	struct fixture *fixture = *state;
	struct receiver receiver = { .limit = SIZE_MAX };
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = receive, .on_body_context = &receiver
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 206);
	assert_int_equal(receiver.bytes, size);
	assert_false(receiver.is_damaged);
	assert_true(receiver.longest <= 16384);
	assert_false(fixture->reply.is_cut);
	assert_int_equal(fixture->reply.body_bytes, 0);
	assert_string_equal(fixture->reply.body, "");
	assert_string_equal(http_reply_header(&fixture->reply, "X-Test"), "yes");
	/* The connection serves the next request, too. */
	request.on_body = NULL;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_string_equal(fixture->reply.body, "ok");
	assert_int_equal(atomic_load(&fixture->server.connections), 1);
	server_stop(&fixture->server);
}

static void test_callback_ends_the_body(void **state)
{
	cleanup_free char *large = reply_of_xs("200 OK", 1 << 20, 1 << 20);
	const char *const replies[] = { large, OK_REPLY };
	struct fixture *fixture = *state;
	struct receiver receiver = { .limit = 100000 };
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = receive, .on_body_context = &receiver
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_int_equal(fixture->reply.status, 200);
	assert_true(fixture->reply.is_cut);
	assert_in_range(receiver.bytes, 100000, 100000 + 16383);
	/* The rest of it is not taken for the next reply. */
	request.on_body = NULL;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_string_equal(fixture->reply.body, "ok");
	assert_false(fixture->reply.is_cut);
	assert_int_equal(atomic_load(&fixture->server.connections), 2);
	server_stop(&fixture->server);
}

static void test_body_that_breaks_off_is_no_reply(void **state)
{
	cleanup_free char *half = reply_of_xs("200 OK", 200000, 100000);
	const char *const replies[] = { half };
	struct fixture *fixture = *state;
	struct receiver receiver = { .limit = SIZE_MAX };
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = receive, .on_body_context = &receiver
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "127.0.0.1: ");
	assert_int_equal(fixture->reply.status, HTTP_BROKEN_OFF);
	assert_int_equal(receiver.bytes, 100000);
	server_stop(&fixture->server);
}

static void test_body_of_an_error_stays_in_memory(void **state)
{
	static const char *const replies[] = {
		"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
		"HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nthere",
	};
	struct fixture *fixture = *state;
	struct receiver receiver = { .limit = SIZE_MAX };
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = receive, .on_body_context = &receiver
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_string_equal(fixture->reply.body, "none");
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_string_equal(fixture->reply.body, "there");
	assert_int_equal(receiver.bytes, 0);
	server_stop(&fixture->server);
}

static void test_cancel_ends_a_stream(void **state)
{
	cleanup_free char *half = reply_of_xs("200 OK", 200000, 100000);
	const char *const replies[] = { half };
	struct fixture *fixture = *state;
	struct receiver receiver = { .fixture = fixture, .limit = SIZE_MAX, .must_cancel = true };
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = receive, .on_body_context = &receiver
	};

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "stopped");
	assert_int_equal(fixture->reply.status, HTTP_STOPPED);
	server_stop(&fixture->server);
}

static void *cancel_soon(void *context)
{
	struct fixture *fixture = context;

	while (atomic_load(&fixture->server.count) == 0)
		(void)usleep(1000);
	atomic_store(&fixture->cancel, true);
	return NULL;
}

static void test_cancel_ends_it_within_two_seconds(void **state)
{
	static const char *const replies[] = { HANG };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };
	uint64_t begin_ms = clock_monotonic_ms();
	pthread_t thread;

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, fixture), 0);
	expect_failure(fixture, &request, ERROR_TRANSIENT, "stopped");
	(void)pthread_join(thread, NULL);
	assert_true(clock_monotonic_ms() - begin_ms < 2500);
	server_stop(&fixture->server);
}

static void test_timeout_of_the_whole_exchange(void **state)
{
	static const char *const replies[] = { HANG };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1, .timeout_ms = 200 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "timed out");
	server_stop(&fixture->server);
}

static void test_date_of_the_server(void **state)
{
	static const char *const replies[] = {
		REPLY("200 OK", "Date: Mon, 23 Nov 2026 08:30:00 GMT\r\n", ""),
		REPLY("200 OK", "Date: tomorrow\r\n", ""), REPLY("200 OK", "", "")
	};
	static const uint64_t dates_s[] = { UINT64_C(1795422600), 0, 0 };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };

	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err),
				 0);
		assert_int_equal(fixture->reply.date_s, dates_s[i]);
	}
	server_stop(&fixture->server);
}

static void test_read_url(void **state)
{
	enum {
		ELSEWHERE,
		LOOPBACK,
		LINK_LOCAL
	};
	static const struct {
		const char *url, *host; /* host NULL: refused */
		bool is_https;
		int where;
	} cases[] = {
		{ "https://sts.googleapis.com/v1/token", "sts.googleapis.com", true, ELSEWHERE },
		{ "HTTPS://STS.GoogleApis.com", "sts.googleapis.com", true, ELSEWHERE },
		{ "http://example.com:80/a?b=c", "example.com", false, ELSEWHERE },
		{ "http://127.0.0.1:1/", "127.0.0.1", false, LOOPBACK },
		{ "http://127.255.0.9", "127.255.0.9", false, LOOPBACK },
		{ "http://localhost/", "localhost", false, LOOPBACK },
		{ "https://LOCALHOST:8/", "localhost", true, LOOPBACK },
		{ "http://[::1]:80/", "::1", false, LOOPBACK },
		/* As libcurl takes them, not as they look. */
		{ "http://0x7f.1/", "127.0.0.1", false, LOOPBACK },
		{ "http://2130706433/", "127.0.0.1", false, LOOPBACK },
		{ "http://127.0.0.1.example.com/", "127.0.0.1.example.com", false, ELSEWHERE },
		{ "http://localhost.example.com/", "localhost.example.com", false, ELSEWHERE },
		{ "http://128.0.0.1/", "128.0.0.1", false, ELSEWHERE },
		{ "http://169.254.169.254/metadata", "169.254.169.254", false, LINK_LOCAL },
		{ "http://169.255.0.1/", "169.255.0.1", false, ELSEWHERE },
		{ "http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", false, LOOPBACK },
		{ "http://[::ffff:169.254.0.1]/", "::ffff:169.254.0.1", false, LINK_LOCAL },
		{ "http://[::ffff:128.0.0.1]/", "::ffff:128.0.0.1", false, ELSEWHERE },
		{ "http://[fe80::1]/", "fe80::1", false, LINK_LOCAL },
		{ "http://[2001:db8::1]/", "2001:db8::1", false, ELSEWHERE },
		{ "http://metadata.google.internal/", "metadata.google.internal", false,
		  LINK_LOCAL },
		{ "http://metadata.google.internal.example.com/",
		  "metadata.google.internal.example.com", false, ELSEWHERE },
		{ "https://evil.example\\@sts.googleapis.com/", NULL, false, ELSEWHERE },
		{ "https://sts.googleapis.com@evil.example/", NULL, false, ELSEWHERE },
		{ "https://user:hush@sts.googleapis.com/", NULL, false, ELSEWHERE },
		{ "https://sts.googleapis.com/#part", NULL, false, ELSEWHERE },
		{ "https://sts.googleapis.com/a b", NULL, false, ELSEWHERE },
		{ "https://sts.googleapis.com/\r\nHost: x", NULL, false, ELSEWHERE },
		{ "https://", NULL, false, ELSEWHERE },
		{ "https:/sts.googleapis.com/", NULL, false, ELSEWHERE },
		{ "https:///sts.googleapis.com/", NULL, false, ELSEWHERE },
		{ "https:sts.googleapis.com/a://b", NULL, false, ELSEWHERE },
		{ "sts.googleapis.com", NULL, false, ELSEWHERE },
		{ "ftp://127.0.0.1/", NULL, false, ELSEWHERE },
		{ "file:///etc/passwd", NULL, false, ELSEWHERE },
		{ "", NULL, false, ELSEWHERE },
	};
	char longest[HTTP_URL_MAX + 2] = "https://h/";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct http_url url = { .host = "untouched" };

		if (http_read_url(cases[i].url, &url) != (cases[i].host != NULL))
			fail_msg("%s", cases[i].url);
		assert_string_equal(url.host, cases[i].host ? cases[i].host : "untouched");
		assert_int_equal(url.is_https, cases[i].is_https);
		assert_int_equal(url.is_loopback, cases[i].where == LOOPBACK);
		assert_int_equal(url.is_link_local, cases[i].where == LINK_LOCAL);
	}
	memset(longest + strlen(longest), 'a', HTTP_URL_MAX - strlen(longest));
	assert_true(http_read_url(longest, &(struct http_url){ .host = "" }));
	longest[HTTP_URL_MAX] = 'a';
	assert_false(http_read_url(longest, &(struct http_url){ .host = "" }));
}

/* Its own machine is nobody else's: neither what the configuration names nor the environment's is asked. */
static void test_proxy_is_used_but_not_for_local(void **state)
{
	static const char *const replies[] = { OK_REPLY, OK_REPLY, OK_REPLY };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };
	char proxy[64];
	struct server elsewhere;

	start(fixture, replies, COUNT_OF(replies));
	server_start(&elsewhere, replies, COUNT_OF(replies));
	(void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", elsewhere.port);
	fixture->conf.upload_proxy = proxy;
	request.url = "http://storage.invalid/path";
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_told(&elsewhere, 0, "GET http://storage.invalid/path");
	request.url = fixture->url;
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	assert_told(&fixture->server, 0, "GET /path");
	fixture->conf.upload_proxy[0] = '\0';
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err), 0);
	request.url = "http://storage.invalid/path";
	expect_failure(fixture, &request, ERROR_TRANSIENT, "storage.invalid: ");
	request.is_local = true;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "resolve");
	assert_int_equal(atomic_load(&elsewhere.count), 1);
	unsetenv("http_proxy");
	server_stop(&elsewhere);
	server_stop(&fixture->server);
}

static void test_bad_options_are_refused_at_once(void **state)
{
	static char missing[] = "/nonexistent/ca.pem";
	static char good[][32] = { "http://h:3128", "h:3128", "https://h", "socks5://h:1080",
				   "socks5h://u:p@[::1]:1080" };
	struct fixture *fixture = *state;
	struct http *http = NULL;

	fixture->conf.upload_ca_file = missing;
	assert_int_equal(http_open(&fixture->conf, fixture->connections, NULL, &fixture->cancel,
				   &http, &fixture->err),
			 -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_string_equal(fixture->err.message,
			    "upload.ca_file: /nonexistent/ca.pem: No such file or directory");
	http_fixture_conf(&fixture->conf);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		fixture->conf.upload_proxy = good[i];
		if (http_open(&fixture->conf, fixture->connections, NULL, &fixture->cancel, &http,
			      &fixture->err) < 0)
			fail_msg("%s: %s", good[i], fixture->err.message);
		http_close(http);
	}
}

/* A proxy of the environment is not checked by the configuration, and libcurl repeats what it cannot use. */
static void test_password_of_a_proxy_stays_unsaid(void **state)
{
	static const char *const proxies[] = {
		"ftp://user:hush@h:1", "http://user:hush@[", "user:hush@[",
		"http://user:hush@no-such.invalid:1",
		"user:hushhushhushhushhushhushhushhushhush"
		"hushhushhushhushhushhushhushhushhushhushhushhush"
		"hushhushhushhushhushhushhushhushhushhushhushhush"
		"hushhushhushhushhushhushhushhushhushhushhushhush"
		"hushhushhushhushhushhushhushhushhushhushhushhush"
		"hushhushhushhushhushhushhushhushhushhushhushhush@h"
	};
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .url = "http://h.invalid/", .fd = -1 };

	for (size_t i = 0; i < COUNT_OF(proxies); i++) {
		setenv("http_proxy", proxies[i], 1);
		expect_failure(fixture, &request, ERROR_TRANSIENT, "h.invalid: ");
		assert_null(strstr(fixture->err.message, "user"));
	}
	unsetenv("http_proxy");
}

/* Ten bytes at a time, never an end. */
static void *trickle(void *context)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n";
	const int *listener = context;
	int fd = accept(*listener, NULL, NULL);

	for (ssize_t sent = send(fd, head, strlen(head), MSG_NOSIGNAL); sent > 0;
	     sent = send(fd, "0123456789", 10, MSG_NOSIGNAL))
		(void)usleep(100000);
	(void)close(fd);
	return NULL;
}

static void expect_stall(struct fixture *fixture, struct http_request *request)
{
	uint64_t begin_ms = clock_monotonic_ms();
	pthread_t thread;
	in_port_t port;
	int fd = server_bind(&port);

	fixture->conf.upload_stall_timeout = 1;
	assert_int_equal(listen(fd, 1), 0);
	(void)snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%u/", port);
	request->url = fixture->url;
	assert_int_equal(pthread_create(&thread, NULL, trickle, &fd), 0);
	expect_failure(fixture, request, ERROR_TRANSIENT, "too slow");
	assert_true(clock_monotonic_ms() - begin_ms < 15000);
	(void)pthread_join(thread, NULL);
	(void)close(fd);
}

static void test_a_trickle_is_a_stall(void **state)
{
	struct http_request request = { .method = "GET", .fd = -1, .timeout_ms = 20000 };

	expect_stall(*state, &request);
}

static void test_a_streamed_trickle_is_a_stall(void **state)
{
	struct receiver receiver = { .limit = SIZE_MAX };
	struct http_request request = { .method = "GET",
					.fd = -1,
					.on_body = receive,
					.on_body_context = &receiver,
					.timeout_ms = 20000 };

	expect_stall(*state, &request);
	assert_true(receiver.bytes > 0);
}

/* Read all that comes; the errno at the end, 0 for a good end. */
static int read_to_the_end(int fd)
{
	char bytes[65536];
	ssize_t got;

	do {
		got = read(fd, bytes, sizeof bytes);
	} while (got > 0);
	return got < 0 ? errno : 0;
}

static void test_a_transfer_broken_off_leaves_nothing_behind(void **state)
{
	struct fixture *fixture = *state;
	cleanup_fclose FILE *file = tmpfile();
	struct http_request request = {
		.method = "PUT", .url = fixture->url, .file_bytes = 64 << 20, .timeout_ms = 300
	};
	in_port_t port;
	int listener = server_bind(&port), fd;

	assert_int_equal(ftruncate(fileno(file), 64 << 20), 0);
	request.fd = fileno(file);
	assert_int_equal(listen(listener, 1), 0);
	(void)snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%u/", port);
	expect_failure(fixture, &request, ERROR_TRANSIENT, "timed out");
	fd = accept(listener, NULL, NULL);
	assert_int_equal(read_to_the_end(fd), ECONNRESET);
	(void)close(fd);
	(void)close(listener);
}

static void test_how_a_socket_ends(void **state)
{
	static const struct {
		bool is_broken_off;
		int how;
	} cases[] = { { false, 0 }, { true, ECONNRESET } };
	struct fixture *fixture = *state;
	struct sockets sockets;
	struct sockaddr_in address = { .sin_family = AF_INET };
	in_port_t port;
	int listener = server_bind(&port);

	sockets_init(&sockets, fixture->connections);
	assert_int_equal(listen(listener, 1), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd = sockets_open(&sockets, SOCK_STREAM, IPPROTO_TCP,
				      (struct sockaddr *)&address, sizeof address, &fixture->err);
		int peer;

		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
		peer = accept(listener, NULL, NULL);
		assert_int_equal(write(fd, "goodbye", 7), 7);
		sockets_close(&sockets, fd, cases[i].is_broken_off);
		assert_int_equal(read_to_the_end(peer), cases[i].how);
		(void)close(peer);
	}
	(void)close(listener);
}

/* A self-signed certificate and its key, valid from and until so many seconds from now. */
static void write_certificate(const char *path, long from, long until)
{
	cleanup_fclose FILE *file = fopen(path, "we");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	assert_non_null(file);
	(void)X509_gmtime_adj(X509_getm_notBefore(certificate), from);
	(void)X509_gmtime_adj(X509_getm_notAfter(certificate), until);
	assert_true(X509_set_pubkey(certificate, key));
	assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					       (const unsigned char *)"localhost", -1, -1, 0));
	assert_true(X509_set_issuer_name(certificate, name));
	assert_true(X509_sign(certificate, key, EVP_sha256()));
	assert_true(PEM_write_X509(file, certificate));
	assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static pid_t start_tls_server(const char *certificate, in_port_t port)
{
	char accept[16];
	pid_t child;

	(void)snprintf(accept, sizeof accept, "%u", port);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)!freopen("/dev/null", "w", stdout);
		(void)!freopen("/dev/null", "w", stderr);
		(void)execlp("openssl", "openssl", "s_server", "-4", "-accept", accept, "-cert",
			     certificate, "-key", certificate, "-quiet", (char *)NULL);
		_exit(127);
	}
	return child;
}

/* The message of an exchange with a TLS server whose certificate is valid from and until then. */
static void try_certificate(struct fixture *fixture, long from, long until)
{
	char path[] = "/tmp/test_http.XXXXXX";
	struct http_request request = { .method = "GET", .url = fixture->url, .fd = -1 };
	in_port_t port;
	int fd = mkstemp(path), holder = server_bind(&port);
	int status = 0;
	pid_t child;

	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(holder);
	write_certificate(path, from, until);
	child = start_tls_server(path, port);
	fixture->conf.upload_ca_file = path;
	(void)snprintf(fixture->url, sizeof fixture->url, "https://localhost:%u/", port);
	for (int i = 0; i < 500; i++) { /* until it listens */
		assert_int_equal(http_send(fixture->http, &request, &fixture->reply, &fixture->err),
				 -1);
		if (strstr(fixture->err.message, "certificate"))
			break;
		(void)usleep(10000);
	}
	(void)kill(child, SIGTERM);
	(void)waitpid(child, &status, 0);
	(void)unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		skip(); /* no openssl(1) here */
}

static void test_wrong_clock_is_transient(void **state)
{
	const long day = 86400;
	struct fixture *fixture = *state;

	assert_true(http_is_out_of_time(X509_V_ERR_CERT_NOT_YET_VALID));
	assert_true(http_is_out_of_time(X509_V_ERR_CERT_HAS_EXPIRED));
	assert_false(http_is_out_of_time(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT));
	assert_false(http_is_out_of_time(X509_V_OK));
	try_certificate(fixture, day, 2 * day);
	assert_non_null(strstr(fixture->err.message, "is this node's clock right?"));
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	try_certificate(fixture, -2 * day, -day);
	assert_non_null(strstr(fixture->err.message, "is this node's clock right?"));
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
}

static void test_full_table_is_transient(void **state)
{
	static const char *const replies[] = { OK_REPLY };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(1) };
	struct fixture *fixture = *state;
	struct http_request request = { .method = "GET", .fd = -1 };

	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		address.sin_port = htons((in_port_t)(i + 1));
		assert_true(connections_add(fixture->connections, (struct sockaddr *)&address,
					    (struct sockaddr *)&address) >= 0);
	}
	start(fixture, replies, COUNT_OF(replies));
	request.url = fixture->url;
	expect_failure(fixture, &request, ERROR_TRANSIENT, "connections of our own");
	server_stop(&fixture->server);
}

static void test_body_pieces(void **state)
{
	const struct http_request request = {
		.head = "abc", .head_bytes = 3, .tail = "xyz", .tail_bytes = 3, .fd = -1
	};
	char out[8];

	(void)state;
	assert_int_equal(http_body_bytes(&request), 6);
	assert_int_equal(http_body_read(&request, 1, out, sizeof out), 2);
	assert_memory_equal(out, "bc", 2);
	assert_int_equal(http_body_read(&request, 3, out, 2), 2);
	assert_memory_equal(out, "xy", 2);
	assert_int_equal(http_body_read(&request, 6, out, sizeof out), 0);
}

static void add(struct http_headers *headers, const char *line)
{
	http_headers_add(headers, line, strlen(line));
}

static void test_header_lines(void **state)
{
	static struct http_headers headers;
	cleanup_free char *huge = mem_printf("Range: %0*d\r\n", HTTP_HEADER_MAX + 1, 0);
	const struct http_reply reply = { .headers = &headers };

	(void)state;
	add(&headers, "RANGE:bytes=0-1\r\n");
	assert_string_equal(http_reply_header(&reply, "Range"), "bytes=0-1");
	add(&headers, "Ranges: no\r\n");
	add(&headers, "nonsense\r\n");
	assert_string_equal(http_reply_header(&reply, "Range"), "bytes=0-1");
	add(&headers, huge);
	assert_string_equal(http_reply_header(&reply, "Range"), "");
	add(&headers, "Location: http://a/\r\n");
	assert_string_equal(http_reply_header(&reply, "location"), "http://a/");
	add(&headers, "HTTP/1.1 200 OK\r\n");
	assert_string_equal(http_reply_header(&reply, "Location"), "");
	assert_string_equal(http_reply_header(&(struct http_reply){ .status = 200 }, "Date"), "");
}

static void test_headers_are_bounded(void **state)
{
	static struct http_headers headers;
	const struct http_reply reply = { .headers = &headers };
	cleanup_free char *long_value = mem_printf(": %0*d\r\n", HTTP_HEADER_MAX - 1, 0);
	size_t before;

	(void)state;
	headers.length = 0;
	/* A byte of 0 must not begin a header of its own. */
	http_headers_add(&headers, "X: a\0Range\0b\r\n", 15);
	assert_string_equal(http_reply_header(&reply, "X"), "a");
	assert_string_equal(http_reply_header(&reply, "Range"), "");
	do {
		before = headers.length;
		add(&headers, long_value);
		assert_true(headers.length <= HTTP_HEADERS_MAX);
	} while (headers.length > before);
	assert_in_range(headers.length, HTTP_HEADERS_MAX - HTTP_HEADER_MAX, HTTP_HEADERS_MAX);
	assert_string_equal(http_reply_header(&reply, "X"), "a");
}

static void test_retry_after(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} cases[] = {
		{ "", 0 },
		{ "0", 0 },
		{ "7", 7 },
		{ "86399", 86399 },
		{ "99999999", 86400 },
		{ "99999999999999999999", 0 },
		{ "-3", 0 },
		{ "7 seconds", 0 },
		/* Now is 08:50:00. */
		{ "Sun, 06 Nov 1994 08:50:20 GMT", 20 },
		{ "Sunday, 06-Nov-94 08:50:20 GMT", 20 },
		{ "Sun Nov  6 08:50:20 1994", 20 },
		{ "Sun, 06 Nov 1994 08:49:59 GMT", 0 },
		{ "Mon, 07 Nov 2044 08:50:20 GMT", 86400 },
		{ "Sun, 06 Nov 1994 08:50:20 PST", 0 },
		{ "Sun, 06 Nov 1994", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (http_parse_retry_after(cases[i].text, 784111800) != cases[i].seconds * 1000)
			fail_msg("%s", cases[i].text);
}

static void test_what_may_be_told(void **state)
{
	(void)state;
	assert_true(redact_is_loggable("Connection refused", 256));
	assert_false(redact_is_loggable("", 256));
	assert_false(redact_is_loggable("bad syntax in 'user:hush@h'", 256));
	assert_false(redact_is_loggable("bad syntax in 'http://us", 256));
	assert_false(redact_is_loggable("bad syntax in 'user:hus", 24)); /* cut */
}

static void test_escape(void **state)
{
	cleanup_free char *escaped = http_escape("a/B-9._~ :%\xc3\xa4");

	(void)state;
	assert_string_equal(escaped, "a%2FB-9._~%20%3A%25%C3%A4");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_body_comes_from_memory_and_file),
		TEST(test_empty_body_says_so),
		TEST(test_connections_are_kept_and_known),
		TEST(test_a_dead_kept_connection_is_replaced),
		TEST(test_redirects_are_not_followed),
		TEST(test_no_reply_is_transient),
		TEST(test_other_protocols_are_refused),
		TEST(test_long_reply_is_cut),
		TEST(test_file_that_is_too_short),
		TEST(test_body_goes_to_a_callback),
		TEST(test_callback_ends_the_body),
		TEST(test_body_that_breaks_off_is_no_reply),
		TEST(test_body_of_an_error_stays_in_memory),
		TEST(test_cancel_ends_a_stream),
		TEST(test_cancel_ends_it_within_two_seconds),
		TEST(test_timeout_of_the_whole_exchange),
		TEST(test_date_of_the_server),
		cmocka_unit_test(test_read_url),
		TEST(test_proxy_is_used_but_not_for_local),
		TEST(test_bad_options_are_refused_at_once),
		TEST(test_full_table_is_transient),
		TEST(test_password_of_a_proxy_stays_unsaid),
		TEST(test_a_trickle_is_a_stall),
		TEST(test_a_streamed_trickle_is_a_stall),
		TEST(test_a_transfer_broken_off_leaves_nothing_behind),
		TEST(test_how_a_socket_ends),
		TEST(test_wrong_clock_is_transient),
		cmocka_unit_test(test_body_pieces),
		cmocka_unit_test(test_header_lines),
		cmocka_unit_test(test_headers_are_bounded),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_what_may_be_told),
		cmocka_unit_test(test_escape),
	};

	unit_add(tests, start_http, NULL);
}
