/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A server on the loopback that plays a script, for tests of upload/: it answers the requests in the order
 * in which they come and keeps them for the test to look at. Include unit.h first.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/connections.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "http/http.h"

#define COUNT_OF(array)     (sizeof(array) / sizeof *(array))
#define SERVER_REQUESTS_MAX 128

/* Replies: the head and body as they go out, with "CLOSE" for hanging up without one. */
#define CLOSE_CONNECTION "CLOSE"
#define HANG             "HANG" /* say nothing until the test is over */
#define REPLY(status, headers, body) \
	"HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body

struct server {
	int fd;
	in_port_t port; /* host order */
	int stop_pipe[2];
	pthread_t thread;
	const char *const *replies;
	atomic_size_t reply_count;
	struct {
		char *text; /* head and body, NUL-terminated */
		size_t length;
	} requests[SERVER_REQUESTS_MAX];
	atomic_size_t count;
	atomic_size_t connections;
};

/* True when fd can be read, false at the end of the test. */
static inline bool server_wait(struct server *server, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = server->stop_pipe[0], .events = POLLIN } };

	if (poll(fds, 2, 30000) <= 0)
		return false;
	return !fds[1].revents;
}

/* One whole request; false if the peer went away. */
static inline bool server_read(struct server *server, int fd, char **ret_text, size_t *ret_length)
{
	size_t capacity = 1 << 16, length = 0, expected = 0;
	char *text = mem_alloc(capacity + 1);

	for (;;) {
		char *head_end, *field;
		ssize_t got;

		if (!server_wait(server, fd))
			break;
		if (length == capacity)
			text = mem_realloc(text, (capacity *= 2) + 1, 1);
		got = read(fd, text + length, capacity - length);
		if (got <= 0)
			break;
		length += (size_t)got;
		text[length] = '\0';
		if (!expected && (head_end = strstr(text, "\r\n\r\n"))) {
			field = strcasestr(text, "\r\nContent-Length: ");
			expected = (size_t)(head_end + 4 - text);
			if (field && field < head_end)
				expected += strtoul(field + 18, NULL, 10);
		}
		if (expected && length >= expected) {
			*ret_text = text;
			*ret_length = length;
			return true;
		}
	}
	free(text);
	return false;
}

/* All of it, unless the peer hangs up. */
static inline void server_send(int fd, const char *reply)
{
	size_t left = strlen(reply);
	ssize_t sent;

	for (; left > 0; reply += sent, left -= (size_t)sent) {
		sent = send(fd, reply, left, MSG_NOSIGNAL);
		if (sent < 0)
			return;
	}
}

static inline void *server_run(void *context)
{
	struct server *server = context;

	while (server_wait(server, server->fd)) {
		int fd = accept(server->fd, NULL, NULL);
		const char *reply = "";
		char *text;
		size_t length;

		if (fd < 0)
			break;
		atomic_fetch_add(&server->connections, 1);
		while (!strstr(reply, "Connection: close") &&
		       server_read(server, fd, &text, &length)) {
			size_t number = atomic_load(&server->count);

			if (number < SERVER_REQUESTS_MAX) {
				server->requests[number].text = text;
				server->requests[number].length = length;
				atomic_store(&server->count, number + 1);
			} else {
				free(text);
			}
			reply = number < server->reply_count
					? server->replies[number]
					: REPLY("599 Script ended", "Content-Length: 0\r\n", "");
			if (strcmp(reply, CLOSE_CONNECTION) == 0)
				break;
			if (strcmp(reply, HANG) == 0) {
				(void)server_wait(server, -1);
				break;
			}
			server_send(fd, reply);
		}
		(void)close(fd);
	}
	return NULL;
}

/* A port on the loopback; nobody listens yet. Returns the fd. */
static inline int server_bind(in_port_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static inline void server_start(struct server *server, const char *const *replies, size_t count)
{
	*server = (struct server){ .replies = replies, .reply_count = count };
	server->fd = server_bind(&server->port);
	assert_int_equal(listen(server->fd, 16), 0);
	assert_int_equal(pipe(server->stop_pipe), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

/* What was asked so far; the script begins anew. */
static inline void server_forget(struct server *server)
{
	for (size_t i = 0; i < atomic_load(&server->count); i++)
		free(server->requests[i].text);
	atomic_store(&server->count, 0);
}

static inline void server_stop(struct server *server)
{
	(void)close(server->stop_pipe[1]);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->stop_pipe[0]);
	(void)close(server->fd);
	server_forget(server);
}

/* The request's body; the head ends before it. */
static inline const char *server_body(const struct server *server, size_t number)
{
	const char *end;

	assert_true(number < atomic_load(&server->count));
	end = strstr(server->requests[number].text, "\r\n\r\n");
	return end + 4;
}

static inline bool server_was_told(const struct server *server, size_t number, const char *text)
{
	assert_true(number < atomic_load(&server->count));
	return strstr(server->requests[number].text, text) != NULL;
}

static inline void assert_told(const struct server *server, size_t number, const char *text)
{
	if (!server_was_told(server, number, text))
		fail_msg("\"%s\" is not in request %zu:\n%.2000s", text, number,
			 server->requests[number].text);
}

/* A configuration where every option of upload/ is at what a test wants. */
static inline void http_fixture_conf(struct conf *conf)
{
	static char empty[] = "";
	static char node[] = "node-1";
	static char universe[] = "googleapis.com";
	static char spool[] = "/nowhere/spool";

	*conf = (struct conf){
		.upload_destination = empty,
		.upload_prefix = empty,
		.upload_workers = 2,
		.upload_connect_timeout = 5,
		.upload_stall_timeout = 5,
		.upload_ca_file = empty,
		.upload_proxy = empty,
		.gcs_credentials = empty,
		.gcs_universe_domain = universe,
		.gcs_chunk_size = 8 << 20,
		.spool_directory = spool,
		.node_name = node,
	};
}

/* Nothing of the environment of whoever runs the tests. */
static inline void http_fixture_environment(void)
{
	static const char *const names[] = {
		"STORAGE_EMULATOR_HOST",
		"GOOGLE_APPLICATION_CREDENTIALS",
		"CLOUDSDK_CONFIG",
		"GOOGLE_CLOUD_QUOTA_PROJECT",
		"GCE_METADATA_HOST",
		"GCE_METADATA_ROOT",
		"NO_GCE_CHECK",
		"HOME",
		"http_proxy",
		"https_proxy",
		"HTTPS_PROXY",
		"all_proxy",
		"ALL_PROXY",
		"no_proxy",
		"NO_PROXY",
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		unsetenv(names[i]);
}

/* For unit_add(). */
static inline int start_http(void **state)
{
	struct error err;

	(void)state;
	return http_global_init(&err);
}
